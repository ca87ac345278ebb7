"""Which declarations an answer rests on: fetches those, and leaves the rest of a long life undecoded.

A model with a thousand versions has thousands of declarations. Where a version stands now depends on its own, and on
those of its siblings that came after: who took its alias, what replaced it where it was deployed.
"""

from collections.abc import Collection, Iterable, Sequence

from modeltrail_schemas.event import Declaration, LineageEvent
from modeltrail_schemas.identity import ref_key
from modeltrail_schemas.names import EntityRef

from modeltrail_server.projection.facts import LinkRow
from modeltrail_server.queries.lifecycle import Timeline
from modeltrail_server.queries.snapshot import Snapshot

MAX_DECLARATIONS = 2_000
ALIASES_PER_FETCH = 32

NAMING = (Declaration.ALIASED, Declaration.STAGED)
DEPLOYING = (Declaration.DEPLOYED, Declaration.RETIRED)
_ABOUT_ALL_VERSIONS = frozenset({Declaration.RETRACTED, Declaration.DESCRIBED, Declaration.ANNOTATED})
_OPENED_BY: dict[str, str] = {
    Declaration.ALIASED: Declaration.ALIASED,
    Declaration.DEPLOYED: Declaration.DEPLOYED,
    Declaration.RETIRED: Declaration.DEPLOYED,
}


def timelines_about(
    snapshot: Snapshot, refs: Collection[EntityRef], *, only: Sequence[str] = ()
) -> dict[EntityRef, Timeline]:
    """Return, by model or dataset, the declarations (of types ``only``, if any) that tell where ``refs`` stand."""
    names = {ref_key(ref): ref_key(ref.unversioned) for ref in refs}
    keys = {*names, *names.values()}
    links = snapshot.links_of_entities(keys, ["subject"], roles=only, limit=MAX_DECLARATIONS)
    telling = select_telling(links, names)
    return by_name(stored.event for stored in snapshot.events_by_id(telling)) if telling else {}


def timeline_since(snapshot: Snapshot, name: EntityRef, since_ns: int) -> Timeline:
    """Return the declarations about a model or dataset and its versions from ``since_ns`` on."""
    links = snapshot.links_of_entities([ref_key(name)], ["subject"], limit=MAX_DECLARATIONS)
    ids = {link.event_id for link in links if link.event_time_ns >= since_ns or link.role in _ABOUT_ALL_VERSIONS}
    return by_name(stored.event for stored in snapshot.events_by_id(ids)).get(name, Timeline((), ()))


def naming_timelines(snapshot: Snapshot, names: Collection[EntityRef]) -> dict[EntityRef, Timeline]:
    """Return every alias and stage that was ever given to a version of these models."""
    keys = {ref_key(name) for name in names}
    links = snapshot.links_of_entities(keys, ["subject"], roles=NAMING, limit=MAX_DECLARATIONS)
    ids = {link.event_id for link in links}
    return by_name(stored.event for stored in snapshot.events_by_id(ids)) if ids else {}


def version_called(snapshot: Snapshot, name: EntityRef, alias: str) -> EntityRef | None:
    """Return the version of model ``name`` that has this alias now, or else was last put into this stage."""
    links = snapshot.links_of_entities([ref_key(name)], ["subject"], roles=NAMING, limit=MAX_DECLARATIONS)
    for kind in NAMING:
        ids = [link.event_id for link in links if link.role == kind]  # latest first
        for begin in range(0, len(ids), ALIASES_PER_FETCH):
            stored = snapshot.events_by_id(ids[begin : begin + ALIASES_PER_FETCH])
            named = any(item.event.statement and alias in _words(item.event) for item in stored)
            if named:
                return Timeline.of(item.event for item in stored).version_called(alias)
    return None


def select_telling(links: Iterable[LinkRow], names: dict[bytes, bytes]) -> set[bytes]:
    """Return the ids of the events to read. ``names``: versions by key, each with the key of what it is a version of.

    That is every one about a version; and of those about its name, the ones that are about all versions, and the ones
    that came after the version got an alias or was deployed.
    """
    links = list(links)
    opened: dict[tuple[bytes, str], int] = {}
    for link in links:
        if link.entity_key in names:
            own = (names[link.entity_key], link.role)
            opened[own] = min(opened.get(own, link.event_time_ns), link.event_time_ns)
    telling: set[bytes] = set()
    for link in links:
        since = opened.get((link.entity_key, _OPENED_BY.get(link.role, "")))
        later = since is not None and link.event_time_ns >= since
        if link.entity_key in names or link.role in _ABOUT_ALL_VERSIONS or later:
            telling.add(link.event_id)
    return telling


def words_for(snapshot: Snapshot, versions: Collection[EntityRef]) -> dict[EntityRef, frozenset[str]]:
    """Return, for those of these model versions that ever had any, the aliases and stages they had."""
    keys = {ref_key(version) for version in versions}
    links = snapshot.links_of_entities(keys, ["subject"], roles=NAMING, limit=MAX_DECLARATIONS)
    ids = {link.event_id for link in links}
    timelines = by_name(stored.event for stored in snapshot.events_by_id(ids)) if ids else {}
    found = {version: timelines.get(version.unversioned, Timeline((), ())).words_for(version) for version in versions}
    return {version: words for version, words in found.items() if words}


def by_name(events: Iterable[LineageEvent]) -> dict[EntityRef, Timeline]:
    """Return the timelines of the models and datasets that ``events`` are about."""
    about: dict[EntityRef, list[LineageEvent]] = {}
    for event in events:
        for name in {subject.unversioned for subject in event.subjects}:
            about.setdefault(name, []).append(event)
    return {name: Timeline.of(own) for name, own in about.items()}


def _words(event: LineageEvent) -> tuple[str, str]:
    return (event.statement.alias, event.statement.stage) if event.statement else ("", "")
