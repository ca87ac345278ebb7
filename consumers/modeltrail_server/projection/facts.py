"""What one event says, as rows of the read model. Pure, and a function of the event alone.

Rows are of two kinds. *Insert-only* rows (links) carry the event's id in their key, so that a set of events is a set
of rows. *Merged* rows (runs, entities, contents) each have a commutative, associative, idempotent merge, in
``merge.py``. Each row names the event that asserted it. The words are W3C PROV's: an activity (a run, or a job at
design time) uses and generates entities.
"""

from functools import lru_cache
from typing import NamedTuple

from modeltrail_schemas.event import TERMINAL_STATES, Kind, Routing, RunState
from modeltrail_schemas.identity import canonical_run_id, entity_key, job_key, run_key
from modeltrail_schemas.names import NAMES_REMEMBERED, EntityRef

RUN_STATES = frozenset(RunState)


class RunRow(NamedTuple):
    """A run. ``state_*`` name the event that decides the state, ``job_*`` and ``parent_*`` the first to name them.

    ``state`` is empty, and what names its event None, while no event has told one.
    """

    run_key: bytes
    run_id: str
    state: str
    state_terminal: bool
    state_time_ns: int | None
    state_event_id: bytes | None
    job_key: bytes | None
    job_time_ns: int | None
    job_event_id: bytes | None
    parent_key: bytes | None
    parent_time_ns: int | None
    parent_event_id: bytes | None
    first_time_ns: int
    first_event_id: bytes
    last_time_ns: int
    last_event_id: bytes


class EntityRow(NamedTuple):
    """A named thing: dataset, model, a version of one, job, commit or environment; and the first event to name it.

    ``name_key`` is the key of the dataset or model that this is a version of, else the key itself.
    """

    entity_key: bytes
    kind: str
    namespace: str
    name: str
    version: str
    name_key: bytes
    first_time_ns: int
    first_event_id: bytes


class LinkRow(NamedTuple):
    """One event says that an activity stands in a relation to an entity.

    ``relation``: input, output, subject (the event is about the entity), commit, environment. ``role``: the use the
    run made of it (train, test), or for a subject the event's type. ``activity_key`` is a run's, a job's, or None.
    """

    entity_key: bytes
    event_time_ns: int
    event_id: bytes
    relation: str
    role: str
    activity_key: bytes | None


class ContentRow(NamedTuple):
    """A version has content of this digest; two rows of one entity contradict each other."""

    digest: str
    entity_key: bytes
    first_time_ns: int
    first_event_id: bytes


class Facts(NamedTuple):
    """All that one event says."""

    run: RunRow | None
    entities: tuple[EntityRow, ...]
    links: tuple[LinkRow, ...]
    contents: tuple[ContentRow, ...]


class _Identity(NamedTuple):
    """The part of an EntityRow that does not depend on the event."""

    entity_key: bytes
    kind: str
    namespace: str
    name: str
    version: str
    name_key: bytes


def facts_of(event: Routing) -> Facts:
    """Return what ``event`` says."""
    time_ns, event_id = event.event_time_ns, event.event_id
    activity = _activity_key(event)
    links: list[LinkRow] = []
    contents: list[ContentRow] = []
    identities: dict[bytes, _Identity] = {}

    def mention(ref: EntityRef, relation: str, role: str) -> None:
        for identity in _identities(ref):
            identities[identity.entity_key] = identity
        key = _identities(ref)[0].entity_key
        links.append(LinkRow(key, time_ns, event_id, relation, role, activity))
        if ref.digest:
            contents.append(ContentRow(ref.digest, key, time_ns, event_id))

    for ref in event.inputs:
        mention(ref, "input", ref.role)
    for ref in event.outputs:
        mention(ref, "output", ref.role)
    for ref in event.subjects:
        mention(ref, "subject", event.type)
        if ref.identity:  # found from the name too: which version has this alias, what was ever deployed
            links.append(LinkRow(_identities(ref)[1].entity_key, time_ns, event_id, "subject", event.type, activity))
    if event.commit:
        mention(EntityRef("commit", "", event.commit), "commit", "")
    if event.environment_digest:
        mention(EntityRef("environment", "", event.environment_digest), "environment", "")
    if event.job.name:
        job = _identities(event.job.ref)[0]
        identities[job.entity_key] = job
        if event.kind == Kind.JOB:
            links.append(LinkRow(job.entity_key, time_ns, event_id, "subject", event.type, activity))
    return Facts(
        run=_run_row(event) if event.run_id else None,
        entities=tuple(EntityRow(*identity, time_ns, event_id) for identity in identities.values()),
        links=tuple(dict.fromkeys(links)),
        contents=tuple(dict.fromkeys(contents)),
    )


def _activity_key(event: Routing) -> bytes | None:
    if event.run_id:
        return run_key(event.run_id)
    return _identities(event.job.ref)[0].entity_key if event.job.name else None


@lru_cache(maxsize=NAMES_REMEMBERED)
def _identities(ref: EntityRef) -> tuple[_Identity, ...]:
    """Return who ``ref`` is: first what it names, then, where that is a version, what it is a version of."""
    if ref.kind == "job":
        key = job_key(ref.namespace, ref.name)
        return (_Identity(key, ref.kind, ref.namespace, ref.name, "", key),)
    name_key = entity_key(ref.kind, ref.namespace, ref.name)
    name = _Identity(name_key, ref.kind, ref.namespace, ref.name, "", name_key)
    if not ref.identity:
        return (name,)
    key = entity_key(ref.kind, ref.namespace, ref.name, ref.identity)
    return _Identity(key, ref.kind, ref.namespace, ref.name, ref.identity, name_key), name


def _run_row(event: Routing) -> RunRow:
    key, time_ns, event_id = run_key(event.run_id), event.event_time_ns, event.event_id
    has_state = event.kind == Kind.RUN and event.type in RUN_STATES
    has_job, has_parent = bool(event.job.name), bool(event.parent_run_id)
    return RunRow(
        run_key=key,
        run_id=canonical_run_id(event.run_id),
        state=event.type if has_state else "",
        state_terminal=event.type in TERMINAL_STATES and has_state,
        state_time_ns=time_ns if has_state else None,
        state_event_id=event_id if has_state else None,
        job_key=_identities(event.job.ref)[0].entity_key if has_job else None,
        job_time_ns=time_ns if has_job else None,
        job_event_id=event_id if has_job else None,
        parent_key=run_key(event.parent_run_id) if has_parent else None,
        parent_time_ns=time_ns if has_parent else None,
        parent_event_id=event_id if has_parent else None,
        first_time_ns=time_ns,
        first_event_id=event_id,
        last_time_ns=time_ns,
        last_event_id=event_id,
    )
