"""Record RUNS training runs with our SDK: RUNS DATABASE, or RUNS alone to stop at the log.

The same work as the peers': 20 parameters, 5 metrics, 2 inputs, 1 output a run. The clock stops when every event is
in the log, and, with DATABASE, in the read model.
"""

import json
import os
import sys
import time
from pathlib import Path

import modeltrail
from benchmarks.measuring import median
from modeltrail.config import load
from modeltrail.log import open_log
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import catch_up

PARAMETERS = {f"parameter{index:02}": index / 8 for index in range(20)}
METRICS = dict.fromkeys(("auc", "loss", "accuracy", "recall", "f1"), 0.9)
EVENTS_A_RUN = 2


def record(runs: int, database: str, environ: dict[str, str]) -> dict[str, float]:
    record_one(0)
    modeltrail.flush()
    calls_us, started, started_cpu = [], time.perf_counter(), time.process_time()
    for number in range(runs):
        began = time.perf_counter()
        record_one(number)
        calls_us.append((time.perf_counter() - began) * 1e6 / EVENTS_A_RUN)
    assert modeltrail.flush(600_000)
    if database:
        engine = open_engine(database)
        with open_log(load(environ, Path.cwd()).log) as log:
            catch_up(log, engine)
        engine.dispose()
    return {
        "runs": runs,
        "seconds": time.perf_counter() - started,
        "cpu_s": time.process_time() - started_cpu,
        "call_us_an_event": median(calls_us),
        "calls_s": sum(calls_us) * EVENTS_A_RUN / 1e6,
    }


def record_one(number: int) -> None:
    with modeltrail.start_run(job="risk/fraud-train", capture=False) as run:
        run.log_params(PARAMETERS)
        run.use_dataset("risk/transactions", version="412", uri="http://lake/train", role="train")
        run.use_dataset("risk/transactions-test", version="77ab", uri="http://lake/test", role="test")
        run.log_metrics(METRICS, step=10)
        run.log_model("risk/fraud", version=f"1.{number}")


if __name__ == "__main__":
    print(json.dumps(record(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "", dict(os.environ))))
