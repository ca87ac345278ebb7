"""Record RUNS training runs with ML Metadata into the SQLite file PATH. Runs in ML Metadata's own environment.

One ``put_execution`` a run with its artifacts and events in one transaction, as its documentation does it.
"""

import json
import sys
import time

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd


def record(path: str, runs: int) -> dict[str, float]:
    config = mlmd.ConnectionConfig()
    config.sqlite.filename_uri = path
    config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    store = metadata_store.MetadataStore(config)
    dataset = store.put_artifact_type(mlmd.ArtifactType(name="Dataset"))
    model = store.put_artifact_type(mlmd.ArtifactType(name="Model"))
    training = store.put_execution_type(mlmd.ExecutionType(name="Training"))
    inputs = [mlmd.Artifact(type_id=dataset, uri=f"lake/{name}") for name in ("train", "test")]
    for artifact, artifact_id in zip(inputs, store.put_artifacts(inputs), strict=True):
        artifact.id = artifact_id
    started, started_cpu = time.perf_counter(), time.process_time()
    for number in range(runs):
        execution = mlmd.Execution(type_id=training, last_known_state=mlmd.Execution.RUNNING)
        for i in range(20):
            execution.custom_properties[f"parameter{i:02}"].double_value = number + i / 8
        read = [(artifact, mlmd.Event(type=mlmd.Event.INPUT)) for artifact in inputs]
        execution.id = store.put_execution(execution, read, [])[0]
        execution.last_known_state = mlmd.Execution.COMPLETE
        for name in ("auc", "loss", "accuracy", "recall", "f1"):
            execution.custom_properties[name].double_value = 0.9
        made = mlmd.Artifact(type_id=model, uri=f"models/{number}")
        store.put_execution(execution, [(made, mlmd.Event(type=mlmd.Event.OUTPUT))], [])
    return {"runs": runs, "seconds": time.perf_counter() - started, "cpu_s": time.process_time() - started_cpu}


if __name__ == "__main__":
    print(json.dumps(record(sys.argv[1], int(sys.argv[2]))))
