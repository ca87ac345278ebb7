"""Keeps the columns of the search index: runs that changed wait until they are some hundreds, then get their codes.

Within the transaction that writes their values. What waits has no codes that count: a search looks at each.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from modeltrail_server.projection.writing import Writer
from modeltrail_server.queries.fetched import chunks
from modeltrail_server.search.columns import RUNS_A_COLUMN, Column, PackedColumn, column_for, pack, unpack
from modeltrail_server.search.rows import ENDED, STARTED, Values
from modeltrail_server.search.spans import NOT_COMPARED
from modeltrail_server.search.spans import RISING as SPANS_RISING
from modeltrail_server.search.tables import SearchTables

MIN_RUNS_CODED = 256
KEYS_A_STATEMENT = 500
RISING = frozenset({STARTED.id, ENDED.id}) | SPANS_RISING
"""Keys whose numbers rise from run to run."""
_Values = list[tuple[str, float | None]]
_Told = dict[int, _Values]
"""The values of a run (text, number), by the number of their key."""
_Placed = dict[int, list[tuple[int, _Values]]]
"""By the number of a key, the runs of one column: their places and values."""


def code_changed(connection: Connection, writer: Writer, tables: SearchTables, found: Mapping[bytes, Values]) -> None:
    """Let the runs ``found`` wait for their codes; give all that wait theirs where they are many."""
    waiting = set(connection.scalars(select(tables.waiting.c.run_key)))
    new = [key for key in found if key not in waiting]
    if len(waiting) + len(new) < MIN_RUNS_CODED:
        if new:
            connection.execute(insert(tables.waiting), [{"run_key": key} for key in new])
        return
    told: dict[bytes, _Told] = {
        run_key: {key.id: each for key, each in values.by_key.items()} for run_key, values in found.items()
    }
    told |= _told_of(connection, tables, waiting - found.keys())
    connection.execute(delete(tables.waiting))
    _Coding(connection, writer, tables, told).run()


def _told_of(connection: Connection, tables: SearchTables, keys: Collection[bytes]) -> dict[bytes, _Told]:
    value, told = tables.value, {key: _Told() for key in keys}
    columns = (value.c.run_key, value.c.key_id, value.c.text, value.c.number)
    for chunk in chunks(keys, KEYS_A_STATEMENT):
        for row in connection.execute(select(*columns).where(value.c.run_key.in_(chunk))):
            told[row[0]].setdefault(row[1], []).append((row[2], row[3]))
    return told


class _Coding:
    """Runs that get their codes: which column each is in, at which place, and what it has under each key."""

    def __init__(
        self, connection: Connection, writer: Writer, tables: SearchTables, told: Mapping[bytes, _Told]
    ) -> None:
        self.connection, self.writer, self.tables, self.told = connection, writer, tables, told
        self.coded_before = self._ordinals()
        self.by_number: dict[int, _Placed] = {}
        for run_key, ordinal in (self.coded_before | self._new_ordinals()).items():
            placed = self.by_number.setdefault(ordinal // RUNS_A_COLUMN, {})
            for key_id, values in told[run_key].items():
                if key_id not in NOT_COMPARED:
                    placed.setdefault(key_id, []).append((ordinal % RUNS_A_COLUMN, values))

    def run(self) -> None:
        """Write the codes."""
        again: dict[int, list[int]] = {}
        for ordinal in self.coded_before.values():
            again.setdefault(ordinal // RUNS_A_COLUMN, []).append(ordinal % RUNS_A_COLUMN)
        column = self.tables.column
        for number, placed in self.by_number.items():
            keys = set(placed)
            if number in again:  # these may have had other keys before
                keys.update(self.connection.scalars(select(column.c.key_id).where(column.c.number == number)))
            for chunk in chunks(sorted(keys), KEYS_A_STATEMENT):
                self._write(number, chunk, again.get(number, ()))

    def _write(self, number: int, keys: Sequence[int], again: Iterable[int]) -> None:
        """Write the codes of these keys in the columns of one number; first those at the places ``again`` go."""
        table, placed = self.tables.column, self.by_number[number]
        packed = (table.c[name] for name in PackedColumn._fields)
        among = (table.c.number == number) & table.c.key_id.in_(keys)
        rows = self.connection.execute(select(table.c.key_id, *packed).where(among)).all()
        there = {row[0]: unpack(PackedColumn(*row[1:])) for row in rows}
        for place in again:
            for column in there.values():
                column.clear(place)
        columns = {key_id: there.get(key_id) or self._new_column(key_id) for key_id in keys}
        for key_id in RISING & columns.keys():
            told = (number for _, values in placed.get(key_id, ()) for _, number in values)
            columns[key_id].extend(number for number in told if number is not None)
        for key_id, column in columns.items():
            for place, values in placed.get(key_id, ()):
                column.put(place, values)
        changed = {key_id: pack(column) for key_id, column in columns.items() if column.is_changed}
        if old := [key_id for key_id in changed if key_id in there]:
            self.connection.execute(delete(table).where((table.c.number == number) & table.c.key_id.in_(old)))
        rows_now = [(key_id, number, *column) for key_id, column in changed.items()]
        self.writer.insert_rows(self.connection, table, rows_now)

    def _new_column(self, key_id: int) -> Column:
        """Return a column for such values as these runs have, wherever they are."""
        if key_id in RISING:
            return Column()
        told = (values for placed in self.by_number.values() for _, values in placed.get(key_id, ()))
        values = [value for own in told for value in own]
        numbers = (number for _, number in values if number is not None)
        return column_for(numbers, (text for text, number in values if number is None))

    def _ordinals(self) -> dict[bytes, int]:
        """Return the ordinals of those that were coded before."""
        run, found = self.tables.run, dict[bytes, int]()
        for chunk in chunks(self.told, KEYS_A_STATEMENT):
            rows: Any = self.connection.execute(select(run.c.run_key, run.c.ordinal).where(run.c.run_key.in_(chunk)))
            found |= {row[0]: row[1] for row in rows}
        return found

    def _new_ordinals(self) -> dict[bytes, int]:
        """Return the next ordinals for all others, and note them."""
        run = self.tables.run
        last = self.connection.scalar(select(func.max(run.c.ordinal)))
        new = sorted((key for key in self.told if key not in self.coded_before), key=self._begun)
        rows = list(enumerate(new, 0 if last is None else last + 1))
        self.writer.insert_rows(self.connection, run, rows)
        return {run_key: ordinal for ordinal, run_key in rows}

    def _begun(self, run_key: bytes) -> tuple[float, bytes]:
        """Return what a run is ordered by: runs of about one time come into one column."""
        ((_, begun),) = self.told[run_key][STARTED.id]
        return begun or 0, run_key
