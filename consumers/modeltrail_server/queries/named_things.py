"""The questions about named things: their names and versions, in order, and the words that versions were given.

Fetches and decodes; decides nothing.
"""

from collections.abc import Collection, Sequence

from modeltrail_schemas.names import EntityRef
from sqlalchemy.sql.selectable import SelectBase

from modeltrail_server.projection.facts import EntityRow, key_text
from modeltrail_server.projection.fetching import Rows
from modeltrail_server.queries.fetched import Fetched
from modeltrail_server.queries.rows import Word, ref_of
from modeltrail_server.queries.statements import entities

MAX_WORDS = 10_000
VERSIONS_BEFORE = 5
LAST_CHARACTER = "\U0010ffff"


class NamedThings(Fetched):
    """What a snapshot tells of models, datasets, jobs and commits by their names."""

    def entities(self, keys: Collection[bytes]) -> list[EntityRow]:
        """Return the rows of these entities."""
        known = self._memory.entities_of(keys)
        if known is not None:
            return known
        statement = entities.entities_by_key(self.tables, self.as_of)
        return self._named(self._rows(statement, keys, None))

    def next_name(self, kind: str, name: str, namespace: str) -> EntityRow | None:
        """Return the name of ``kind`` that follows this one in the order of names, if any."""
        bound = {"kind": kind, "name": key_text(name), "namespace": key_text(namespace)}
        rows = self._fetch(entities.next_name(self.tables), bound)
        return next(iter(self._named(rows)), None)

    def count_entities(self, kind: str, limit: int) -> int:
        """Return the number of names and versions of ``kind``, at most ``limit``."""
        bound = {"kind": kind, "row_limit": limit}
        return int(self._fetch(entities.count_entities(self.tables), bound)[0][0])

    def entities_of_kind(self, kind: str, *, limit: int) -> list[EntityRow]:
        """Return the first names of a kind that has no versions, in order."""
        bound = {"kind": kind, "low": "", "high": LAST_CHARACTER, "row_limit": limit}
        return self._named(self._fetch(entities.entities_between(self.tables), bound))

    def names_of(self, kinds: Sequence[str], name: str, *, limit: int) -> list[EntityRow]:
        """Return the models, datasets and jobs (``kinds``) called ``name``, in whatever namespace."""
        found: list[EntityRow] = []
        after = dict.fromkeys(kinds, "")
        while after and len(found) < limit:
            statement = entities.next_namespaces(self.tables, tuple(after), after=bool(found))
            bound = {"name": key_text(name)} | {f"after_{kind}": last for kind, last in after.items()}
            rows = self._named(self._fetch(statement, bound))
            found.extend(rows)
            after = {row.kind: key_text(row.namespace) for row in rows}
        return [row for row in found if not row.version]

    def names_between(self, kind: str, low: str, high: str, *, limit: int) -> list[EntityRow]:
        """Return the first names of ``kind`` from ``low`` to ``high``, in order."""
        parameters = {"kind": kind, "low": low, "high": high, "row_limit": limit}
        return self._named(self._fetch(entities.names_between(self.tables), parameters))

    def versions_between(self, name: EntityRef, low: str, high: str, *, limit: int) -> list[EntityRow]:
        """Return the versions of ``name`` whose text lies from ``low`` to ``high``."""
        of_name = {"kind": name.kind, "namespace": key_text(name.namespace), "name": key_text(name.name)}
        statement = entities.versions_between(self.tables, self.as_of)
        return self._named(self._fetch(statement, of_name | {"low": low, "high": high, "row_limit": limit}))

    def versions_of_name(self, name_key: bytes, *, limit: int) -> list[EntityRow]:
        """Return the versions of a model or dataset, the last to appear first."""
        statement = entities.versions_of_name(self.tables, self.as_of)
        return self._last_first(self._fetch(statement, {"key": name_key, "row_limit": limit}))

    def versions_before(self, name_key: bytes, time_ns: int, *, limit: int = VERSIONS_BEFORE) -> list[EntityRow]:
        """Return the versions of a model or dataset that appeared up to a time, the last to appear first."""
        known = self._memory.before.get((name_key, time_ns)) if limit <= VERSIONS_BEFORE else None
        if known is not None:
            return known[:limit]
        return self._appeared(self._fetch(*self._versions_before(name_key, time_ns, limit)), time_ns)

    def _versions_before(self, key: bytes, time_ns: int, limit: int) -> tuple[SelectBase, dict[str, object]]:
        bound: dict[str, object] = {"key": key, "time_ns": time_ns, "row_limit": limit}
        return entities.versions_before(self.tables, self.as_of), bound

    def _appeared(self, rows: Rows, time_ns: int) -> list[EntityRow]:
        return [row for row in self._last_first(rows) if row.first_time_ns <= time_ns]

    def _last_first(self, rows: Rows) -> list[EntityRow]:
        """Return versions in the order in which they appeared, the last first: within a bound that may differ."""
        versions = self._named(rows)
        if self.as_of is None:
            return versions
        return sorted(versions, key=lambda version: version.first_time_ns, reverse=True)

    def words(self, name_keys: Collection[bytes], *, limit: int = MAX_WORDS) -> list[Word]:
        """Return the aliases, stages and targets that are versions of these, those first given first."""
        rows = self._rows(entities.words(self.tables, self.as_of), name_keys, limit)
        events = [(EntityRow(*row[:-1]), row[-1]) for row in rows]
        named = self._named(row for row, _ in events)
        return [Word(ref_of(row), event_id) for row, (_, event_id) in zip(named, events, strict=True)]
