"""What a snapshot has already fetched of named things: a question asked in parts need not ask for it again. Pure.

A snapshot never changes, so nothing here grows old.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from modeltrail_schemas.event import Declaration

from modeltrail_server.projection.facts import ContentRow, EntityRow, LinkRow
from modeltrail_server.projection.fetching import Rows
from modeltrail_server.projection.tables import MARKS
from modeltrail_server.queries.rows import RunBrief

# Who made a version and what was declared about it; who used it may be very many.
REMEMBERED_RELATIONS = ("output", "subject")
# Declarations that, made about a model or dataset as a whole, are about each of its versions.
ABOUT_ALL_VERSIONS = (Declaration.RETRACTED, Declaration.DESCRIBED, Declaration.ANNOTATED)


@dataclass(frozen=True)
class Memory:
    """What is known, by key; a key that is known has an entry, empty or not.

    ``links`` and ``contents`` are of versions, ``declared`` of names and ABOUT_ALL_VERSIONS, ``retracted`` of names
    and RETRACTED alone, ``marked`` of either and MARKS; ``firsts`` are the first events to name a thing, ``before``
    the versions of a name that had appeared by a time, the last first.
    """

    entities: dict[bytes, EntityRow | None] = field(default_factory=dict)
    links: dict[bytes, list[LinkRow]] = field(default_factory=dict)
    contents: dict[bytes, list[ContentRow]] = field(default_factory=dict)
    declared: dict[bytes, list[LinkRow]] = field(default_factory=dict)
    marked: dict[bytes, list[LinkRow]] = field(default_factory=dict)
    retracted: dict[bytes, list[LinkRow]] = field(default_factory=dict)
    firsts: dict[bytes, Sequence[Any] | None] = field(default_factory=dict)
    before: dict[tuple[bytes, int], list[EntityRow]] = field(default_factory=dict)
    runs: dict[bytes, RunBrief | None] = field(default_factory=dict)

    def unknown(self, what: str, keys: Iterable[bytes]) -> list[bytes]:
        """Return those of ``keys`` of which ``what`` (the name of a field) is not known, each once."""
        known = getattr(self, what)
        return [key for key in dict.fromkeys(keys) if key not in known]

    def remember(self, what: str, keys: Iterable[bytes], rows: Sequence[Sequence[Any]]) -> None:
        """Keep ``rows``, which are ``what`` there is of ``keys``."""
        known = getattr(self, what)
        if what == "firsts":
            known.update(dict.fromkeys(keys) | {row[-1]: row for row in rows})
        elif what == "entities":
            known.update(dict.fromkeys(keys) | {row[0]: EntityRow._make(row) for row in rows})
        else:
            known.update((key, []) for key in keys)
            made: Iterable[ContentRow | LinkRow]
            made = map(ContentRow._make, rows) if what == "contents" else map(LinkRow._make, rows)
            for row in made:
                known[row.entity_key].append(row)

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

    @cached_property
    def _declarations(self) -> list[tuple[frozenset[str], dict[bytes, list[LinkRow]]]]:
        fields = (
            (MARKS, self.marked),
            (ABOUT_ALL_VERSIONS, self.declared),
            ([Declaration.RETRACTED], self.retracted),
        )
        return [(frozenset(roles), known) for roles, known in fields]

    def declared_about(self, key: bytes, roles: Sequence[str]) -> list[LinkRow] | None:
        """Return the links of a thing to declarations of ``roles``, in no order; None where they are unknown."""
        found = self.links.get(key)
        for roles_known, known in self._declarations:
            if found is None and roles_known.issuperset(roles):
                found = known.get(key)
        if not found:
            return found
        return [link for link in found if link.relation == "subject" and link.role in roles]

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
