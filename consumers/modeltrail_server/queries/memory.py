"""What a snapshot has already fetched of named things: a question asked in parts need not ask for it again. Pure.

A snapshot never changes, so nothing here grows old.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from modeltrail_server.projection.facts import ContentRow, EntityRow, LinkRow
from modeltrail_server.projection.fetching import Rows
from modeltrail_server.queries.rows import RunBrief

# Who made a thing and what was declared about it; who used it may be very many.
REMEMBERED_RELATIONS = ("output", "subject")


@dataclass(frozen=True)
class Memory:
    """The rows, links and contents of named things, by key; a key that is known has an entry, empty or not.

    ``firsts`` are the first events to name them, ``runs`` the rows of runs.
    """

    entities: dict[bytes, EntityRow | None] = field(default_factory=dict)
    links: dict[bytes, list[LinkRow]] = field(default_factory=dict)
    contents: dict[bytes, list[ContentRow]] = field(default_factory=dict)
    firsts: dict[bytes, Sequence[Any] | None] = field(default_factory=dict)
    runs: dict[bytes, RunBrief | None] = field(default_factory=dict)

    def unknown(self, keys: Iterable[bytes]) -> list[bytes]:
        """Return those of ``keys`` that nothing is known of, each once."""
        return [key for key in dict.fromkeys(keys) if key not in self.entities]

    def remember(self, keys: Sequence[bytes], entities: Rows, links: Rows, contents: Rows) -> None:
        """Keep all the rows that there are of ``keys``."""
        for key in keys:
            self.entities[key], self.links[key], self.contents[key] = None, [], []
        for row in map(EntityRow._make, entities):
            self.entities[row.entity_key] = row
        for link in map(LinkRow._make, links):
            self.links[link.entity_key].append(link)
        for content in map(ContentRow._make, contents):
            self.contents[content.entity_key].append(content)

    def remember_firsts(self, keys: Sequence[bytes], rows: Rows) -> None:
        """Keep the first event to name each of ``keys``: its columns, and then the key."""
        self.firsts.update(dict.fromkeys(keys))
        self.firsts.update({row[-1]: row for row in rows})

    def entities_of(self, keys: Collection[bytes]) -> list[EntityRow] | None:
        """Return the rows of these; None where some are unknown."""
        if any(key not in self.entities for key in keys):
            return None
        return [row for key in dict.fromkeys(keys) if (row := self.entities[key]) is not None]

    def links_of(
        self, keys: Collection[bytes], relations: Sequence[str], roles: Sequence[str], limit: int
    ) -> list[LinkRow] | None:
        """Return the links of these in ``relations`` (and of ``roles``, if any), latest first; None where unknown."""
        if any(key not in self.links for key in keys) or not set(relations).issubset(REMEMBERED_RELATIONS):
            return None
        found = [
            link
            for key in dict.fromkeys(keys)
            for link in self.links[key]
            if link.relation in relations and (not roles or link.role in roles)
        ]
        return sorted(found, key=lambda link: (link.event_time_ns, link.event_id), reverse=True)[:limit]

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
