"""One transaction of the projection: the position moves, events are inserted, what they say is merged.

How rows get into the tables is the writers' part; nothing else differs between databases.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, Engine, Table, insert, update

from modeltrail_server.errors import PositionMovedError
from modeltrail_server.projection import conflicts
from modeltrail_server.projection.batches import Batch, EventRow
from modeltrail_server.projection.merge import Rows, fold
from modeltrail_server.projection.postgresql import PostgresqlWriter
from modeltrail_server.projection.sqlite import SqliteWriter
from modeltrail_server.projection.tables import Tables
from modeltrail_server.projection.upserts import insert_unless_there


class Written(NamedTuple):
    """How many events of a batch were new, how many records repeated an event, how many contradicted one."""

    new_events: int
    duplicates: int
    conflicts: int


class Writer(Protocol):
    """Writes into the tables of one generation, inside the caller's transaction.

    The methods take rows in key order, no key twice, and leave the transaction open.
    """

    def insert_events(self, connection: Connection, tables: Tables, events: Sequence[EventRow]) -> list[bytes]:
        """Insert the events whose id is not there yet; return the ids that were there. Raises PositionMovedError."""
        ...

    def insert_rows(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows whose keys are not there, in any order. Raises PositionMovedError where one is meanwhile."""
        ...

    def merge_rows(self, connection: Connection, tables: Tables, rows: Rows) -> None:
        """Merge each row with the one of the same key that is there, as merge.py says; links are new."""
        ...


def writer_for(engine: Engine) -> Writer:
    """Return the writer of ``engine``'s database."""
    return PostgresqlWriter() if engine.dialect.name == "postgresql" else SqliteWriter()


def move_position(connection: Connection, tables: Tables, batch: Batch, expected: int | None) -> None:
    """Move the partition's position from ``expected`` (None: no record of it was ever read) past the batch.

    Raises PositionMovedError when it is not there.
    """
    position = tables.position
    values = {"next_offset": batch.next_offset, "recorded_ms": batch.recorded_ms}
    if expected is None:
        statement = insert_unless_there(connection, position).values(partition=batch.partition, **values)
        moved = connection.execute(statement.execution_options(preserve_rowcount=True)).rowcount
    else:
        is_expected = (position.c.partition == batch.partition) & (position.c.next_offset == expected)
        moved = connection.execute(update(position).values(values).where(is_expected)).rowcount
    if moved != 1:
        raise PositionMovedError


def write_batch(connection: Connection, writer: Writer, tables: Tables, batch: Batch) -> Written:
    """Write the batch, all but the position."""
    standing = list(batch.events.values())
    rows = sorted(decoded.row for decoded in standing)
    ids_there = writer.insert_events(connection, tables, rows)
    duplicates, conflicting = batch.duplicates, list(batch.conflicts)
    replaced: list[Rows] = []
    if ids_there:
        standing, replaced, more, repeated = conflicts.resolve(connection, tables, batch, ids_there)
        duplicates, conflicting = duplicates + repeated + len(more), conflicting + more
    writer.merge_rows(connection, tables, fold(decoded.event for decoded in standing))
    if replaced:
        conflicts.mend(connection, tables, replaced)
    if conflicting:
        conflicts.report(connection, tables, conflicting)
    if batch.dead_letters:
        connection.execute(insert(tables.dead_letter), [letter._asdict() for letter in batch.dead_letters])
    return Written(len(rows) - len(ids_there), duplicates, len(conflicting))
