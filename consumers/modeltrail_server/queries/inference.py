"""What nobody recorded and yet is likely: which version was read by name, or meant by an alias; what a base is.

Each guess says why it is made. A guess is an edge between two named things, and the runs it was made for.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from modeltrail_schemas.event import Declaration
from modeltrail_schemas.identity import ref_key
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.order import OrderKey, order_key

from modeltrail_server.queries.declarations import Tenure, Usage, meanings, tenures_of
from modeltrail_server.queries.display import display
from modeltrail_server.queries.fold import fold_details
from modeltrail_server.queries.graph import Node
from modeltrail_server.queries.lifecycle import END_OF_TIME
from modeltrail_server.queries.mentions import VersionsTold
from modeltrail_server.queries.names import VERSIONED_KINDS
from modeltrail_server.queries.rows import ActivityLink, EntityLink, ref_of
from modeltrail_server.queries.snapshot import Snapshot

BY_NAME = "same name; which version is not recorded"
MAX_READINGS_OF_ONE = 20


@dataclass(frozen=True, slots=True)
class Guess:
    """Data went from ``source`` to ``target``, says ``why``. ``links`` are the runs of ``target`` it was made for."""

    source: EntityRef
    target: EntityRef
    relation: str
    why: str
    links: tuple[ActivityLink, ...] = ()


def infer_up(
    snapshot: Snapshot,
    nodes: Mapping[bytes, Node],
    read_at: Mapping[bytes, Collection[OrderKey]],
    *,
    most: int = MAX_READINGS_OF_ONE,
) -> list[Guess]:
    """Return what these, read at these times, may have come from; of each the last ``most`` times count."""

    def readings(key: bytes) -> list[OrderKey]:
        return sorted(read_at.get(key, ()))[-most:] or [END_OF_TIME]

    nameless = [(node.ref, readings(key)) for key, node in nodes.items() if not node.ref.identity and key in read_at]
    models = {key: node.ref for key, node in nodes.items() if node.kind == "model" and node.ref.identity}
    if not nameless and not models:
        return []
    links = snapshot.links_of_entities(models, ["output", "subject"]) if models else ()
    versions = {link.entity_key for link in links}  # what was made or declared; else a word, perhaps
    words = [(ref, readings(key)) for key, ref in models.items() if key not in versions]
    return [*_latest_when_read(snapshot, nameless), *_meant_when_used(snapshot, words), *_bases(snapshot, models)]


def infer_down(snapshot: Snapshot, nodes: Mapping[bytes, Node], *, limit: int) -> list[Guess]:
    """Return what may have come of these: what read them by name or alias."""
    versions = {key: node.ref for key, node in nodes.items() if node.ref.identity}
    models = {key: ref for key, ref in versions.items() if ref.kind == "model"}
    return [*_read_by_name(snapshot, versions), *(used_by_word(snapshot, models, limit=limit) if models else ())]


def is_told_later(snapshot: Snapshot, links: Iterable[ActivityLink | EntityLink]) -> set[tuple[bytes | None, bytes]]:
    """Return (activity, entity) of those links that name no version while the same run tells one of that name too."""
    given = list(links)
    known = [item for item in given if isinstance(item, EntityLink)]
    if not given or (known and not any(map(_names_no_version, known))):
        return set()
    if not known:
        keys = {item.link.activity_key for item in given} - {None}
        relations = sorted({item.link.relation for item in given})
        known = snapshot.entities_of_activities({key for key in keys if key}, relations)
    mentions: dict[tuple[bytes | None, str], list[EntityLink]] = {}
    for item in known:
        if item.entity.kind in VERSIONED_KINDS:
            mentions.setdefault((item.link.activity_key, item.link.relation), []).append(item)
    told: set[tuple[bytes | None, bytes]] = set()
    for (activity, _), items in mentions.items():
        versionless = [item for item in items if not item.entity.version]
        names = {item.entity for item in versionless}
        versioned = [item for item in items if item.entity.version and item.entity.unversioned in names]
        if versioned:
            told |= {
                (activity, item.link.entity_key)
                for item in versionless
                if _versions_told(snapshot, versioned, item).meant_by(replace(item.entity, role=item.link.role))
            }
    return told


def _names_no_version(item: EntityLink) -> bool:
    return not item.entity.version and item.entity.kind in VERSIONED_KINDS


def _versions_told(snapshot: Snapshot, versioned: list[EntityLink], asked: EntityLink) -> VersionsTold:
    """Return the versions told beside ``asked``; what corrections told, only where it matters."""
    own = [item for item in versioned if item.entity.unversioned == asked.entity]
    corrections: set[bytes] = set()
    if all(item.link.role != asked.link.role for item in own):
        stored = snapshot.events_by_id({item.link.event_id for item in own})
        corrections = {item.event.event_id for item in stored if item.event.type == Declaration.CORRECTED}
    return VersionsTold.of(
        (replace(item.entity, role=item.link.role), item.link.event_id in corrections) for item in own
    )


def _latest_when_read(snapshot: Snapshot, nameless: Collection[tuple[EntityRef, list[OrderKey]]]) -> Iterator[Guess]:
    if nameless:
        times = {(ref_key(ref), time_ns) for ref, readings in nameless for time_ns, _ in readings}
        snapshot.remember(before=times)
    for ref, readings in nameless:
        for time_ns, _ in readings:
            version = _version_before(snapshot, ref, time_ns)
            if version is not None:
                why = f"{display(version)} was the latest version when {display(ref)} was read without one"
                yield Guess(version, ref, "name", why)


def _version_before(snapshot: Snapshot, name: EntityRef, time_ns: int) -> EntityRef | None:
    rows = snapshot.versions_before(ref_key(name), time_ns)
    keys = [row.entity_key for row in rows]
    if name.kind == "model" and rows:  # a word that was only ever used is no version
        known = snapshot.links_of_entities(keys, ["output", "subject"])
        rows = [row for row in rows if row.entity_key in {link.entity_key for link in known}]
    return ref_of(rows[0]) if rows else None


def _meant_when_used(snapshot: Snapshot, words: Collection[tuple[EntityRef, list[OrderKey]]]) -> Iterator[Guess]:
    usages = [Usage(ref, before) for ref, readings in words for before in readings]
    meant = meanings(snapshot, usages) if usages else {}
    for usage, version in meant.items():
        if version != usage.word:
            yield Guess(version, usage.word, "alias", _why(usage.word, version))


def _bases(snapshot: Snapshot, models: Mapping[bytes, EntityRef]) -> Iterator[Guess]:
    """Yield the base that a model version was said to have, where no run needs to have read it."""
    if not models:
        return
    events = sorted((stored.event for stored in snapshot.events_naming_first(models)), key=order_key)
    untold = set(models.values())
    for event in events:
        named = dict.fromkeys(ref.target for ref in (*event.inputs, *event.outputs, *event.subjects))
        details = fold_details([event])
        for ref in [ref for ref in named if ref in untold and ref in details]:
            base = details[ref].base
            if base and base.name and base.target != ref:
                yield Guess(base.target, ref, "base", f"{display(base.target)} is recorded as its base model")
        untold -= named.keys()  # what it tells of others, fetched or not, is told by their own first events


def _read_by_name(snapshot: Snapshot, versions: Mapping[bytes, EntityRef]) -> Iterator[Guess]:
    readers: dict[bytes, list[ActivityLink]] = {}
    for key, link in snapshot.readers_by_name(versions) if versions else ():
        readers.setdefault(key, []).append(link)
    told = is_told_later(snapshot, [link for links in readers.values() for link in links])
    for key, links in readers.items():
        left = tuple(link for link in links if (link.link.activity_key, link.link.entity_key) not in told)
        if left:
            version, name = versions[key], versions[key].unversioned
            why = f"{display(version)} was the latest version when {display(name)} was read without one"
            yield Guess(version, name, "name", why, left)


def used_by_word(snapshot: Snapshot, models: Mapping[bytes, EntityRef], *, limit: int) -> Iterator[Guess]:
    """Yield what used these versions by an alias or a stage while it meant them: of each the last ``limit``."""
    for tenure in tenures_of(snapshot, models):
        if tenure.word != tenure.version:
            key, begin_ns, end_ns = ref_key(tenure.word), tenure.begin[0], tenure.end[0]
            links = snapshot.activities_between(key, "input", begin_ns, end_ns, limit=limit)
            left = tuple(link for link in links if _covers(tenure, link))
            if left:
                yield Guess(tenure.version, tenure.word, "alias", _why(tenure.word, tenure.version), left)


def _covers(tenure: Tenure, link: ActivityLink) -> bool:
    return tenure.covers((link.link.event_time_ns, link.link.event_id))


def _why(word: EntityRef, version: EntityRef) -> str:
    return f"{word.version!r} meant {display(version)} when it was used"
