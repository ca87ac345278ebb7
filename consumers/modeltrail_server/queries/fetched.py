"""What every question to the database begins with: rows fetched in chunks, as they were within a bound, named whole.

Fetches and decodes; decides nothing.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from modeltrail_schemas.codec import decode, decode_routing
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.names import EntityRef
from sqlalchemy import Connection
from sqlalchemy.sql.selectable import SelectBase

from modeltrail_server.projection.facts import EntityRow, RunRow, run_row_of
from modeltrail_server.projection.fetching import Rows, fetch
from modeltrail_server.projection.merge import merge_runs
from modeltrail_server.projection.tables import Tables
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.memory import Memory
from modeltrail_server.queries.rows import RunBrief, Stored, brief_of
from modeltrail_server.queries.statements import events
from modeltrail_server.queries.wholes import cut_names, whole_names, with_whole_name

MAX_KEYS_PER_STATEMENT = 500
MAX_EVENTS = 10_000
RUNS_FOLDED_PER_STATEMENT = 100
K = TypeVar("K")


@dataclass(frozen=True)
class Fetched:
    """One state of the read model, and what was fetched of it already.

    ``remarks`` are what a reader is to be told beside the answer.
    """

    connection: Connection
    tables: Tables
    as_of: AsOf | None = None
    decode_event: Callable[[bytes], LineageEvent] = field(default=decode)
    remarks: list[str] = field(default_factory=list, compare=False)
    _memory: Memory = field(default_factory=Memory, init=False, repr=False, compare=False)

    def events_by_id(self, ids: Collection[bytes], *, limit: int = MAX_EVENTS) -> list[Stored]:
        """Return these events, oldest first; those beyond the bound of ``as_of`` are left out."""
        return self._events(events.events_by_id(self.tables, self.as_of), ids, limit)

    def _named(self, rows: Iterable[Sequence[Any]]) -> list[EntityRow]:
        """Return rows of named things, each with its whole name."""
        found = [EntityRow(*row) for row in rows]
        cut = cut_names(found)
        if not cut:
            return found
        statement = events.events_by_id(self.tables, None)
        telling = (decode_routing(row[0]) for row in self._rows(statement, set(cut.values()), MAX_EVENTS))
        wholes = whole_names(cut, telling)
        return [with_whole_name(row, wholes) for row in found]

    def _then(self, runs: Iterable[RunBrief]) -> list[RunBrief]:
        """Return ``runs`` as they were within the bound; those that nothing told of by then are left out."""
        briefs = list(runs)
        if self.as_of is None or not briefs:
            return briefs
        told: dict[bytes, tuple[RunRow, dict[bytes, EntityRef]]] = {}
        statement = events.routing_of_runs(self.tables, self.as_of)
        for chunk in chunks([brief.run_key for brief in briefs], RUNS_FOLDED_PER_STATEMENT):
            for row in self._fetch(statement, {"keys": chunk, "row_limit": MAX_EVENTS}):
                event = decode_routing(row[0])
                own = run_row_of(event)
                known, jobs = told.get(own.run_key, (own, {}))
                if own.job_key is not None:
                    jobs[own.job_key] = event.job.ref
                told[own.run_key] = merge_runs(known, own), jobs
        return [brief_of(*told[brief.run_key]) for brief in briefs if brief.run_key in told]

    def _events(self, statement: SelectBase, keys: Collection[bytes], limit: int, **also: object) -> list[Stored]:
        rows = self._rows(statement, keys, limit, **also)
        return [Stored(self.decode_event(row[0]), row[1], row[2], row[3]) for row in rows]

    def _rows(
        self, statement: SelectBase, keys: Collection[bytes], limit: int | None, **also: object
    ) -> Iterator[Sequence[Any]]:
        bound = {} if limit is None else {"row_limit": limit}
        for chunk in chunks(keys, MAX_KEYS_PER_STATEMENT):
            yield from self._fetch(statement, {"keys": chunk, **bound, **also})

    def _fetch(self, statement: SelectBase, parameters: Mapping[str, object]) -> Rows:
        return fetch(self.connection, statement, parameters)


def chunks(items: Iterable[K], size: int) -> Iterator[list[K]]:
    """Yield ``items`` in lists of ``size``, the last one shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
