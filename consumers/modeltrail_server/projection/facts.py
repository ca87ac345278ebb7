"""What one event says, as rows of the read model. Pure, and a function of the event alone.

Rows are of two kinds. *Insert-only* rows (links) carry the event's id in their key, so that a set of events is a set
of rows. *Merged* rows (runs, entities, contents) each have a commutative, associative, idempotent merge, in
``merge.py``. Each row names the event that asserted it. The words are W3C PROV's: an activity (a run, or a job at
design time) uses and generates entities.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from modeltrail_schemas.event import TERMINAL_STATES, Declaration, Kind, Routing, RunState
from modeltrail_schemas.identity import canonical_run_id, entity_key, job_key, run_key
from modeltrail_schemas.names import EntityRef, JobName

RUN_STATES = frozenset(RunState)
# A batch or two: what is remembered of a name is ten times the name.
REMEMBERED = 8_192
RELATIONS = ("input", "output", "subject", "word", "commit", "environment")
# What a declaration of this type gives to a model version: an alias, a stage, a place where it is deployed.
WORDS: Mapping[str, str] = {
    Declaration.ALIASED: "alias",
    Declaration.STAGED: "stage",
    Declaration.DEPLOYED: "target",
}
# Four texts and a few bytes more fit into an index entry of PostgreSQL, which holds at most 2,704 bytes.
MAX_KEY_TEXT_BYTES = 600
KEPT_CHARACTERS = 64
CUT_CHARACTERS = KEPT_CHARACTERS + len("…") + 2 * sha256().digest_size
_CUT = re.compile(r"(?s:.{64})…[0-9a-f]{64}")
_ESCAPED_WHEN_STORED = re.compile("[\x00\ud800-\udfff\ufffe]")
_ESCAPE_BYTES = 6
NO_STATE = ("", False, None, None)
NOTHING_NAMED = (None, None, None)


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
    """A named thing and the first event to name it: dataset, model, a version of one, job, commit, environment, word.

    A word is an alias, stage or target of a model, as a version of all its aliases, stages or targets.
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

    ``relation``: input, output, subject (the event is about the entity), word (the event gives this alias, stage or
    target), commit, environment. ``role``: the use the run made of it (train, test), or for a subject or word the
    event's type. ``activity_key`` is a run's, a job's, or None.
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


class Identity(NamedTuple):
    """The part of an EntityRow that does not depend on the event."""

    entity_key: bytes
    kind: str
    namespace: str
    name: str
    version: str
    name_key: bytes


class Mention(NamedTuple):
    """What naming a thing says, whoever names it: its key, and who it is; then, of a version, what it is one of."""

    entity_key: bytes
    identities: tuple[Identity, ...]
    content: tuple[str, bytes] | None


@lru_cache(maxsize=REMEMBERED)
def mention(ref: EntityRef) -> Mention:
    """Return what naming ``ref`` says. ``content`` is the key of the ContentRow, where the digest is known."""
    name, digest = _name_identity(ref.kind, ref.namespace, ref.name), key_text(ref.digest)
    if not ref.identity:
        return Mention(name.entity_key, (name,), (digest, name.entity_key) if digest else None)
    key = entity_key(ref.kind, ref.namespace, ref.name, ref.identity)
    version = name._replace(entity_key=key, version=key_text(ref.identity))
    return Mention(key, (version, name), (digest, key) if digest else None)


def key_text(text: str) -> str:
    """Return ``text`` as it stands in a key of the read model: what no index would take as beginning and SHA-256.

    Names are any string, and one that is too long must not stop the projection. The whole is in the event.
    """
    if len(text) * (_ESCAPE_BYTES + 1) <= MAX_KEY_TEXT_BYTES:
        return text
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) + _ESCAPE_BYTES * len(_ESCAPED_WHEN_STORED.findall(text)) <= MAX_KEY_TEXT_BYTES:
        return text
    return f"{text[:KEPT_CHARACTERS]}…{sha256(encoded).hexdigest()}"


