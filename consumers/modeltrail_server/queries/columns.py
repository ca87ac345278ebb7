"""Which columns a column came from, or went into, where events carry it (OpenLineage's column lineage facet)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from modeltrail_schemas.errors import InvalidEventError
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.identity import canonical_run_id, ref_key
from modeltrail_schemas.names import NO_ENTITY, EntityRef
from modeltrail_schemas.openlineage.column_lineage import WHOLE_DATASET, ColumnStep, read_column_lineage

from modeltrail_server.queries.fold import fold_run
from modeltrail_server.queries.graph import Direction
from modeltrail_server.queries.names import Subject
from modeltrail_server.queries.snapshot import Snapshot

MAX_COLUMN_EDGES = 2_000
MAX_RUNS_OF_ONE = 50


class Column(NamedTuple):
    """A column of a dataset version; ``*`` is the whole of it."""

    dataset: EntityRef
    name: str


@dataclass(frozen=True, slots=True)
class ColumnEdge:
    """A run made ``target`` of ``source``, ``how`` in its producer's words."""

    source: Column
    target: Column
    how: str = ""
    run_id: str = ""
    job: EntityRef = NO_ENTITY


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """The edges within reach of a dataset (or of one ``column`` of it), nearest first."""

    dataset: EntityRef
    column: str
    direction: Direction
    edges: tuple[ColumnEdge, ...] = ()
    complete: bool = True


def trace_columns(
    snapshot: Snapshot, subject: Subject, direction: Direction, *, column: str = "", steps: int
) -> ColumnLineage:
    """Return where the columns of a dataset version came from (up), or went (down); both ways one after the other."""
    ways = [way for way in (Direction.UP, Direction.DOWN) if direction in (way, Direction.BOTH)]
    found: dict[ColumnEdge, None] = {}
    complete = True
    for way in ways:
        reached = {subject.ref: {column} if column else set[str]()}
        been: dict[EntityRef, set[str]] = {}
        for _ in range(steps):
            edges = [edge for edge in _edges_at(snapshot, reached, way) if _touches(edge, reached, way)]
            found |= dict.fromkeys(edges)
            been = _united(been, reached)
            reached = _beyond(edges, been, way)
            if not reached:
                break
            if len(found) >= MAX_COLUMN_EDGES:
                complete = False
                break
        else:
            complete = False
    return ColumnLineage(subject.ref, column, direction, tuple(found), complete)


def edges_of_run(run_id: str, events: Iterable[LineageEvent]) -> list[ColumnEdge]:
    """Return what the documents among a run's events tell of columns, of the versions the run read and made. Pure."""
    events = list(events)
    run = fold_run(run_id, events)
    read = {(use.entity.namespace, use.entity.name): use.entity for use in run.inputs}
    made = {(use.entity.namespace, use.entity.name): use.entity for use in run.outputs}
    edges = (_edge(step, read, made, run_id, run.job) for event in events for step in _steps_of(event))
    return list(dict.fromkeys(edges))


def _steps_of(event: LineageEvent) -> list[ColumnStep]:
    if event.document is None or b'"columnLineage"' not in event.document:
        return []
    try:
        return read_column_lineage(event.document)
    except InvalidEventError:
        return []  # a facet is no reason to refuse a document: what cannot be read tells nothing


def _edge(
    step: ColumnStep,
    read: Mapping[tuple[str, str], EntityRef],
    made: Mapping[tuple[str, str], EntityRef],
    run_id: str,
    job: EntityRef,
) -> ColumnEdge:
    source, target = (step.input_namespace, step.input_name), (step.namespace, step.name)
    return ColumnEdge(
        Column(read.get(source, EntityRef("dataset", *source)), step.input_column),
        Column(made.get(target, EntityRef("dataset", *target)), step.column),
        step.how,
        run_id,
        job,
    )


def _edges_at(snapshot: Snapshot, reached: Mapping[EntityRef, set[str]], way: Direction) -> list[ColumnEdge]:
    relation = "output" if way == Direction.UP else "input"
    links = [
        link for ref in reached for link in snapshot.last_activities(ref_key(ref), relation, limit=MAX_RUNS_OF_ONE)
    ]
    keys = {link.link.activity_key for link in links if link.run_id and link.link.activity_key}
    by_run: dict[str, list[LineageEvent]] = {}
    for stored in snapshot.events_of_runs(keys) if keys else ():
        by_run.setdefault(canonical_run_id(stored.event.run_id), []).append(stored.event)
    return [edge for run_id, events in by_run.items() for edge in edges_of_run(run_id, events)]


def _touches(edge: ColumnEdge, reached: Mapping[EntityRef, set[str]], way: Direction) -> bool:
    near = edge.target if way == Direction.UP else edge.source
    names = reached.get(near.dataset)
    return names is not None and (not names or near.name in names or WHOLE_DATASET in (near.name, *names))


def _united(been: Mapping[EntityRef, set[str]], reached: Mapping[EntityRef, set[str]]) -> dict[EntityRef, set[str]]:
    return {ref: been.get(ref, set()) | reached.get(ref, set()) for ref in {**been, **reached}}


def _beyond(
    edges: Iterable[ColumnEdge], been: Mapping[EntityRef, set[str]], way: Direction
) -> dict[EntityRef, set[str]]:
    """Return the columns that these lead to and that were not yet looked at."""
    reached: dict[EntityRef, set[str]] = {}
    for edge in edges:
        far = edge.source if way == Direction.UP else edge.target
        if far.name not in been.get(far.dataset, ()) and not (far.dataset in been and not been[far.dataset]):
            reached.setdefault(far.dataset, set()).add(far.name)
    return reached
