"""The only door of the questions to the database: rows and whole events, seen in one read-only snapshot.

Fetches and decodes; decides nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import Any

from modeltrail_schemas.codec import decode_routing
from modeltrail_schemas.event import Routing
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.order import OrderKey, order_key
from sqlalchemy.sql.selectable import SelectBase

from modeltrail_server.projection.facts import (
    RELATIONS,
    ContentRow,
    EntityRow,
    LinkRow,
    contents_told,
)
from modeltrail_server.projection.fetching import Rows, fetch_together
from modeltrail_server.queries.fetched import MAX_EVENTS, MAX_KEYS_PER_STATEMENT, chunks
from modeltrail_server.queries.memory import latest_first
from modeltrail_server.queries.named_things import VERSIONS_BEFORE, NamedThings
from modeltrail_server.queries.rows import (
    ActivityLink,
    EntityLink,
    Recorded,
    RunBrief,
    Stored,
    activity_link,
    entity_links,
    key_of,
    ref_of,
    run_brief,
)
from modeltrail_server.queries.statements import entities, events, links, runs, upstream
from modeltrail_server.queries.statements.remembering import to_remember
from modeltrail_server.queries.wholes import is_cut_short

MAX_LINKS = 10_000
MAX_LINKS_REMEMBERED = 2_000
MAX_TELLERS = 1_000
REMEMBERED = {"row_limit": MAX_LINKS_REMEMBERED}
MAX_READINGS_TOGETHER = 50
NO_KEY = bytes(16)


class Snapshot(NamedThings):
    """One state of the read model. Every method asks one question with one statement for up to 500 keys."""

    def look_up(self, refs: Iterable[EntityRef], *, and_first_of: Iterable[bytes] = ()) -> None:
        """Fetch together what is asked of named things sooner or later, and of their names.

        That is rows, contents, who made or declared a version, what was declared about all versions; of the keys
        ``and_first_of`` the first event to name them.
        """
        wanted = {key_of(each): each for ref in refs for each in (ref, ref.unversioned)}
        versions = [key for key, ref in wanted.items() if ref.identity]
        names = [key for key, ref in wanted.items() if not ref.identity]
        self.remember(entities=wanted, links=versions, contents=versions, declared=names, firsts=and_first_of)

    def remember(self, *, before: Collection[tuple[bytes, int]] = (), **wanted: Iterable[bytes]) -> None:
        """Fetch together, by what Memory calls it, what is wanted of these keys and not known yet.

        It only saves round trips: what follows asks as if nothing had been fetched. Of what there is too much,
        nothing is kept.
        """
        unknown = {what: self._memory.unknown(what, keys) for what, keys in wanted.items()}
        unknown = {what: keys for what, keys in unknown.items() if 0 < len(keys) <= MAX_KEYS_PER_STATEMENT}
        readings = [reading for reading in before if reading not in self._memory.before][:MAX_READINGS_TOGETHER]
        asked = [(*to_remember(what, self.tables, self.as_of), {"keys": keys}) for what, keys in unknown.items()]
        together = [(statement, more | keys | REMEMBERED) for statement, more, keys in asked]
        together += [self._versions_before(*reading, VERSIONS_BEFORE) for reading in readings]
        found = fetch_together(self.connection, together)
        for (what, keys), rows in zip(unknown.items(), found, strict=False):
            if len(rows) < MAX_LINKS_REMEMBERED:
                self._memory.remember(what, keys, self._as_told(what, rows))
        for reading, rows in zip(readings, found[len(unknown) :], strict=True):
            self._memory.before[reading] = self._appeared(rows, reading[1])

    def _as_told(self, what: str, rows: Rows) -> Sequence[Sequence[Any]]:
        """Return what was fetched with whole names, and contents as they were told of within the bound."""
        if what == "entities":
            return self._named(rows)
        return self._contents_then(rows) if what == "contents" else rows

    def is_empty(self) -> bool:
        """Return whether no event was ever recorded."""
        return not self._fetch(events.any_event(self.tables), {})

    def events_of_runs(self, keys: Collection[bytes], *, limit: int = MAX_EVENTS) -> list[Stored]:
        """Return the events of these runs, oldest first."""
        return self._events(events.events_of_runs(self.tables, self.as_of), keys, limit)

    def events_about(self, keys: Collection[bytes], relation: str, *, limit: int = MAX_EVENTS) -> list[Stored]:
        """Return the events that put these entities into ``relation``, latest first, each once."""
        statement = events.events_about(self.tables, self.as_of)
        found = self._events(statement, keys, limit, relation=relation)
        return list({stored.event.event_id: stored for stored in found}.values())

    def events_naming_first(self, keys: Collection[bytes], *, containing: bytes = b"") -> list[Stored]:
        """Return, for each of these entities, the first event that names it, if its message contains these bytes."""
        rows = self._memory.firsts_of(keys)
        if rows is None:
            rows = list(self._rows(events.events_naming_first(self.tables, self.as_of), keys, MAX_EVENTS))
        distinct = {tuple(row[1:3]): row for row in rows if containing in row[0]}
        found = [Stored(self.decode_event(row[0]), *row[1:4]) for row in distinct.values()]
        found.sort(key=lambda stored: order_key(stored.event))
        return found if self.as_of is None else [*found, *self._first_in_bound(keys)]

    def _first_in_bound(self, keys: Collection[bytes]) -> list[Stored]:
        """Return the first event within ``as_of`` to name each of these: the first of all may lie beyond it."""
        firsts: dict[bytes, OrderKey] = {}
        for link in self.links_of_entities(keys, RELATIONS):
            order = (link.event_time_ns, link.event_id)
            firsts[link.entity_key] = min(firsts.get(link.entity_key, order), order)
        return self.events_by_id({event_id for _, event_id in firsts.values()})

    def links_of_entities(
        self, keys: Collection[bytes], relations: Sequence[str], *, limit: int = MAX_LINKS
    ) -> list[LinkRow]:
        """Return the links of these entities in these relations, latest first."""
        known = self._memory.links_of(keys, relations, limit)
        if known is not None:
            return known
        statement = links.links_of_entities(self.tables, self.as_of)
        return [LinkRow(*row) for row in self._rows(statement, keys, limit, relations=list(relations))]

    def declarations(self, *about: tuple[Collection[bytes], Sequence[str]], limit: int = MAX_LINKS) -> list[LinkRow]:
        """Return the links of entities to declarations about them, latest first; of each group of keys, some types.

        A name has those about its versions, too. All is asked for together.
        """
        known: list[LinkRow] = []
        together: list[tuple[SelectBase, dict[str, object]]] = []
        for keys, roles in about:
            found = {key: self._memory.declared_about(key, roles) for key in dict.fromkeys(keys)} if roles else {}
            known += (link for own in found.values() if own for link in own)
            for chunk in chunks((key for key, own in found.items() if own is None), MAX_KEYS_PER_STATEMENT):
                statement = links.declarations(self.tables, self.as_of, tuple(roles))
                together.append((statement, {"keys": chunk, "row_limit": limit}))
        rows = [LinkRow._make(row) for found_rows in fetch_together(self.connection, together) for row in found_rows]
        return latest_first([*rows, *known], limit)

    def retractions(self, *, limit: int) -> list[Routing]:
        """Return the events that declare something to be retracted, in no order."""
        statement = upstream.retractions(self.tables, self.as_of)
        return [decode_routing(row[0]) for row in self._fetch(statement, {"row_limit": limit})]

    def upstream(
        self, entities: Collection[bytes], activities: Collection[bytes], *, limit: int, edges: bool = False
    ) -> Rows:
        """Return rows of what these came from, themselves included, as the statement ``upstream`` says."""
        begun = [(chunk, [NO_KEY]) for chunk in chunks(entities, MAX_KEYS_PER_STATEMENT)]
        begun += [([NO_KEY], chunk) for chunk in chunks(activities, MAX_KEYS_PER_STATEMENT)]
        statement = upstream.upstream(self.tables, self.as_of, edges=edges)
        asked = [{"keys": keys, "activities": acting, "row_limit": limit} for keys, acting in begun]
        return [row for bound in asked for row in self._fetch(statement, bound)]

    def keys_of_names(self, names: Collection[bytes], *, limit: int) -> list[bytes]:
        """Return the keys of these names and of all their versions."""
        return [row[0] for row in self._rows(upstream.versions_of_names(self.tables), names, limit)]

    def sources_of_entities(self, keys: Collection[bytes], *, limit: int) -> list[bytes]:
        """Return the keys of what these came from, themselves included, nearest first: ``limit`` of them, or more.

        Bounds of ``as_of`` do not count. What was read without a version leads on to the version that was then the
        latest.
        """
        statement = links.sources_of_entities(self.tables)
        return list(dict.fromkeys(chain.from_iterable(self._rows(statement, keys, limit))))

    def entities_of_activities(
        self, keys: Collection[bytes], relations: Sequence[str], *, limit: int = MAX_LINKS
    ) -> list[EntityLink]:
        """Return what these runs and jobs stand in these relations to."""
        statement = links.entities_of_activities(self.tables, self.as_of)
        rows = self._rows(statement, keys, limit, relations=list(relations))
        return self._linked(entity_links(rows))

    def activities_of_entities(
        self, keys: Collection[bytes], relations: Sequence[str], *, limit: int = MAX_LINKS
    ) -> list[ActivityLink]:
        """Return the runs and jobs that stand in these relations to these entities, in no order."""
        statement = links.activities_of_entities(self.tables, self.as_of, latest_first=False)
        return self._links_then(map(activity_link, self._rows(statement, keys, limit, relations=list(relations))))

    def last_activities(self, key: bytes, relation: str, *, limit: int) -> list[ActivityLink]:
        """Return the runs and jobs that stand in ``relation`` to one entity, the latest to say so first."""
        statement = links.activities_of_entities(self.tables, self.as_of, latest_first=True)
        return self._links_then(map(activity_link, self._rows(statement, [key], limit, relations=[relation])))

    def count_activities(self, key: bytes, relation: str, *, limit: int = MAX_LINKS) -> int:
        """Return how many runs and jobs stand in ``relation`` to an entity, looking at ``limit`` links."""
        statement = links.count_activities(self.tables, self.as_of)
        return sum(row[0] for row in self._rows(statement, [key], limit, relations=[relation]))

    def runs(self, keys: Collection[bytes]) -> list[RunBrief]:
        """Return the rows of these runs."""
        unknown = [key for key in keys if key not in self._memory.runs]
        found = self._then(run_brief(row) for row in self._rows(runs.runs_by_key(self.tables), unknown, None))
        self._memory.runs.update(dict.fromkeys(unknown) | {run.run_key: run for run in found})
        return [run for key in dict.fromkeys(keys) if (run := self._memory.runs[key]) is not None]

    def last_runs_of_job(self, job_key: bytes, *, limit: int) -> list[RunBrief]:
        """Return the runs of a job, the last to begin first."""
        parameters = {"key": job_key, "row_limit": limit}
        statement = runs.last_runs_of_job(self.tables, self.as_of)
        return self._then(run_brief(row) for row in self._fetch(statement, parameters))

    def parts_of_runs(self, keys: Collection[bytes], *, limit: int) -> list[RunBrief]:
        """Return the runs that name one of these as their parent, the last to begin first."""
        statement = runs.parts_of_runs(self.tables, self.as_of)
        return self._then(run_brief(row) for row in self._rows(statement, keys, limit))

    def runs_page(
        self, *, job_key: bytes | None, since_ns: int | None, after: tuple[int, bytes] | None, limit: int
    ) -> list[RunBrief]:
        """Return runs, the last to begin first, after the one that began at ``after`` (time in ns, key)."""
        narrowed = {"of_job": job_key is not None, "since": since_ns is not None, "after": after is not None}
        time_ns, key = after or (0, b"")
        bound = {"job_key": job_key, "since_ns": since_ns, "time_ns": time_ns, "key": key, "row_limit": limit}
        statement = runs.runs_page(self.tables, self.as_of, **narrowed)
        return self._then(run_brief(row) for row in self._fetch(statement, bound))

    def place_in_pages(self, run: RunBrief) -> tuple[int, bytes]:
        """Return after what the page goes on that ends with ``run``.

        Pages are in the order of what is told now: as of a time, a run may have begun later.
        """
        if self.as_of is None:
            return run.first_time_ns, run.run_key
        rows = self._rows(runs.runs_by_key(self.tables), [run.run_key], None)
        return next(run_brief(row).first_time_ns for row in rows), run.run_key

    def count_runs(self, limit: int) -> int:
        """Return the number of runs, at most ``limit``."""
        return int(self._fetch(runs.count_runs(self.tables), {"row_limit": limit})[0][0])

    def runs_between(self, low: bytes, high: bytes, *, limit: int) -> list[RunBrief]:
        """Return the runs with keys from ``low`` to ``high``."""
        parameters = {"low_key": low, "high_key": high, "row_limit": limit}
        return self._then(run_brief(row) for row in self._fetch(runs.runs_between(self.tables), parameters))

    def is_known(self, name: EntityRow) -> bool:
        """Return whether something within the bound tells of a name: of itself, of a version, of a run of the job."""
        if self.as_of is None:
            return True
        if name.kind == "job" and self.last_runs_of_job(name.entity_key, limit=1):
            return True
        own = self.links_of_entities([name.entity_key], RELATIONS, limit=1)
        return bool(own or self.versions_of_name(name.entity_key, limit=1))

    def last_links_before(self, key: bytes, relation: str, before: OrderKey, *, limit: int = 1) -> list[LinkRow]:
        """Return the links of one entity in ``relation`` before ``before``, the latest first."""
        bound = {"key": key, "relation": relation, "time_ns": before[0], "event_id": before[1], "row_limit": limit}
        return [LinkRow(*row) for row in self._fetch(links.last_links_before(self.tables, self.as_of), bound)]

    def last_links_since(self, key: bytes, relation: str, time_ns: int, *, limit: int) -> list[LinkRow]:
        """Return the links of one entity in ``relation`` from a time on, the latest first."""
        bound = {"key": key, "relation": relation, "time_ns": time_ns, "row_limit": limit}
        return [LinkRow(*row) for row in self._fetch(links.last_links_since(self.tables, self.as_of), bound)]

    def first_links_after(self, key: bytes, relation: str, after: OrderKey, *, limit: int = 1) -> list[LinkRow]:
        """Return the links of one entity in ``relation`` after ``after``, the earliest first."""
        bound = {"key": key, "relation": relation, "time_ns": after[0], "event_id": after[1], "row_limit": limit}
        return [LinkRow(*row) for row in self._fetch(links.first_links_after(self.tables, self.as_of), bound)]

    def activities_between(
        self, key: bytes, relation: str, low_ns: int, high_ns: int, *, limit: int
    ) -> list[ActivityLink]:
        """Return the runs and jobs that stood in ``relation`` to one entity in a span of time, the latest first."""
        bound = {"key": key, "relation": relation, "low_ns": low_ns, "high_ns": high_ns, "row_limit": limit}
        rows = self._fetch(links.activities_between(self.tables, self.as_of), bound)
        return self._links_then(map(activity_link, rows))

    def readers_by_name(self, keys: Collection[bytes], *, limit: int = MAX_LINKS) -> list[tuple[bytes, ActivityLink]]:
        """Return (version's key, link of its name) of who read a name without a version while this was the latest."""
        rows = list(self._rows(links.readers_by_name(self.tables, self.as_of), keys, limit))
        return list(zip((row[12] for row in rows), self._links_then(map(activity_link, rows)), strict=True))

    def events_since(self, partition: int, recorded_ms: int, *, limit: int) -> list[Recorded]:
        """Return what was recorded in a partition from a time on, in the order of record times."""
        bound = {"partition": partition, "recorded_ms": recorded_ms, "row_limit": limit}
        return [Recorded(*row) for row in self._fetch(events.events_since(self.tables, self.as_of), bound)]

    def partitions(self) -> list[int]:
        """Return the partitions that were ever read."""
        return [row[0] for row in self._fetch(events.positions(self.tables), {})]

    def contents(self, keys: Collection[bytes]) -> list[ContentRow]:
        """Return the content digests of these entities."""
        known = self._memory.contents_of(keys)
        if known is not None:
            return known
        return self._contents_then(
            self._rows(entities.contents_of_entities(self.tables, self.as_of), keys, MAX_LINKS)
        )

    def contents_with(self, digest: str, *, limit: int) -> list[ContentRow]:
        """Return what has content of this digest, the first to be named first."""
        bound = {"digest": digest, "row_limit": limit}
        return self._contents_then(self._fetch(entities.contents_with(self.tables, self.as_of), bound))

    def _contents_then(self, rows: Iterable[Sequence[Any]]) -> list[ContentRow]:
        """Return the contents that were told within the bound.

        Where the first to tell one lies beyond it, another event may have told it by then.
        """
        if self.as_of is None:
            return [ContentRow(*row) for row in rows]
        told = {ContentRow(*row[:4]): bool(row[4]) for row in rows}
        doubtful = {content.entity_key for content, then in told.items() if not then}
        tellers = self.links_of_entities(doubtful, RELATIONS, limit=MAX_TELLERS)
        others = self.events_by_id({link.event_id for link in tellers})
        claimed = {claim for stored in others for claim in contents_told(stored.event)}
        return [content for content, then in told.items() if then or (content.digest, content.entity_key) in claimed]

    def _linked(self, links: list[EntityLink]) -> list[EntityLink]:
        """Return links to named things, each with its whole name."""
        cut = [key for key, ref in {link.link.entity_key: link.entity for link in links}.items() if is_cut_short(ref)]
        if not cut:
            return links
        wholes = {row.entity_key: ref_of(row) for row in self.entities(cut)}
        return [link._replace(entity=wholes.get(link.link.entity_key, link.entity)) for link in links]

    def _links_then(self, links: Iterable[ActivityLink]) -> list[ActivityLink]:
        """Return ``links`` with their runs as they were within the bound."""
        given = list(links)
        if self.as_of is None:
            return given
        keys = {link.link.activity_key for link in given if link.run_id is not None}
        then = {run.run_key: run for run in self.runs({key for key in keys if key is not None})}
        return [
            link._replace(
                state=run.state, first_time_ns=run.first_time_ns, last_time_ns=run.last_time_ns, job=run.job
            )
            if (run := then.get(link.link.activity_key or b""))
            else link
            for link in given
        ]
