"""The runs that may satisfy an expression, the best first, as the columns of the index tell: read as far as needed.

A column tells of 8,192 runs at once which of them may; what they have exactly is for others to look at. Runs whose
codes are not in the columns may always.
"""

import heapq
import math
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, bindparam, select

from modeltrail_server.projection.fetching import fetch, fetch_together
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.queries.statements.parts import among, remembered, row_limit
from modeltrail_server.search.columns import RUNS_A_COLUMN, PackedColumn
from modeltrail_server.search.masks import Comparing, ReadColumn, by_bound, read
from modeltrail_server.search.meaning import Meaning, conditions_of
from modeltrail_server.search.rows import STARTED, Key
from modeltrail_server.search.tables import SearchTables, search_tables_of

FIRST_COLUMNS_READ = 8
MAX_COLUMNS_A_STATEMENT = 256
MAX_KEYS_READ = 10
MAX_COLUMNS_READ = 4_000
MAX_WAITING = 10_000


class Candidates:
    """The runs that may satisfy ``meaning``, by their numbers under ``order``. For one pass.

    ``complete`` turns false where the pass ended before all columns were read.
    """

    def __init__(self, snapshot: Snapshot, meaning: Meaning, order: Key, *, descending: bool) -> None:
        self._snapshot, self._tables = snapshot, search_tables_of(snapshot.tables.generation)
        self._meaning, self._order, self._descending = meaning, order, descending
        keys = dict.fromkeys([order, *(condition.key for condition in conditions_of(meaning))])
        self._keys = {key.id: key for key in list(keys)[:MAX_KEYS_READ]}
        self._comparing = Comparing()
        self.complete = True
        waiting, self._zones = fetch_together(
            snapshot.connection,
            [
                (waiting_of(self._tables), {"row_limit": MAX_WAITING}),
                (zones_of(self._tables), {"key_id": order.id}),
            ],
        )
        self.waiting = [row[0] for row in waiting]
        """The keys of the runs that are not in the columns: each may be the best."""

    def groups(self) -> Iterator[tuple[float, list[int]]]:
        """Yield the ordinals of all others in groups, each with what no number in it or after it is better than.

        A run may be in several. A column is read when its best may be the next.
        """
        sign = -1 if self._descending else 1
        best = [(number, largest if self._descending else least) for number, least, largest in self._zones]
        zones = [(-math.inf if bound is None else sign * bound, number) for number, bound in best]
        zones.sort(reverse=True)
        open_groups: list[tuple[float, int, list[int], Iterator[tuple[float, list[int]]]]] = []
        # The latest runs are in a few columns, the best in all.
        left, size = MAX_COLUMNS_READ, FIRST_COLUMNS_READ if self._order == STARTED else MAX_COLUMNS_READ

        def go_on(number: int, groups: Iterator[tuple[float, list[int]]]) -> None:
            if (group := next(groups, None)) is not None:
                heapq.heappush(open_groups, (sign * group[0], number, group[1], groups))

        while zones or open_groups:
            while zones and (not open_groups or zones[-1][0] <= open_groups[0][0]):
                if left < len(self._keys):
                    self.complete = False
                    return
                count = min(size, len(zones), left // len(self._keys))
                numbers = [zones.pop()[1] for _ in range(count)]
                size, left = 2 * size, left - count * len(self._keys)
                for number, columns in self._read(numbers).items():
                    go_on(number, self._groups_of(columns))
            if open_groups:
                bound, number, places, groups = heapq.heappop(open_groups)
                yield sign * bound, [number * RUNS_A_COLUMN + place for place in places]
                go_on(number, groups)

    def _groups_of(self, columns: dict[Key, ReadColumn | None]) -> Iterator[tuple[float, list[int]]]:
        order = columns[self._order]
        mask = self._comparing.mask(self._meaning, columns)
        return by_bound(mask, order, descending=self._descending) if order and mask else iter(())

    def _read(self, numbers: list[int]) -> dict[int, dict[Key, ReadColumn | None]]:
        found: dict[int, dict[Key, ReadColumn | None]] = {
            number: dict.fromkeys(self._keys.values()) for number in numbers
        }
        numbers = sorted(numbers)
        for begin in range(0, len(numbers), MAX_COLUMNS_A_STATEMENT):
            chunk = numbers[begin : begin + MAX_COLUMNS_A_STATEMENT]
            bound = {"key_ids": list(self._keys), "first": chunk[0], "last": chunk[-1]}
            for number, key_id, *packed in fetch(self._snapshot.connection, columns_of(self._tables), bound):
                if number in found:
                    found[number][self._keys[key_id]] = read(PackedColumn(*packed))
        return found


@remembered
def waiting_of(tables: SearchTables) -> Select[Any]:
    """Select the keys of the runs that are not in the columns."""
    return select(tables.waiting.c.run_key).limit(row_limit())


@remembered
def zones_of(tables: SearchTables) -> Select[Any]:
    """Select (number, least, largest) of the columns of key :key_id."""
    column = tables.column
    return select(column.c.number, column.c.least, column.c.largest).where(column.c.key_id == bindparam("key_id"))


@remembered
def columns_of(tables: SearchTables) -> Select[Any]:
    """Select the columns :first to :last of the keys :key_ids: number, key_id, and what is packed."""
    column = tables.column
    packed = (column.c[name] for name in PackedColumn._fields)
    statement = select(column.c.number, column.c.key_id, *packed)
    is_between = column.c.number.between(bindparam("first"), bindparam("last"))
    return statement.where(among(column.c.key_id, "key_ids"), is_between)
