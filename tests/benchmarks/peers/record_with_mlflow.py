"""Record RUNS training runs with MLflow into the tracking database URI: sync | async. In MLflow's own environment.

As its documentation advises: a database as the store; and where calls are slow, asynchronous logging, which then is
waited for at the end. That makes calls short and the end of each run long, so both ways are measured.
"""

import json
import sys
import time

import mlflow
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.data.meta_dataset import MetaDataset


def record(uri: str, runs: int, way: str) -> dict[str, float]:
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("benchmark")
    mlflow.config.enable_async_logging(way == "async")
    data = [MetaDataset(HTTPDatasetSource(f"http://lake/{name}"), name=name) for name in ("train", "test", "scores")]
    finish = mlflow.flush_async_logging if way == "async" else lambda: None
    record_one(data, 0)
    finish()
    calls_s, started, started_cpu = 0.0, time.perf_counter(), time.process_time()
    for number in range(runs):
        began = time.perf_counter()
        record_one(data, number)
        calls_s += time.perf_counter() - began
    finish()
    return {
        "runs": runs,
        "seconds": time.perf_counter() - started,
        "cpu_s": time.process_time() - started_cpu,
        "calls_s": calls_s,
    }


def record_one(data: list[MetaDataset], number: int) -> None:
    with mlflow.start_run():
        mlflow.log_params({f"parameter{i:02}": number + i / 8 for i in range(20)})
        mlflow.log_input(data[0], context="train")
        mlflow.log_input(data[1], context="test")
        mlflow.log_metrics(dict.fromkeys(("auc", "loss", "accuracy", "recall", "f1"), 0.9), step=10)
        mlflow.log_input(data[2], context="output")


if __name__ == "__main__":
    print(json.dumps(record(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
