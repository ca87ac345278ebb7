"""Record RUNS training runs with MLflow into the tracking database URI. Runs in MLflow's own environment.

As its documentation advises: a database as the store, and asynchronous logging, which is waited for at the end.
"""

import json
import sys
import time

import mlflow
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.data.meta_dataset import MetaDataset


def record(uri: str, runs: int) -> dict[str, float]:
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("benchmark")
    mlflow.config.enable_async_logging(True)
    data = [MetaDataset(HTTPDatasetSource(f"http://lake/{name}"), name=name) for name in ("train", "test", "scores")]
    record_one(data, 0)
    mlflow.flush_async_logging()
    calls_s, started, started_cpu = 0.0, time.perf_counter(), time.process_time()
    for number in range(runs):
        began = time.perf_counter()
        record_one(data, number)
        calls_s += time.perf_counter() - began
    mlflow.flush_async_logging()
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
    print(json.dumps(record(sys.argv[1], int(sys.argv[2]))))
