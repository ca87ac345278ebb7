"""A history of events told in a few words, projected into a real SQLite read model and asked there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Log, Outgoing
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import (
    DatasetDetail,
    Emitter,
    Environment,
    LineageEvent,
    Metric,
    ModelDetail,
    SourceCode,
    Statement,
)
from modeltrail_schemas.identity import new_event_id
from modeltrail_schemas.names import EntityRef, JobName, parse_name
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.records import Answer
from modeltrail_server.queries.snapshot import Snapshot

SECOND_NS = 1_000_000_000
MARCH_2026_NS = 1_772_500_000 * SECOND_NS

PYTHON_ENVIRONMENT = Environment(
    digest="sha256:" + "e" * 64,
    python="3.11.9",
    os="Linux 6.8",
    machine="x86_64",
    packages={"scikit-learn": "1.5.0", "numpy": "2.1.0"},
)


def dataset(text: str, *, digest: str = "", role: str = "") -> EntityRef:
    """Return the dataset that ``text`` names."""
    ref = parse_name(text, kind="dataset")
    return EntityRef(ref.kind, ref.namespace, ref.name, ref.version, digest, role)


def model(text: str, *, digest: str = "", role: str = "") -> EntityRef:
    """Return the model that ``text`` names."""
    ref = parse_name(text, kind="model")
    return EntityRef(ref.kind, ref.namespace, ref.name, ref.version, digest, role)


@dataclass
class History:
    """Events in the order they are told, one second apart."""

    log: Log
    database: str
    events: list[LineageEvent] = field(default_factory=list)

    def tell(self, kind: str, event_type: str, **fields: Any) -> LineageEvent:
        """Append one event; return it."""
        number = len(self.events) + 1
        time_ns = fields.pop("event_time_ns", MARCH_2026_NS + number * SECOND_NS)
        event_id = new_event_id(time_ns, number.to_bytes(8, "big"))
        event = LineageEvent(event_id=event_id, kind=kind, type=event_type, event_time_ns=time_ns, **fields)
        self.log.append([Outgoing(encode(event))])
        self.events.append(event)
        return event

    def run(
        self, run_id: str, event_type: str = "START", *, job: str = "team/train", rank: int = 0, **fields: Any
    ) -> LineageEvent:
        """Append an event of a run."""
        parsed = parse_name(job, kind="job") if job else EntityRef()
        name = JobName(parsed.namespace, parsed.name)
        return self.tell("run", event_type, run_id=run_id, job=name, emitter=Emitter(rank=rank), **fields)

    def declare(self, event_type: str, subject: EntityRef, **said: Any) -> LineageEvent:
        """Append a declaration about a version, as the SDK writes it."""
        descriptions = said.pop("descriptions", ())
        word = next((said[name] for name in ("alias", "stage", "target") if said.get(name)), "")
        subject = replace(subject, role=word)
        statement = Statement(**said)
        return self.tell(
            subject.kind, event_type, subjects=(subject,), statement=statement, descriptions=descriptions
        )

    @contextmanager
    def asked(self, as_of: AsOf | None = None) -> Iterator[Snapshot]:
        """Give the read model of everything told so far."""
        engine = open_engine(self.database)
        try:
            catch_up(self.log, engine)
            with reading(engine) as (connection, tables):
                yield Snapshot(connection, tables, as_of)
        finally:
            engine.dispose()


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with MemoryLog() as log:
        yield History(log, f"sqlite:///{tmp_path / 'read-model.db'}")


@pytest.fixture
def fraud(history: History) -> History:
    """The seed case, told."""
    return tell_fraud(history)


def tell_fraud(history: History) -> History:
    """Tell the seed case: data made from raw data, a training that forgot one data version, a deployed version."""
    raw, clean = dataset("risk/raw@9f1", digest="sha256:9f1"), dataset("risk/dataset_v3", digest="sha256:" + "d" * 64)
    history.run("run-clean", job="risk/clean", inputs=(raw,), commit="0" * 40)
    history.run(
        "run-clean", "COMPLETE", job="risk/clean", outputs=(clean,), datasets=(detail(clean, rows=1_200_000),)
    )
    train = dataset("risk/dataset_v3", digest="sha256:" + "d" * 64, role="train")
    version = model("risk/fraud@1.2", digest="sha256:" + "3f9c" * 16)
    history.run(
        "run-train",
        job="risk/fraud-train",
        inputs=(train, dataset("risk/tx-old")),
        commit="a1b2c3d" + "0" * 33,
        environment_digest=PYTHON_ENVIRONMENT.digest,
        environment=PYTHON_ENVIRONMENT,
        code=SourceCode(repository="https://example.org/risk.git", commit="a1b2c3d" + "0" * 33, branch="main"),
        command=("python", "train.py", "--depth", "6"),
        parameters={"lr": "0.1", "depth": "6"},
        seeds={"random": "42"},
        datasets=(detail(train, rows=1_200_000),),
    )
    measured = (Metric("accuracy", 0.93, 1, 0, train), Metric("accuracy", 0.95, 2, 0, train))
    history.run("run-train", "RUNNING", job="risk/fraud-train", metrics=measured)
    told = ModelDetail(version, strength="content", framework="scikit-learn", location="file:m.joblib", bytes=4096)
    history.run("run-train", "COMPLETE", job="risk/fraud-train", outputs=(version,), models=(told,))
    history.declare("REGISTERED", version, by="ana", assurance="claimed")
    history.declare("ALIASED", version, alias="production", by="ana")
    history.declare("APPROVED", version, by="bo", why="reviewed", assurance="authenticated")
    history.declare("DEPLOYED", version, target="eu-west", by="bo")
    return history


def detail(ref: EntityRef, *, strength: str = "content", rows: int | None = None) -> DatasetDetail:
    """Return what is known of a dataset version."""
    return DatasetDetail(ref, strength=strength, location=f"file:{ref.name}.parquet", bytes=3_100_000_000, rows=rows)


def ask(history: History, text: str, as_of: AsOf | None = None) -> Answer:
    """Return what is recorded of the thing that ``text`` names."""
    with history.asked(as_of) as snapshot:
        return answer(snapshot, resolve(snapshot, text))
