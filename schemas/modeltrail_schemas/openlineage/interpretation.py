"""What a parsed OpenLineage document says, as an event without id. Pure.

A RunEvent is of kind run, a JobEvent of kind job, a DatasetEvent of kind dataset (or model); the last two are
DESCRIBED. Strict only where nothing can be done: neither run nor job nor dataset is named, or no time can be read.
A field that our own facets tell wins over the standard ones.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, replace
from typing import NamedTuple

from modeltrail_schemas.event import (
    DatasetDetail,
    Declaration,
    Kind,
    LineageEvent,
    ModelDetail,
    Routing,
    RunState,
)
from modeltrail_schemas.identity import canonical_run_id
from modeltrail_schemas.names import NO_JOB, EntityRef, JobName
from modeltrail_schemas.openlineage import facets as standard
from modeltrail_schemas.openlineage.datasets import Detail, no_detail, read_dataset
from modeltrail_schemas.openlineage.documents import (
    Json,
    facets_of,
    invalid,
    name_of,
    object_of,
    objects_of,
    text_of,
)
from modeltrail_schemas.openlineage.times import parse_time
from modeltrail_schemas.openlineage.typed import load_fields

EVENT_FACET = standard.OUR_PREFIX + "event"
QUOTED_CHARACTERS = 60
ID_BYTES = 16


def interpret(document: Mapping[str, Json], *, known: Routing | None = None) -> LineageEvent:
    """Return what ``document`` says. Raises InvalidEventError, with the place, where nothing can be done with it.

    Where the event's routing fields are ``known`` something can be done with each, and these are not read again.
    """
    run, job = document.get("run"), document.get("job")
    run_facets, job_facets = facets_of(run), facets_of(job)
    run_id = canonical_run_id(text_of(object_of(run).get("runId")))
    job_name = standard.read_job(job)
    declared = _read_datasets([document.get("dataset")])
    kind = _kind(run_id, job_name, declared) if known is None else known.kind
    own_facets = {str(Kind.RUN): run_facets, str(Kind.JOB): job_facets}.get(kind, facets_of(document.get("dataset")))
    used = _read_with(text_of(job_facets.get("sql", {}).get("query")), _read_datasets(document.get("inputs")))
    made = _read_datasets(document.get("outputs"))
    named = [*used, *made, *declared]
    details = dict.fromkeys(one.detail for one in named if one.detail != no_detail(one.ref))
    words = [standard.read_description(job_facets, job_name.ref)]
    words += [standard.read_description(one.facets, one.ref.unversioned) for one in named]
    parent_run_id, parent_job = standard.read_parent(run_facets)
    code = standard.read_code(job_facets)
    event = LineageEvent(
        kind=kind,
        type=_type(kind, document.get("eventType")),
        event_time_ns=_event_time_ns(document.get("eventTime")) if known is None else known.event_time_ns,
        run_id=run_id,
        parent_run_id=parent_run_id,
        job=job_name,
        inputs=_refs(used),
        outputs=_refs(made),
        subjects=_refs(declared),
        commit=code.commit if code else "",
        producer=text_of(document.get("producer")),
        parent_job=parent_job,
        parameters=standard.read_parameters(run_facets),
        tags=standard.read_tags(own_facets),
        code=code,
        environment=standard.read_environment(run_facets),
        datasets=tuple(detail for detail in details if isinstance(detail, DatasetDetail)),
        models=tuple(detail for detail in details if isinstance(detail, ModelDetail)),
        descriptions=tuple(dict.fromkeys(description for description in words if description is not None)),
        error=standard.read_error(run_facets),
    )
    return _with_our_fields(event, own_facets)


class _Named(NamedTuple):
    """A dataset or model that the document names."""

    ref: EntityRef
    detail: Detail
    facets: standard.Facets


def _read_datasets(node: Json) -> list[_Named]:
    """Return what a list of datasets names. A name may be empty (the root of a store), but is told."""
    return [_Named(*read_dataset(item), facets_of(item)) for item in objects_of(node) if _is_named(item)]


def _is_named(item: Mapping[str, Json]) -> bool:
    return bool(name_of(item.get("name")) or (item.get("name") == "" and name_of(item.get("namespace"))))


def _kind(run_id: str, job: JobName, declared: list[_Named]) -> str:
    if run_id:
        return Kind.RUN.value
    if declared:
        return (Kind.MODEL if declared[0].ref.kind == Kind.MODEL else Kind.DATASET).value
    if job == NO_JOB:
        raise invalid("$", "neither run.runId, nor a job's name, nor a dataset's name is there")
    return Kind.JOB.value


def _type(kind: str, event_type: Json) -> str:
    """Return the event type in capitals, as the specification spells it; one that is not known is kept."""
    if kind != Kind.RUN:
        return Declaration.DESCRIBED.value
    return text_of(event_type).strip().upper() or RunState.OTHER.value


def _event_time_ns(node: Json) -> int:
    text = text_of(node)
    if not text:
        raise invalid("$.eventTime", "no time is there")
    try:
        return parse_time(text)
    except ValueError as error:
        raise invalid("$.eventTime", f"{text[:QUOTED_CHARACTERS]!r}: {error}") from error


def _refs(named: list[_Named]) -> tuple[EntityRef, ...]:
    return tuple(dict.fromkeys(one.ref for one in named))


def _read_with(query: str, inputs: list[_Named]) -> list[_Named]:
    """Return the inputs of a job with SQL text: what that job reads, it reads with that."""
    if not query:
        return inputs
    return [
        one._replace(detail=replace(one.detail, query=query))
        if isinstance(one.detail, DatasetDetail) and not one.detail.query
        else one
        for one in inputs
    ]


def _with_our_fields(event: LineageEvent, facets: standard.Facets) -> LineageEvent:
    """Return ``event`` with the fields that our own facets tell; one that does not fit its type is passed over."""
    members: dict[str, Json] = dict(facets.get(EVENT_FACET, {}))
    for field in fields(event):
        facet = facets.get(standard.OUR_PREFIX + field.name, {})
        if field.name in facet:
            members[field.name] = facet[field.name]
    members.pop("document", None)
    told = event
    for name, node in members.items():
        with suppress(ValueError):
            told = load_fields(told, {name: node})
    return told if len(told.event_id) == ID_BYTES else replace(told, event_id=event.event_id)
