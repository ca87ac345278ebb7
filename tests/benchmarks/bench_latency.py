"""From a call in a training job to a row that everybody sees, with Kafka and PostgreSQL otherwise idle."""

import random
import subprocess
import time
from pathlib import Path

import pytest
from benchmarks.measuring import percentile, start_worker
from benchmarks.reporting import Report, Row
from benchmarks.sizes import Sizes
from modeltrail.config import load
from modeltrail.emitter import Emitter
from modeltrail_schemas.identity import new_event_id, run_key
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import reading
from services.fixtures import DatabaseFactory, TopicFactory
from sqlalchemy import select

LOOK_EVERY_S = 0.001
GIVE_UP_S = 30
MOST_MS = 500


@pytest.mark.service
def test_emit_to_visible(
    report: Report,
    sizes: Sizes,
    tmp_path: Path,
    new_topic: TopicFactory,
    kafka_bootstrap: str,
    new_database: DatabaseFactory,
) -> None:
    address, database = f"kafka://{kafka_bootstrap}/{new_topic()}", new_database()
    follower = start_worker("worker_following", address, database, stdin=subprocess.PIPE)
    assert follower.stdout is not None
    assert follower.stdin is not None
    config = load({"MODELTRAIL_HOME": str(tmp_path / "home"), "MODELTRAIL_LOG": address}, tmp_path)
    emitter, engine = Emitter(config), open_engine(database)
    try:
        assert follower.stdout.readline().strip() == "following"
        emit_and_see(emitter, engine)  # connects, joins the group
        took_ms = []
        for _ in range(sizes.emits):
            time.sleep(random.uniform(0.05, 0.25))
            took_ms.append(emit_and_see(emitter, engine) * 1e3)
    finally:
        emitter.close()
        engine.dispose()
        follower.stdin.close()
        assert follower.wait(GIVE_UP_S) == 0
        follower.stdout.close()
    for which, of_hundred in (("median", 50), ("p99", 99)):
        figure = percentile(took_ms, of_hundred)
        target, reached = ("≤ 500 ms", figure <= MOST_MS) if which == "p99" else ("", None)
        report.add(Row("latency", f"emit → visible, idle, {which}", figure, "ms", None, target, reached))


def emit_and_see(emitter: Emitter, engine: object) -> float:
    run_id = new_event_id(time.time_ns(), random.randbytes(8)).hex()
    started = time.perf_counter()
    emitter.emit({"kind": "run", "type": "START", "run_id": run_id, "job": "bench/latency"})
    while time.perf_counter() - started < GIVE_UP_S:
        with reading(engine) as (connection, tables):  # type: ignore[arg-type]
            if connection.execute(select(tables.run.c.state).where(tables.run.c.run_key == run_key(run_id))).first():
                return time.perf_counter() - started
        time.sleep(LOOK_EVERY_S)
    raise AssertionError(f"not visible after {GIVE_UP_S} s")
