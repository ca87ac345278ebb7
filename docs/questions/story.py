"""The story that the pages of this folder ask about, as OpenLineage events with fixed times and ids.

    python docs/questions/story.py | modeltrail events import -

A team cleans transactions, trains fraud models on them and scores customers with the one in production.
"""

import json
import sys
from datetime import UTC, datetime

from modeltrail_schemas.event import (
    DatasetDetail,
    Description,
    Emitter,
    Environment,
    LineageEvent,
    Metric,
    ModelDetail,
    RunError,
    SourceCode,
    Statement,
)
from modeltrail_schemas.identity import new_event_id
from modeltrail_schemas.names import EntityRef, JobName, parse_name
from modeltrail_schemas.openlineage.writing import write

OLD = Environment(
    digest="sha256:" + "0a" * 32,
    python="3.11.8",
    os="Linux 6.8",
    packages={"numpy": "1.26.4", "scikit-learn": "1.4.2"},
)
NEW = Environment(
    digest="sha256:" + "0b" * 32,
    python="3.11.9",
    os="Linux 6.8",
    packages={"numpy": "2.1.0", "scikit-learn": "1.5.1"},
)
COMMITS = {"clean": "c1ea" * 10, "embed": "e3bd" * 10, "first": "f1e5" * 10, "second": "5ec0" * 10}


def main() -> None:
    for document in [*cleaning(), *models(), *use(), *trouble()]:
        sys.stdout.write(document + "\n")


def cleaning():
    yield spark("0000a001", "2026-03-01T06:00", "lake/raw-tx@2026-02", "risk/tx@v3")
    yield spark("0000a002", "2026-03-05T06:00", "lake/raw-tx@2026-03", "risk/tx@v4")


def models():
    yield from run(
        "0000b001",
        "risk/embed",
        ("2026-03-01T08:00", "2026-03-01T09:30"),
        reads=["risk/corpus@1"],
        makes=["model:risk/embedder@7"],
        commit="embed",
        environment=OLD,
        parameters={"size": "64"},
        metrics={"loss": 0.31},
    )
    yield declare("2026-03-01T10:00", "ALIASED", "risk/embedder@7", by="cem", alias="production")
    yield from run(
        "0000b002",
        "risk/fraud-train",
        ("2026-03-02T09:00", "2026-03-02T10:10"),
        reads=["risk/tx@v3?role=train", "model:risk/embedder@production"],
        makes=["model:risk/fraud@1.1"],
        commit="first",
        environment=OLD,
        parameters={"lr": "0.1", "depth": "6"},
        metrics={"auc": 0.89},
    )
    yield describe("2026-03-02T10:30", "risk/fraud", "Tells fraudulent card payments.", "ana")
    yield declare("2026-03-02T11:00", "REGISTERED", "risk/fraud@1.1", by="ana")
    yield declare("2026-03-02T15:00", "ALIASED", "risk/fraud@1.1", by="ana", alias="production")
    yield declare("2026-03-02T15:00:01", "DEPLOYED", "risk/fraud@1.1", by="ana", target="eu")
    yield from run(
        "0000b003",
        "risk/fraud-train",
        ("2026-03-06T09:00", "2026-03-06T10:20"),
        reads=["risk/tx@v4?role=train", "model:risk/embedder@production"],
        makes=["model:risk/fraud@1.2"],
        commit="second",
        environment=NEW,
        parameters={"lr": "0.05", "depth": "6"},
        metrics={"auc": 0.91},
    )
    yield declare("2026-03-06T11:00", "REGISTERED", "risk/fraud@1.2", by="ana")
    yield declare(
        "2026-03-06T16:00", "APPROVED", "risk/fraud@1.2", by="bo", why="reviewed", assurance="authenticated"
    )
    yield declare(
        "2026-03-07T14:05", "ALIASED", "risk/fraud@1.2", by="bo", why="better on new cards", alias="production"
    )
    yield declare("2026-03-07T14:05:01", "DEPLOYED", "risk/fraud@1.2", by="bo", target="eu")


def use():
    yield from run(
        "0000c001",
        "risk/fraud-evaluate",
        ("2026-03-06T12:00", "2026-03-06T12:05"),
        reads=["model:risk/fraud@1.2", "risk/tx-test@1?role=test"],
        makes=[],
        commit="second",
        environment=NEW,
        metrics={"auc": 0.9},
    )
    yield from run(
        "0000c002",
        "risk/score",
        ("2026-03-08T02:00", "2026-03-08T02:30"),
        reads=["model:risk/fraud@production", "risk/tx"],
        makes=["risk/scores@2026-03-08"],
        commit="second",
        environment=NEW,
    )


