"""Which declarations an answer rests on: fetches those, and leaves the rest of a long life undecoded.

A model with a thousand versions has thousands of declarations. Which version has an alias, or is deployed somewhere,
is decided by the last event that gave the word away: it is found by the word (``facts.word_mention``).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from modeltrail_schemas.event import Declaration, LineageEvent
from modeltrail_schemas.identity import entity_key, ref_key
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.order import OrderKey

from modeltrail_server.projection.facts import WORDS, LinkRow
from modeltrail_server.queries.lifecycle import END_OF_TIME, Timeline, steps_of
from modeltrail_server.queries.memory import ABOUT_ALL_VERSIONS
from modeltrail_server.queries.records import Step
from modeltrail_server.queries.snapshot import Snapshot

MAX_DECLARATIONS = 2_000
NOTHING_DECLARED = Timeline((), ())

LAST_EVENT_ID = b"\xff" * 16
NAMING = (Declaration.ALIASED, Declaration.STAGED)
DEPLOYING = (Declaration.DEPLOYED, Declaration.RETIRED)
_OPENING = frozenset({Declaration.ALIASED, Declaration.DEPLOYED})


class Usage(NamedTuple):
    """A model was used at a time by a word that may be an alias or stage, or a version."""

    word: EntityRef
    before: OrderKey


class Tenure(NamedTuple):
    """A version had a word (alias or stage) from ``begin`` on, until ``end``."""

    version: EntityRef
    word: EntityRef
    begin: OrderKey
    end: OrderKey

    def covers(self, moment: OrderKey) -> bool:
        """Return whether the word meant the version just before ``moment``."""
        return self.begin < moment <= self.end


def timelines_about(
    snapshot: Snapshot, refs: Collection[EntityRef] | Mapping[bytes, EntityRef], *, only: Sequence[str] = ()
) -> dict[EntityRef, Timeline]:
    """Return, by model or dataset, the declarations (of types ``only``, if any) that tell where ``refs`` stand.

    ``refs`` may be given by their keys, which are a hash each.
    """
    versions = refs if isinstance(refs, Mapping) else {ref_key(ref): ref for ref in refs}
    names = {entity_key(*name) for name in {(ref.kind, ref.namespace, ref.name) for ref in versions.values()}}
    general = [role for role in ABOUT_ALL_VERSIONS if not only or role in only]
    if only:
        links = snapshot.declarations((versions, only), (names - versions.keys(), general))
    else:
        links = snapshot.links_of_entities(versions, ["subject"], limit=MAX_DECLARATIONS)
        links += snapshot.declarations((names - versions.keys(), general))
    if not links:
        return {}
    ids = {link.event_id for link in links}
    opened = {
        versions[link.entity_key].unversioned
        for link in links
        if link.entity_key in versions and link.role in _OPENING
    }
    kinds = [kind for role, kind in WORDS.items() if not only or role in only]
    events = _standing_events(snapshot, opened, kinds) if opened else []
    own = ids - {event.event_id for event in events}
    return by_name([*events, *(stored.event for stored in snapshot.events_by_id(own))] if own else events)


def standing(snapshot: Snapshot, models: Collection[EntityRef]) -> dict[EntityRef, Timeline]:
    """Return, of each model, the declarations that decide which version has which alias and is deployed where."""
    found = by_name(_standing_events(snapshot, models, WORDS.values()))
    return {model: found[model] for model in models if model in found}


def timeline_since(snapshot: Snapshot, name: EntityRef, since_ns: int) -> Timeline:
    """Return the declarations about a model or dataset and its versions from ``since_ns`` on."""
    key = ref_key(name)
    links = snapshot.declarations(([key], ABOUT_ALL_VERSIONS))
    links += snapshot.last_links_since(key, "subject", since_ns, limit=MAX_DECLARATIONS)
    ids = {link.event_id for link in links}
    return by_name(stored.event for stored in snapshot.events_by_id(ids)).get(name, NOTHING_DECLARED)


def words_of(snapshot: Snapshot, models: Collection[EntityRef]) -> dict[EntityRef, frozenset[str]]:
    """Return, of each model, every word that was ever an alias or a stage of it."""
    keys = [_word_key(kind, model) for model in models for kind in ("alias", "stage")]
    found = snapshot.words(keys)
    told_apart: dict[EntityRef, set[str]] = {model: set() for model in models}
    for word in found:
        told_apart[_model_of(word.ref)].add(word.ref.version)
    untold = {_model_of(word.ref) for word in found if not word.ref.version and word.event_id}
    timelines = _whole_timelines(snapshot, untold, NAMING) if untold else {}
    return {
        model: frozenset(words - {""}) | timelines.get(model, NOTHING_DECLARED).names_of_versions
        for model, words in told_apart.items()
    }


def version_called(
    snapshot: Snapshot, name: EntityRef, alias: str, *, before: OrderKey = END_OF_TIME
) -> EntityRef | None:
    """Return the version that had this alias just before then, or else was last put into this stage."""
    usage = Usage(EntityRef("model", name.namespace, name.name, alias), before)
    return meanings(snapshot, [usage]).get(usage)


def meanings(snapshot: Snapshot, usages: Collection[Usage]) -> dict[Usage, EntityRef]:
    """Return, for those usages whose word was an alias or a stage then, the version it meant."""
    wanted = {
        _word_key(kind, usage.word.unversioned, word): None
        for usage in usages
        for kind in ("alias", "stage")
        for word in (usage.word.version, "")
    }
    there = {row.entity_key for row in snapshot.entities(wanted)} if wanted else set()
    untold = {
        usage.word.unversioned
        for usage in usages
        for kind in ("alias", "stage")
        if _word_key(kind, usage.word.unversioned) in there and _is_untold(snapshot, kind, usage.word.unversioned)
    }
    timelines = _whole_timelines(snapshot, untold, NAMING) if untold else {}
    giving = {
        usage: link.event_id
        for usage in usages
        if usage.word.unversioned not in untold
        for kind in ("stage", "alias")  # the alias wins
        if (key := _word_key(kind, usage.word.unversioned, usage.word.version)) in there
        for link in snapshot.last_links_before(key, "word", usage.before)
    }
    told = by_name(stored.event for stored in snapshot.events_by_id(set(giving.values()))) if giving else {}
    meant = {
        usage: (timelines | told)
        .get(usage.word.unversioned, NOTHING_DECLARED)
        .version_called(usage.word.version, before=usage.before)
        for usage in usages
        if usage in giving or usage.word.unversioned in untold
    }
    return {usage: version for usage, version in meant.items() if version is not None}


def tenures_of(snapshot: Snapshot, models: Mapping[bytes, EntityRef]) -> list[Tenure]:
    """Return when which of these model versions had which alias or stage, of those that some run used a model by."""
    versions = frozenset(models.values())
    links = snapshot.declarations((models, NAMING), limit=MAX_DECLARATIONS)
    ids = {link.event_id for link in links}
    steps = [step for stored in snapshot.events_by_id(ids) for step in steps_of(stored.event)] if ids else []
    words = {
        step: replace(step.subject, version=step.value) for step in steps if step.subject in versions and step.value
    }
    there = (
        {row.entity_key for row in snapshot.entities({ref_key(word) for word in words.values()})} if words else set()
    )
    return [
        Tenure(step.subject, word, begin, _end_of(snapshot, step, begin))
        for step, word in words.items()
        if ref_key(word) in there
        for begin in [(step.time_ns, step.event_id)]
    ]


def _end_of(snapshot: Snapshot, step: Step, begin: OrderKey) -> OrderKey:
    """Return when the word that ``step`` gave went to the next version."""
    key = _word_key(WORDS[step.type], step.subject.unversioned, step.value)
    following = snapshot.first_links_after(key, "word", begin)
    return min(((link.event_time_ns, link.event_id) for link in following), default=END_OF_TIME)


def events_of_words(snapshot: Snapshot, model: EntityRef, since_ns: int, until_ns: int) -> list[LineageEvent]:
    """Return the events that decide which version of ``model`` had which word at any moment of that time."""
    found = snapshot.words([_word_key(kind, model) for kind in WORDS.values()])
    if any(not word.ref.version and word.event_id for word in found):
        ids = {link.event_id for link in _links_of_names(snapshot, [model], (*NAMING, *DEPLOYING))}
        return [stored.event for stored in snapshot.events_by_id(ids)]
    ids = set()
    begin, end = (since_ns, LAST_EVENT_ID), until_ns
    for word in found:
        key = _word_key(word.ref.kind, model, word.ref.version)
        ids |= {link.event_id for link in snapshot.last_links_before(key, "word", begin)}
        later = snapshot.first_links_after(key, "word", begin, limit=MAX_DECLARATIONS)
        ids |= {link.event_id for link in later if link.event_time_ns <= end}
    events = [stored.event for stored in snapshot.events_by_id(ids)]
    deployed = {ref_key(ref) for event in events if event.type == Declaration.DEPLOYED for ref in event.subjects}
    retired = snapshot.declarations((deployed, [Declaration.RETIRED])) if deployed else []
    return [*events, *(stored.event for stored in snapshot.events_by_id({link.event_id for link in retired}))]


def by_name(events: Iterable[LineageEvent]) -> dict[EntityRef, Timeline]:
    """Return the timelines of the models and datasets that ``events`` are about."""
    about: dict[EntityRef, list[LineageEvent]] = {}
    for event in events:
        for name in {subject.unversioned for subject in event.subjects}:
            about.setdefault(name, []).append(event)
    return {name: Timeline.of(own) for name, own in about.items()}


def _standing_events(snapshot: Snapshot, models: Collection[EntityRef], kinds: Collection[str]) -> list[LineageEvent]:
    """Return the events that gave each word of ``kinds`` away last, and those that retired what these deployed."""
    found = snapshot.words([_word_key(kind, model) for model in models for kind in kinds])
    untold = {_model_of(word.ref) for word in found if not word.ref.version and word.event_id}
    giving = {word.event_id for word in found if word.event_id and _model_of(word.ref) not in untold}
    events = [stored.event for stored in snapshot.events_by_id(giving)] if giving else []
    deployed = {
        ref_key(subject) for event in events if event.type == Declaration.DEPLOYED for subject in event.subjects
    }
    links = snapshot.declarations((deployed, [Declaration.RETIRED])) if deployed else []
    links += _links_of_names(snapshot, untold, (*NAMING, *DEPLOYING)) if untold else []
    further = {link.event_id for link in links}
    return [*events, *(stored.event for stored in snapshot.events_by_id(further))] if further else events


def _whole_timelines(
    snapshot: Snapshot, models: Collection[EntityRef], roles: Sequence[str]
) -> dict[EntityRef, Timeline]:
    """Return all declarations of these types: for models of which some did not say their word apart."""
    return by_name(
        stored.event
        for stored in snapshot.events_by_id({link.event_id for link in _links_of_names(snapshot, models, roles)})
    )


def _links_of_names(snapshot: Snapshot, models: Collection[EntityRef], roles: Sequence[str]) -> list[LinkRow]:
    return snapshot.declarations(({ref_key(model) for model in models}, roles))


def _is_untold(snapshot: Snapshot, kind: str, model: EntityRef) -> bool:
    return bool(snapshot.links_of_entities([_word_key(kind, model)], ["word"], limit=1))


def _word_key(kind: str, model: EntityRef, word: str = "") -> bytes:
    return entity_key(kind, model.namespace, model.name, word)


def _model_of(word: EntityRef) -> EntityRef:
    return EntityRef("model", word.namespace, word.name)
