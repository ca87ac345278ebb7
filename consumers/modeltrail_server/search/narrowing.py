"""The runs that may satisfy an expression, the best first, as the columns of the index tell: read as far as needed.

A column tells of 8,192 runs at once which of them may; what they have exactly is for others to look at. Runs whose
codes are not in the columns may always. Columns that were read before and still hold are not read again.
"""

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Select, bindparam, select

from modeltrail_server.projection.fetching import fetch_together
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.queries.statements.parts import among, remembered
from modeltrail_server.search.columns import RUNS_A_COLUMN, PackedColumn
from modeltrail_server.search.keeping import KeptColumns, Versioned
from modeltrail_server.search.masks import ReadColumn, by_bound, comparing, read
from modeltrail_server.search.meaning import Meaning, conditions_of
from modeltrail_server.search.rows import STARTED, Key
from modeltrail_server.search.statements import told_of_waiting
from modeltrail_server.search.tables import SearchTables, search_tables_of

FIRST_COLUMNS_READ = 8
MAX_COLUMNS_TOGETHER = 256
MAX_GAP = 8
"""Columns between those that are wanted are read with them, where they are no more than these."""
MAX_KEYS_READ = 10
MAX_COLUMNS_READ = 16_000
MAX_WAITING = 10_000


class Candidates:
    """The runs that may satisfy ``meaning``, by their numbers under ``order``. For one pass.

    ``complete`` turns false where the pass ended before all columns were read.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        meaning: Meaning,
        order: Key,
        *,
        descending: bool,
        told: Sequence[int],
        kept: KeptColumns,
    ) -> None:
        self._snapshot, self._tables = snapshot, search_tables_of(snapshot.tables.generation)
        self._order, self._descending, self._kept = order, descending, kept
        keys = dict.fromkeys([order, *(condition.key for condition in conditions_of(meaning))])
        self._keys = {key.id: key for key in list(keys)[:MAX_KEYS_READ]}
        self._comparing = comparing(meaning)
        self.complete = True
        waiting = told_of_waiting(self._tables, snapshot.connection.dialect.name)
        self.waiting, versions = fetch_together(
            snapshot.connection,
            [
                (waiting, {"row_limit": MAX_WAITING, "key_ids": list(told)}),
                (versions_of(self._tables), {"key_ids": list(self._keys)}),
            ],
        )
        """What the runs that are not in the columns have under the keys ``told``: each may be the best."""
        self._versions: dict[int, dict[int, int]] = {key_id: {} for key_id in self._keys}
        for key_id, number, version, _, _ in versions:
            self._versions[key_id][number] = version
        self._zones = self._best_last((row[1], row[4 if descending else 3]) for row in versions if row[0] == order.id)

    def groups(self) -> Iterator[tuple[float, list[int]]]:
        """Yield the ordinals of all others in groups, each with what no number in it or after it is better than.

        A run may be in several. A column is read when its best may be the next.
        """
        sign, zones = -1 if self._descending else 1, self._zones.copy()
        open_groups: list[tuple[float, int, list[int], Iterator[tuple[float, list[int]]]]] = []
        # The latest runs are in a few columns, the best in all.
        left, size = MAX_COLUMNS_READ, FIRST_COLUMNS_READ if self._order == STARTED else MAX_COLUMNS_TOGETHER

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
                size, left = min(2 * size, MAX_COLUMNS_TOGETHER), left - count * len(self._keys)
                for number, columns in self._read(numbers).items():
                    go_on(number, self._groups_of(columns))
            if open_groups:
                bound, number, places, groups = heapq.heappop(open_groups)
                yield sign * bound, [number * RUNS_A_COLUMN + place for place in places]
                go_on(number, groups)

    def _best_last(self, bests: Iterable[tuple[int, float | None]]) -> list[tuple[float, int]]:
        """Return the numbers of the columns, each with its best, the better the less."""
        sign = -1 if self._descending else 1
        return sorted(((-math.inf if best is None else sign * best, number) for number, best in bests), reverse=True)

    def _groups_of(self, columns: dict[Key, ReadColumn | None]) -> Iterator[tuple[float, list[int]]]:
        order = columns[self._order]
        mask = self._comparing.mask(columns)
        return by_bound(mask, order, descending=self._descending) if order and mask else iter(())

    def _read(self, numbers: Sequence[int]) -> dict[int, dict[Key, ReadColumn | None]]:
        """Return the columns of these numbers: what is kept and still holds, and the rest as it is read and kept."""
        there: dict[int, dict[int, ReadColumn]] = {}
        missing: dict[int, list[int]] = {}
        for key_id, versions in self._versions.items():
            wanted = {number: versions[number] for number in numbers if number in versions}
            there[key_id] = self._kept.of_versions(key_id, wanted)
            if len(there[key_id]) < len(wanted):
                missing[key_id] = list(wanted.keys() - there[key_id].keys())
        for key_id, new in self._fetched(missing).items():
            self._kept.keep(key_id, new)
            there[key_id] |= {number: versioned.column for number, versioned in new.items()}
        by_key = [(key, there[key_id]) for key_id, key in self._keys.items()]
        return {number: {key: columns.get(number) for key, columns in by_key} for number in numbers}

    def _fetched(self, missing: Mapping[int, Iterable[int]]) -> dict[int, dict[int, Versioned]]:
        """Return the columns of these numbers, by the numbers of their keys, and those between."""
        statement = columns_of(self._tables)
        asked = [
            (statement, {"key_id": key_id, "first": first, "last": last})
            for key_id, numbers in missing.items()
            for first, last in _stretches(numbers)
        ]
        found: dict[int, dict[int, Versioned]] = {}
        for key_id, number, *packed in chain.from_iterable(fetch_together(self._snapshot.connection, asked)):
            column = PackedColumn(*packed)
            found.setdefault(key_id, {})[number] = Versioned(column.version, read(column))
        return found


def _stretches(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of the numbers that lie together."""
    ordered = sorted(numbers)
    first = last = ordered[0]
    for number in ordered[1:]:
        if number > last + MAX_GAP:
            yield first, last
            first = number
        last = number
    yield first, last


@remembered
def versions_of(tables: SearchTables) -> Select[Any]:
    """Select (key_id, number, version, least, largest) of all columns of the keys :key_ids."""
    column = tables.column
    told = (column.c.key_id, column.c.number, column.c.version, column.c.least, column.c.largest)
    return select(*told).where(among(column.c.key_id, "key_ids"))


@remembered
def columns_of(tables: SearchTables) -> Select[Any]:
    """Select the columns :first to :last of the key :key_id: key_id, number, and what is packed."""
    column = tables.column
    packed = (column.c[name] for name in PackedColumn._fields)
    is_between = column.c.number.between(bindparam("first"), bindparam("last"))
    return select(column.c.key_id, column.c.number, *packed).where(column.c.key_id == bindparam("key_id"), is_between)