def trouble():
    yield from run(
        "0000b004",
        "risk/fraud-train",
        ("2026-03-09T09:00", "2026-03-09T09:02"),
        reads=["risk/tx@v4?role=train"],
        makes=[],
        commit="second",
        environment=NEW,
        parameters={"lr": "5"},
        error=RunError("ValueError", "loss is NaN"),
    )
    yield event(
        "2026-03-09T10:00",
        "run",
        "CORRECTED",
        run_id=run_id("0000b002"),
        parameters={"lr": "0.2"},
        statement=Statement(by="ana", why="the flag was overridden", assurance="claimed"),
    )
    yield declare("2026-03-10T08:00", "RETRACTED", "dataset:risk/tx@v3", by="cem", why="labels of February are wrong")


def run(short, job, times, *, reads, makes, commit, environment, parameters=None, metrics=None, error=None):
    about = {"run_id": run_id(short), "job": job_name(job), "emitter": Emitter(id=short)}
    yield event(
        times[0],
        "run",
        "START",
        **about,
        inputs=refs(reads),
        commit=COMMITS[commit],
        parameters=parameters or {},
        environment=environment,
        environment_digest=environment.digest,
        seeds={"random": "42"},
        code=SourceCode("https://git.example.org/risk.git", COMMITS[commit], "main"),
        command=("python", "-m", job.split("/")[1]),
    )
    measured = tuple(Metric(name, value, dataset=EntityRef()) for name, value in (metrics or {}).items())
    yield event(
        times[1],
        "run",
        "FAIL" if error else "COMPLETE",
        **about,
        outputs=refs(makes),
        metrics=measured,
        error=error,
        models=tuple(ModelDetail(ref, "content", "scikit-learn") for ref in refs(makes) if ref.kind == "model"),
        datasets=tuple(DatasetDetail(ref, "claimed") for ref in refs(makes) if ref.kind == "dataset"),
    )


def spark(short, time, source, target):
    """Return a run as an OpenLineage integration sends it, with column lineage."""
    (read,), (made,) = refs([source]), refs([target])

    def dataset(ref, **facets):
        version = {"_producer": "urn:story", "_schemaURL": "urn:story", "datasetVersion": ref.version}
        return {"namespace": ref.namespace, "name": ref.name, "facets": {"version": version} | facets}

    def column(name, how):
        transformation = {"type": "DIRECT", "subtype": how, "description": "", "masking": False}
        return {
            "inputFields": [
                {"namespace": read.namespace, "name": read.name, "field": name, "transformations": [transformation]}
            ]
        }

    fields = {"amount": column("amount_cents", "TRANSFORMATION"), "is_fraud": column("label", "IDENTITY")}
    lineage = {"_producer": "urn:story", "_schemaURL": "urn:story", "fields": fields}
    return json.dumps(
        {
            "eventType": "COMPLETE",
            "eventTime": f"{time}:00Z",
            "producer": "urn:story",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": run_id(short)},
            "job": {"namespace": "risk", "name": "clean"},
            "inputs": [dataset(read)],
            "outputs": [dataset(made, columnLineage=lineage)],
        }
    )


def declare(time, what, name, **said):
    (subject,) = refs([name if name.startswith("dataset:") else f"model:{name}"])
    word = said.get("alias") or said.get("target") or ""
    about = EntityRef(subject.kind, subject.namespace, subject.name, subject.version, role=word)
    return event(time, subject.kind, what, subjects=(about,), statement=Statement(**{"assurance": "claimed"} | said))


def describe(time, name, text, owner):
    subject = parse_name(name, kind="model")
    return event(
        time, "model", "DESCRIBED", subjects=(subject,), descriptions=(Description(subject, text, (owner,)),)
    )


def event(time, kind, what, **fields):
    time_ns = int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()) * 1_000_000_000
    event_id = new_event_id(time_ns, f"{what:8.8}".encode())
    return write(LineageEvent(event_id=event_id, kind=kind, type=what, event_time_ns=time_ns, **fields)).decode()


def refs(names):
    """Return what ``[model:]NAMESPACE/NAME[@VERSION][?role=ROLE]`` names."""
    found = []
    for text in names:
        kind, _, rest = text.rpartition(":")
        path, _, role = rest.partition("?role=")
        ref = parse_name(path, kind=kind or "dataset")
        found.append(EntityRef(ref.kind, ref.namespace, ref.name, ref.version, role=role))
    return tuple(found)


def job_name(text):
    namespace, _, name = text.partition("/")
    return JobName(namespace, name)


def run_id(short):
    return f"{short}-0000-7000-8000-000000000000"


if __name__ == "__main__":
    main()
