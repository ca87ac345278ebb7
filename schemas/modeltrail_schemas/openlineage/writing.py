"""Events to OpenLineage documents. Pure.

An event that came as a document is that document again, byte for byte. Any other is written with the standard
facets; then it is read back, and each field that came back otherwise goes into a facet of ours, ``modeltrail_event``
for the short ones and ``modeltrail_NAME`` for the others, so nothing is lost and nothing that is told is repeated.
"""

import json
import uuid
from typing import Any

from modeltrail_schemas.errors import InvalidEventError
from modeltrail_schemas.event import Kind, LineageEvent, RunState
from modeltrail_schemas.identity import run_key
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.openlineage import facets as standard
from modeltrail_schemas.openlineage.datasets import no_detail, read_dataset, write_dataset, write_rest
from modeltrail_schemas.openlineage.documents import parse
from modeltrail_schemas.openlineage.facets import Written
from modeltrail_schemas.openlineage.interpretation import EVENT_FACET, interpret
from modeltrail_schemas.openlineage.times import format_time
from modeltrail_schemas.openlineage.typed import dump_fields
from modeltrail_schemas.surrogates import encodable_fields

SPECIFICATION_URL = f"{standard.SPECIFICATION}/2-0-2/OpenLineage.json"
STAND_IN_NAMESPACE = "modeltrail"


def write(event: LineageEvent) -> bytes:
    """Return the OpenLineage document of ``event``. Raises InvalidEventError for a time outside 64 bits."""
    if event.document is not None:
        return event.document
    event = encodable_fields(event)
    carrier, document = _standard_document(event)
    told = interpret(parse(_dump(document)))
    rest = dump_fields(event, told)
    short = {name: value for name, value in rest.items() if not isinstance(value, dict | list)}
    facets = document[carrier]["facets"]
    if short:
        facets[EVENT_FACET] = standard.our_facet("event", short)
    for name, value in rest.items():
        if name not in short:
            facets[standard.OUR_PREFIX + name] = standard.our_facet(name, {name: value})
    return _dump(document)


def _dump(document: Written) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")


def _standard_document(event: LineageEvent) -> tuple[str, Written]:
    """Return the document with standard facets alone, and which member of it holds the facets of the whole event."""
    try:
        event_time = format_time(event.event_time_ns)
    except ValueError as error:
        raise InvalidEventError(f"the event's time, {event.event_time_ns} ns, cannot be written: {error}") from error
    about = {"eventTime": event_time, "producer": event.producer}
    if not standard.is_uri(event.producer):
        about["producer"] = standard.PRODUCER
    if event.kind == Kind.RUN or (event.run_id and not event.subjects):
        return "run", about | {"schemaURL": f"{SPECIFICATION_URL}#/$defs/RunEvent"} | _run_event(event)
    if event.subjects and (event.subjects[0].namespace or event.subjects[0].name):
        dataset = _dataset(event, event.subjects[0], "")
        if event.tags:
            dataset["facets"]["tags"] = standard.write_tags(event.tags, "Dataset")
        return "dataset", about | {"schemaURL": f"{SPECIFICATION_URL}#/$defs/DatasetEvent", "dataset": dataset}
    job = _job(event)
    if not event.job.namespace and not event.job.name:
        job |= {"namespace": STAND_IN_NAMESPACE, "name": event.kind or "event"}
    if event.tags:
        job["facets"]["tags"] = standard.write_tags(event.tags, "Job")
    return "job", about | {"schemaURL": f"{SPECIFICATION_URL}#/$defs/JobEvent", "job": job} | _used_and_made(event)


def _run_event(event: LineageEvent) -> Written:
    event_type = event.type if event.type in set(RunState) else RunState.OTHER.value
    run = {"runId": _uuid(event.run_id), "facets": _run_facets(event)}
    return {"eventType": event_type, "run": run, "job": _job(event)} | _used_and_made(event)


def _uuid(run_id: str) -> str:
    """Return the run's UUID; of a run id that is none, the one made of it."""
    return str(uuid.UUID(bytes=run_key(run_id)))


def _run_facets(event: LineageEvent) -> dict[str, Written]:
    facets: dict[str, Written] = {}
    if event.parent_run_id:
        facets["parent"] = standard.write_parent(_uuid(event.parent_run_id), event.parent_job)
    if event.error is not None:
        facets["errorMessage"] = standard.write_error(event.error)
    environment = standard.write_environment(event.environment) if event.environment else None
    if environment:
        facets["environmentVariables"] = environment
    if event.parameters:
        facets["executionParameters"] = standard.write_parameters(event.parameters)
    if event.tags:
        facets["tags"] = standard.write_tags(event.tags, "Run")
    return facets


def _job(event: LineageEvent) -> Written:
    code = standard.write_code(event.code) if event.code else None
    facets = {"sourceCodeLocation": code} if code else {}
    return standard.write_job(event.job) | {"facets": facets | _described(event, event.job.ref, "Job")}


def _used_and_made(event: LineageEvent) -> Written:
    return {
        "inputs": [_dataset(event, ref, "input") for ref in event.inputs],
        "outputs": [_dataset(event, ref, "output") for ref in event.outputs],
    }


def _dataset(event: LineageEvent, ref: EntityRef, usage: str) -> Written:
    """Return the node of what ``ref`` names, with what the event knows of it."""
    details = event.models if ref.kind == Kind.MODEL else event.datasets
    of_ref = (detail for detail in details if detail.entity.target == ref.target)
    detail = next(of_ref, no_detail(ref))
    node = write_dataset(ref, detail, usage)
    node["facets"] |= write_rest(ref, detail, read_dataset(parse(_dump(node))))
    node["facets"] |= _described(event, ref.unversioned, "Dataset")
    return node


def _described(event: LineageEvent, entity: EntityRef, kind: str) -> dict[str, Any]:
    of_entity = [description for description in event.descriptions if description.entity == entity]
    return standard.write_description(of_entity[-1], kind) if of_entity else {}
