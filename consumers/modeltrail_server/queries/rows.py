"""The rows that questions are answered from, as values; and how they are made of what a statement selects. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.identity import job_key, ref_key
from modeltrail_schemas.names import NO_ENTITY, EntityRef

from modeltrail_server.projection.facts import EntityRow, LinkRow, RunRow


class Stored(NamedTuple):
    """A whole event and where it lies in the log."""

    event: LineageEvent
    partition: int
    offset: int
    recorded_ms: int


class Recorded(NamedTuple):
    """A message of the log that holds an event, and where and when it was recorded."""

    payload: bytes
    partition: int
    offset: int
    recorded_ms: int


class Word(NamedTuple):
    """An alias, stage or target: its kind, the model's name, the word as version; and who last gave it away.

    No word: a declaration did not tell it apart (see facts.word_mention). ``event_id`` is None where nobody did yet.
    """

    ref: EntityRef
    event_id: bytes | None


class RunBrief(NamedTuple):
    """The row of a run, with its job. ``state`` is empty when no event told one."""

    run_key: bytes
    run_id: str
    state: str
    state_terminal: bool
    state_time_ns: int | None
    parent_key: bytes | None
    first_time_ns: int
    last_time_ns: int
    job: EntityRef


class EntityLink(NamedTuple):
    """A link and the entity it leads to."""

    link: LinkRow
    entity: EntityRef


class ActivityLink(NamedTuple):
    """A link and the run or job it leads to; ``run_id`` is None for a job."""

    link: LinkRow
    run_id: str | None
    state: str
    first_time_ns: int
    last_time_ns: int
    job: EntityRef


def ref_of(row: EntityRow) -> EntityRef:
    """Return the reference to what ``row`` is about."""
    return EntityRef(row.kind, row.namespace, row.name, row.version)


def key_of(ref: EntityRef) -> bytes:
    """Return the key under which the read model holds ``ref``."""
    return job_key(ref.namespace, ref.name) if ref.kind == "job" else ref_key(ref)


def run_brief(row: Sequence[Any]) -> RunBrief:
    """Return a row of ``statements.runs.runs_*`` as a value."""
    run_key, run_id, state, terminal, state_ns, parent, first_ns, last_ns, namespace, name = row
    job = _job(namespace, name)
    return RunBrief(run_key, run_id, state, bool(terminal), state_ns, parent, first_ns, last_ns, job)


def brief_of(row: RunRow, jobs: Mapping[bytes, EntityRef]) -> RunBrief:
    """Return the row of a run, with the names of the jobs it may be of."""
    job = jobs[row.job_key] if row.job_key is not None else NO_ENTITY
    state = (row.state, row.state_terminal, row.state_time_ns)
    return RunBrief(row.run_key, row.run_id, *state, row.parent_key, row.first_time_ns, row.last_time_ns, job)


def activity_link(row: Sequence[Any]) -> ActivityLink:
    """Return a row of ``statements.links.activities_*`` as a value."""
    run_id, state, first_ns, last_ns, namespace, name = row[6:12]
    link, job = LinkRow._make(row[:6]), _job(namespace, name)
    return ActivityLink(link, run_id, state or "", first_ns or 0, last_ns or 0, job)


def entity_links(rows: Iterable[Sequence[Any]]) -> list[EntityLink]:
    """Return rows of ``statements.links.entities_of_*`` as values; links to one entity have it in common."""
    refs: dict[bytes, EntityRef] = {}
    links: list[EntityLink] = []
    for row in rows:
        link = LinkRow._make(row[:6])
        ref = refs.get(link.entity_key)
        if ref is None:
            ref = refs[link.entity_key] = EntityRef(*row[6:10])
        links.append(EntityLink(link, ref))
    return links


def _job(namespace: str | None, name: str | None) -> EntityRef:
    return NO_ENTITY if name is None else EntityRef("job", namespace or "", name)
