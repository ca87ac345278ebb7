"""The standard event that every rate is measured with: 20 parameters, 5 metrics, 3 references, about 950 bytes.

Benchmarks share it so that their figures can be divided by one another; it must not change.
"""

from modeltrail_schemas.event import DatasetDetail, Emitter, LineageEvent, Metric
from modeltrail_schemas.identity import new_event_id
from modeltrail_schemas.names import EntityRef, JobName

EVENT_TIME_NS = 1_741_000_000_123_456_789
RUN_ID = "0197c1a2-7b3c-7d4e-8f50-123456789abc"
COMMIT = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
METRICS = {"auc": 0.91, "loss": 0.23, "accuracy": 0.95, "recall": 0.81, "f1": 0.86}


def standard_event(number: int = 0) -> LineageEvent:
    """Return the standard event; ``number`` tells one from another by its time, id and sequence."""
    event_time_ns = EVENT_TIME_NS + number * 1_000
    train = EntityRef("dataset", "risk", "transactions", "delta:412", "", "train")
    test = EntityRef("dataset", "risk", "transactions-test", "77ab", "", "test")
    model = EntityRef("model", "risk", "fraud", "1.2")
    return LineageEvent(
        event_id=new_event_id(event_time_ns, number.to_bytes(8, "big")),
        kind="run",
        type="COMPLETE",
        event_time_ns=event_time_ns,
        run_id=RUN_ID,
        job=JobName("risk", "fraud-train"),
        inputs=(train, test),
        outputs=(model,),
        commit=COMMIT,
        environment_digest="sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        producer="urn:modeltrail",
        emitter=Emitter(id="0197c1a2f0", rank=0, sequence=number + 1, host="trainer-7", process_id=4711),
        parameters={f"parameter{index:02}": f"{index * 0.125}" for index in range(20)},
        metrics=tuple(
            Metric(name, value, step=10, time_ns=event_time_ns - 5_000 + index)
            for index, (name, value) in enumerate(METRICS.items())
        ),
        datasets=(DatasetDetail(train.target, "provider", "s3://lake/transactions", "delta", 3_100_000, 1_200_000),),
        tags={"team": "risk"},
        seeds={"numpy": "42"},
    )
