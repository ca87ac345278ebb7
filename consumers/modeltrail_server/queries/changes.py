"""What is new since a time, by when it was recorded: versions, what was declared, failed runs. Bounded."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice

from modeltrail_schemas.event import TERMINAL_STATES, Declaration, Kind, LineageEvent, RunState
from modeltrail_schemas.identity import canonical_run_id, ref_key
from modeltrail_schemas.names import NO_ENTITY, EntityRef

from modeltrail_server.queries.declarations import words_of
from modeltrail_server.queries.lifecycle import steps_of
from modeltrail_server.queries.records import Step
from modeltrail_server.queries.rows import Recorded, Stored
from modeltrail_server.queries.snapshot import Snapshot

MAX_RECORDS = 5_000
_FAILED = frozenset({RunState.FAIL, RunState.ABORT})
_OF_RUNS = frozenset({Declaration.CORRECTED, Declaration.ANNOTATED})


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version that no earlier record named. ``run_id`` made or read it; ``relation`` tells which."""

    version: EntityRef
    recorded_ms: int
    time_ns: int
    relation: str = ""
    run_id: str = ""
    job: EntityRef = NO_ENTITY


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody declared something, about ``step.subject`` or about a run. ``what``: what a correction set right."""

    step: Step
    recorded_ms: int
    run_id: str = ""
    what: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that failed or was aborted."""

    run_id: str
    job: EntityRef
    state: str
    recorded_ms: int
    time_ns: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What was recorded from ``since_ms`` on, oldest first. ``runs`` counts the runs that came into each state.

    ``next_ms``: a bound ended the answer there: ask again since then; None where this is all.
    """

    since_ms: int
    records: int = 0
    versions: tuple[NewVersion, ...] = ()
    said: tuple[Said, ...] = ()
    failed: tuple[Failed, ...] = ()
    runs: dict[str, int] = field(default_factory=dict)
    lost_events: int = 0
    next_ms: int | None = None


def changes_since(snapshot: Snapshot, since_ms: int, *, limit: int = MAX_RECORDS) -> Changes:
    """Return what the records from ``since_ms`` (UTC) on tell, having read ``limit`` of them."""
    by_partition = [
        snapshot.events_since(partition, since_ms, limit=limit + 1) for partition in snapshot.partitions()
    ]
    ordered = list(islice(merge(*by_partition, key=_when), limit + 1))
    stored = [Stored(snapshot.decode_event(row.payload), *row[1:]) for row in ordered[:limit]]
    states = {
        (canonical_run_id(item.event.run_id), item.event.type)
        for item in stored
        if item.event.kind == Kind.RUN and item.event.type in TERMINAL_STATES | {RunState.START}
    }
    return Changes(
        since_ms=since_ms,
        records=len(stored),
        versions=tuple(_new_versions(snapshot, stored)),
        said=tuple(said for item in stored for said in _said(item)),
        failed=tuple(_failed(item) for item in stored if item.event.kind == Kind.RUN and item.event.type in _FAILED),
        runs=dict(Counter(state for _, state in states)),
        lost_events=sum(item.event.gap.lost_events for item in stored if item.event.gap),
        next_ms=ordered[limit].recorded_ms if len(ordered) > limit else None,
    )


def _when(row: Recorded) -> tuple[int, int, int]:
    return row.recorded_ms, row.partition, row.offset


def _new_versions(snapshot: Snapshot, stored: Sequence[Stored]) -> Iterable[NewVersion]:
    """Return the versions that were named here and in no event recorded before."""
    named: dict[bytes, NewVersion] = {}
    for item in stored:
        event = item.event
        for relation, refs in (("output", event.outputs), ("input", event.inputs), ("subject", event.subjects)):
            for ref in refs:
                told = NewVersion(
                    ref.target, item.recorded_ms, event.event_time_ns, relation, event.run_id, event.job.ref
                )
                key = ref_key(ref)
                if ref.identity and (key not in named or (relation == "output" != named[key].relation)):
                    named[key] = told
    used = {told.version for told in named.values() if told.version.kind == "model" and told.relation == "input"}
    words = words_of(snapshot, {ref.unversioned for ref in used})
    ids = {item.event.event_id for item in stored}
    first = {row.entity_key: row.first_event_id for row in snapshot.entities(named)}
    return [
        told
        for key, told in named.items()
        if first.get(key) in ids
        and not (told.version in used and told.version.version in words[told.version.unversioned])
    ]


def _said(item: Stored) -> Iterable[Said]:
    event = item.event
    if event.kind == Kind.RUN and event.type not in _OF_RUNS and not event.retraction:
        return []
    if event.run_id:
        steps = steps_of(event)[:1]
        return [Said(step, item.recorded_ms, canonical_run_id(event.run_id), _set_right(event)) for step in steps]
    if event.type not in set(Declaration) and not event.retraction:
        return []
    about = tuple(word for told in event.descriptions for word in (*told.owners, told.text) if word)
    return [Said(step, item.recorded_ms, what=about) for step in steps_of(event)]


def _set_right(event: LineageEvent) -> tuple[str, ...]:
    refs = (*event.inputs, *event.outputs)
    return (*(f"{name} {value}" for name, value in event.parameters.items()), *(ref.target.format() for ref in refs))


def _failed(item: Stored) -> Failed:
    event = item.event
    error = ": ".join(word for word in (event.error.type, event.error.message) if word) if event.error else ""
    run_id = canonical_run_id(event.run_id)
    return Failed(run_id, event.job.ref, event.type, item.recorded_ms, event.event_time_ns, error)
