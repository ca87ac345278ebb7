"""How a thing became what it is: a model's or dataset's versions and what changed between them; a run's events.

What changed is worked out from the versions' own records, by ``comparison``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from modeltrail_schemas.counting import counted
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.identity import run_key
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.order import order_key

from modeltrail_server.projection.facts import EntityRow
from modeltrail_server.queries.answering import folded_runs, with_environments
from modeltrail_server.queries.comparison import Row, differences_from, recorded_by
from modeltrail_server.queries.declarations import timeline_since, words_of
from modeltrail_server.queries.fold import fold_details
from modeltrail_server.queries.lifecycle import Timeline, steps_of
from modeltrail_server.queries.names import Subject
from modeltrail_server.queries.records import Lifecycle, Step, Use
from modeltrail_server.queries.rows import ref_of
from modeltrail_server.queries.snapshot import Snapshot

MAX_VERSIONS = 20
MAX_RUN_EVENTS = 1_000
MAX_MAKERS = 200
NOT_TOLD = ("curves", "run")


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """One version in a history. ``changes`` are against the version before it; for the first, there are none.

    ``notes`` are what was annotated or corrected about the runs that made it, and which of their events withdrawn.
    """

    version: EntityRef
    first_ns: int
    runs: tuple[str, ...] = ()
    state: str = ""
    changes: tuple[Row, ...] = ()
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    retracted: Step | None = None
    notes: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class NameHistory:
    """The versions of a model or dataset, oldest first. ``earlier``: there are older ones than these."""

    name: EntityRef
    versions: tuple[VersionEntry, ...] = ()
    steps: tuple[Step, ...] = ()
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class EventEntry:
    """One event of a run: what it told, in words, and where it lies in the log."""

    event_id: bytes
    time_ns: int
    recorded_ms: int
    partition: int
    offset: int
    type: str
    kind: str
    rank: int = 0
    told: tuple[str, ...] = ()
    step: Step | None = None
    withdrawn: str = ""


@dataclass(frozen=True, slots=True)
class RunHistory:
    """The events of a run, oldest first. ``later``: there are more than these."""

    run_id: str
    events: tuple[EventEntry, ...] = ()
    later: bool = False


def history(snapshot: Snapshot, subject: Subject, *, max_versions: int = MAX_VERSIONS) -> NameHistory | RunHistory:
    """Return the history of a run, or of the model or dataset that ``subject`` is or is a version of."""
    if subject.kind == "run":
        return _run_history(snapshot, subject)
    name = Subject(subject.kind, subject.name_key, subject.ref.unversioned)
    rows = snapshot.versions_of_name(name.key, limit=max_versions + 1)
    since_ns = rows[max_versions - 1].first_time_ns if len(rows) > max_versions else 0
    timeline = timeline_since(snapshot, name.ref, since_ns)
    words = words_of(snapshot, [name.ref])[name.ref] if subject.kind == "model" else frozenset()
    versions = [row for row in reversed(rows[:max_versions]) if row.version not in words]
    entries = _models(snapshot, versions, timeline) if subject.kind == "model" else _datasets(snapshot, versions)
    marked = (replace(entry, retracted=timeline.retraction_of(entry.version)) for entry in entries)
    return NameHistory(name.ref, tuple(marked), timeline.steps, earlier=len(rows) > max_versions)


def _models(snapshot: Snapshot, rows: Sequence[EntityRow], timeline: Timeline) -> list[VersionEntry]:
    makers = _makers(snapshot, rows)
    # What other events tell of the versions that a run used is no part of what is compared.
    made = with_environments(snapshot, folded_runs(snapshot, {key for keys in makers.values() for key in keys}))
    runs = {run_key(run.run_id): run for run in made}
    entries: list[VersionEntry] = []
    before: Sequence[Mapping[str, str]] = ()
    for row in rows:
        made_by = [runs[key] for key in makers.get(row.entity_key, ()) if key in runs]
        run = made_by[-1] if made_by else None
        recorded = recorded_by(run) if run else ()
        changes = differences_from(before, recorded, leaving_out=NOT_TOLD) if before and recorded else ()
        entries.append(
            VersionEntry(
                version=ref_of(row),
                first_ns=row.first_time_ns,
                runs=tuple(made.run_id for made in made_by),
                state=run.state if run else "",
                changes=tuple(changes),
                lifecycle=timeline.lifecycle_of(ref_of(row)),
                notes=tuple(note for made in made_by for note in (*made.notes, *made.withdrawn)),
            )
        )
        before = recorded or before
    return entries


def _datasets(snapshot: Snapshot, rows: Sequence[EntityRow]) -> list[VersionEntry]:
    makers = _makers(snapshot, rows)
    runs = {run.run_key: run for run in snapshot.runs({key for keys in makers.values() for key in keys})}
    first_events = snapshot.events_naming_first([row.entity_key for row in rows])
    details = fold_details(stored.event for stored in first_events)
    entries: list[VersionEntry] = []
    before: Use | None = None
    for row in rows:
        detail = details.get(ref_of(row))
        made_by = [runs[key] for key in makers.get(row.entity_key, ()) if key in runs]
        entries.append(
            VersionEntry(
                version=ref_of(row),
                first_ns=row.first_time_ns,
                runs=tuple(run.run_id for run in made_by),
                state=made_by[-1].state if made_by else "",
                changes=_changes(before, detail) if before and detail else (),
            )
        )
        before = detail or before
    return entries


def _makers(snapshot: Snapshot, rows: Sequence[EntityRow]) -> dict[bytes, list[bytes]]:
    """Return, for each version, the keys of the runs that made it, oldest first."""
    makers: dict[bytes, list[bytes]] = {}
    links = snapshot.links_of_entities([row.entity_key for row in rows], ["output"], limit=MAX_MAKERS)
    for link in reversed(links):
        known = makers.setdefault(link.entity_key, [])
        if link.activity_key and link.activity_key not in known:
            known.append(link.activity_key)
    return makers


def _changes(before: Use, after: Use) -> tuple[Row, ...]:
    """Return what is different about a dataset version: size, place, columns."""
    pairs = {
        "rows": (before.rows, after.rows),
        "bytes": (before.bytes, after.bytes),
        "format": (before.format or None, after.format or None),
        "location": (before.location or None, after.location or None),
    }
    pairs |= {f"column {column}": (kind, after.columns.get(column)) for column, kind in before.columns.items()}
    pairs |= {f"column {column}": (before.columns.get(column), kind) for column, kind in after.columns.items()}
    return tuple(_change(name, old, new) for name, (old, new) in pairs.items() if old != new)


def _change(name: str, old: int | str | None, new: int | str | None) -> Row:
    delta = float(new - old) if isinstance(old, int) and isinstance(new, int) else None
    return Row("data", name, tuple(None if value is None else str(value) for value in (old, new)), delta)


def _run_history(snapshot: Snapshot, subject: Subject) -> RunHistory:
    stored = snapshot.events_of_runs([subject.key], limit=MAX_RUN_EVENTS + 1)
    reasons = {
        item.event.retraction.event_id: item.event.retraction.reason or "no reason given"
        for item in stored
        if item.event.retraction
    }
    ordered = sorted(stored[:MAX_RUN_EVENTS], key=lambda item: order_key(item.event))
    entries = tuple(
        EventEntry(
            event_id=item.event.event_id,
            time_ns=item.event.event_time_ns,
            recorded_ms=item.recorded_ms,
            partition=item.partition,
            offset=item.offset,
            type=item.event.type,
            kind=item.event.kind,
            rank=item.event.emitter.rank,
            told=_told(item.event),
            step=steps_of(item.event)[0] if item.event.statement else None,
            withdrawn=reasons.get(item.event.event_id, ""),
        )
        for item in ordered
    )
    return RunHistory(subject.run_id, entries, later=len(stored) > MAX_RUN_EVENTS)


def _told(event: LineageEvent) -> tuple[str, ...]:
    """Return what an event tells, a few words for each part that is not empty."""
    parts: Mapping[str, int] = {
        "parameter": len(event.parameters),
        "metric": len(event.metrics),
        "input": len(event.inputs),
        "output": len(event.outputs),
        "tag": len(event.tags),
        "seed": len(event.seeds),
        "redaction": event.redactions,
    }
    words = [counted(number, word) for word, number in parts.items() if number]
    words += [f"commit {event.commit[:7]}"] if event.commit else []
    words += ["environment"] if event.environment_digest or event.environment else []
    words += [f"error {event.error.type}"] if event.error else []
    words += [f"{counted(event.gap.lost_events, 'event')} lost"] if event.gap else []
    return (*words, "inferred") if event.inferred else tuple(words)
