"""What a snapshot has already fetched of named things: a question asked in parts need not ask for it again. Pure.

A snapshot never changes, so nothing here grows old.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modeltrail_schemas.event import Declaration
from modeltrail_schemas.names import EntityRef

from modeltrail_server.projection.facts import ContentRow, EntityRow, LinkRow
from modeltrail_server.projection.fetching import Rows
from modeltrail_server.queries.rows import RunBrief, key_of

# Who made a version and what was declared about it; who used it may be very many.
REMEMBERED_RELATIONS = ("output", "subject")
# Declarations that, made about a model or dataset as a whole, are about each of its versions.
ABOUT_ALL_VERSIONS = (Declaration.RETRACTED, Declaration.DESCRIBED, Declaration.ANNOTATED)


@dataclass(frozen=True)
class Memory:
    """What is known, by key; a key that is known has an entry, empty or not.

    ``links`` and ``contents`` are of versions, ``declared`` of names and ABOUT_ALL_VERSIONS; ``firsts`` are the first
    events to name a thing.
    """

    entities: dict[bytes, EntityRow | None] = field(default_factory=dict)
    links: dict[bytes, list[LinkRow]] = field(default_factory=dict)
    contents: dict[bytes, list[ContentRow]] = field(default_factory=dict)
    declared: dict[bytes, list[LinkRow]] = field(default_factory=dict)
    firsts: dict[bytes, Sequence[Any] | None] = field(default_factory=dict)
    runs: dict[bytes, RunBrief | None] = field(default_factory=dict)

    def unknown(self, refs: Iterable[EntityRef]) -> dict[bytes, EntityRef]:
        """Return by key those of ``refs``, and of their names, that nothing is known of."""
        wanted = {key_of(each): each for ref in refs for each in (ref, ref.unversioned)}
        return {key: ref for key, ref in wanted.items() if key not in self.entities}

    def remember(self, refs: Mapping[bytes, EntityRef], firsts: Sequence[bytes], found: Mapping[str, Rows]) -> None:
        """Keep all the rows ``found`` of ``refs``, which were unknown, and of the keys ``firsts``."""
        self.entities.update(dict.fromkeys(refs))
        self.firsts.update(dict.fromkeys(firsts))
        for key, ref in refs.items():
            if ref.identity:
                self.links[key], self.contents[key] = [], []
            else:
                self.declared[key] = []
        for row in map(EntityRow._make, found.get("entities", ())):
            self.entities[row.entity_key] = row
        for link in map(LinkRow._make, found.get("links", ())):
            self.links[link.entity_key].append(link)
        for link in map(LinkRow._make, found.get("declared", ())):
            self.declared[link.entity_key].append(link)
        for content in map(ContentRow._make, found.get("contents", ())):
            self.contents[content.entity_key].append(content)
        self.firsts.update({row[-1]: row for row in found.get("firsts", ())})

    def entities_of(self, keys: Collection[bytes]) -> list[EntityRow] | None:
        """Return the rows of these; None where some are unknown."""
        if any(key not in self.entities for key in keys):
            return None
        return [row for key in dict.fromkeys(keys) if (row := self.entities[key]) is not None]

    def links_of(self, keys: Collection[bytes], relations: Sequence[str], limit: int) -> list[LinkRow] | None:
        """Return the links of these in ``relations``, latest first; None where some are unknown."""
        if any(key not in self.links for key in keys) or not set(relations).issubset(REMEMBERED_RELATIONS):
            return None
        links = (link for key in dict.fromkeys(keys) for link in self.links[key])
        return latest_first((link for link in links if link.relation in relations), limit)

    def declarations_of(self, keys: Collection[bytes], roles: Sequence[str], limit: int) -> list[LinkRow] | None:
        """Return the links of these to declarations of ``roles``, latest first; None where some are unknown."""
        known = self.links if set(roles) - set(ABOUT_ALL_VERSIONS) else self.links | self.declared
        if any(key not in known for key in keys):
            return None
        links = (link for key in dict.fromkeys(keys) for link in known[key] if link.relation == "subject")
        return latest_first((link for link in links if link.role in roles), limit)

    def contents_of(self, keys: Collection[bytes]) -> list[ContentRow] | None:
        """Return the contents of these, the first to be named first; None where some are unknown."""
        if any(key not in self.contents for key in keys):
            return None
        found = [content for key in dict.fromkeys(keys) for content in self.contents[key]]
        return sorted(found, key=lambda content: (content.first_time_ns, content.first_event_id))

    def firsts_of(self, keys: Collection[bytes]) -> Rows | None:
        """Return the rows of the first events to name these; None where some are unknown."""
        if any(key not in self.firsts for key in keys):
            return None
        return [row for key in keys if (row := self.firsts[key]) is not None]


def latest_first(links: Iterable[LinkRow], limit: int) -> list[LinkRow]:
    """Return up to ``limit`` of ``links``, the latest to be told first."""
    return sorted(links, key=lambda link: (link.event_time_ns, link.event_id), reverse=True)[:limit]