def is_cut(text: str) -> bool:
    """Return whether ``text`` looks like what key_text makes of a longer one."""
    return len(text) == CUT_CHARACTERS and _CUT.fullmatch(text) is not None


@lru_cache(maxsize=REMEMBERED)
def word_mention(kind: str, model: EntityRef) -> Mention:
    """Return the mention of the word (alias, stage, target) that a declaration about ``model`` gave as its role.

    A word is a version of all the words of its kind that the model has: so both are found by the model's name. A
    declaration that gives none (an older SDK's) mentions those words in general: readers then look into the events.
    """
    return mention(EntityRef(kind, model.namespace, model.name, model.role))


@lru_cache(maxsize=REMEMBERED)
def job_mention(job: JobName) -> Mention:
    """Return what naming ``job`` says."""
    key = job_key(job.namespace, job.name)
    return Mention(key, (Identity(key, "job", key_text(job.namespace), key_text(job.name), "", key),), None)


@lru_cache(maxsize=REMEMBERED)
def commit_ref(commit: str) -> EntityRef:
    """Return the commit as a reference."""
    return EntityRef("commit", "", commit)


@lru_cache(maxsize=REMEMBERED)
def environment_ref(digest: str) -> EntityRef:
    """Return the environment as a reference."""
    return EntityRef("environment", "", digest)


@lru_cache(maxsize=REMEMBERED)
def run_identity(run_id: str) -> tuple[bytes, str]:
    """Return (key, canonical id) of a run."""
    return run_key(run_id), canonical_run_id(run_id)


def activity_key(event: Routing) -> bytes | None:
    """Return the key of what acts in ``event``: its run, else its job, else None."""
    if event.run_id:
        return run_identity(event.run_id)[0]
    return job_mention(event.job).entity_key if event.job.name else None


def uses_of(event: Routing) -> list[tuple[str, str, Mention]]:
    """Return all that ``event`` names as (relation, role, mention); the relation is empty where none is asserted."""
    uses = [("input", key_text(ref.role), mention(ref)) for ref in event.inputs]
    uses += [("output", key_text(ref.role), mention(ref)) for ref in event.outputs]
    uses += [("subject", key_text(event.type), mention(ref)) for ref in event.subjects]
    if event.type in WORDS:
        uses += [("word", event.type, word_mention(WORDS[event.type], ref)) for ref in event.subjects]
    if event.commit:
        uses.append(("commit", "", mention(commit_ref(event.commit))))
    if event.environment_digest:
        uses.append(("environment", "", mention(environment_ref(event.environment_digest))))
    if event.job.name:
        job = job_mention(event.job)
        uses.append(("subject", key_text(event.type), job) if event.kind == Kind.JOB else ("", "", job))
    return uses


def contents_told(event: Routing) -> set[tuple[str, bytes]]:
    """Return the keys of the ContentRows that ``event`` asserts: (digest, key of the entity)."""
    return {found.content for _, _, found in uses_of(event) if found.content is not None}


def run_row_of(event: Routing) -> RunRow:
    """Return what ``event``, which has a run, says about it."""
    key, run_id = run_identity(event.run_id)
    order = event.event_time_ns, event.event_id
    state = (event.type, event.type in TERMINAL_STATES, *order) if _has_state(event) else NO_STATE
    job = (job_mention(event.job).entity_key, *order) if event.job.name else NOTHING_NAMED
    parent = (run_identity(event.parent_run_id)[0], *order) if event.parent_run_id else NOTHING_NAMED
    return RunRow._make((key, run_id, *state, *job, *parent, *order, *order))


def _has_state(event: Routing) -> bool:
    return event.kind == Kind.RUN and event.type in RUN_STATES


@lru_cache(maxsize=REMEMBERED)
def _name_identity(kind: str, namespace: str, name: str) -> Identity:
    key = entity_key(kind, namespace, name)
    return Identity(key, key_text(kind), key_text(namespace), key_text(name), "", key)
