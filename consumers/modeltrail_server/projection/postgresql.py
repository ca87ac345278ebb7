"""How rows are written to PostgreSQL: binary COPY into a temporary table, then one merging INSERT for each table."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Boolean, Connection, Integer, LargeBinary, Table

from modeltrail_server.projection.batches import EventRow
from modeltrail_server.projection.merge import Merging, Rows
from modeltrail_server.projection.tables import AnyText, Tables
from modeltrail_server.projection.upserts import (
    NO_MERGING,
    column_names,
    escaped_rows,
    merged_tables,
    on_conflict,
    quote,
)

_TYPE_NAMES = ((BigInteger, "int8"), (Integer, "int4"), (Boolean, "bool"), (LargeBinary, "bytea"), (AnyText, "text"))


class PostgresqlWriter:
    """Writes with the driver itself. Rows arrive in key order, so transactions that meet lock in one order."""

    def insert_events(self, connection: Connection, tables: Tables, events: Sequence[EventRow]) -> list[bytes]:
        """Insert the events whose id is not there yet; return the ids that were there."""
        if _run(connection, tables.event, NO_MERGING, events) == len(events):
            return []
        target, temporary = quote(tables.event.name), quote(f"new_{tables.event.name}")
        query = (
            f"SELECT event_id FROM {target} there JOIN {temporary} new USING (event_id) "  # noqa: S608
            f"WHERE (there.partition, there.{quote('offset')}) <> (new.partition, new.{quote('offset')})"
        )
        return [bytes(row[0]) for row in _driver(connection).execute(query)]

    def merge_rows(self, connection: Connection, tables: Tables, rows: Rows) -> None:
        """Merge each row with the one of the same key that is there; links are inserted."""
        for table, merging, table_rows in merged_tables(tables, rows):
            _run(connection, table, merging, table_rows)


def _run(connection: Connection, table: Table, merging: Merging, rows: Sequence[tuple[Any, ...]]) -> int:
    if not rows:
        return 0
    create, copy_in, merge = _statements(table, merging)
    with _driver(connection).cursor() as cursor:
        cursor.execute(create)
        _copy(cursor, copy_in, _types(table), escaped_rows(table, rows))
        cursor.execute(merge)
        return int(cursor.rowcount)


def _driver(connection: Connection) -> Any:
    """Return the driver's own connection: psycopg's COPY has no twin in SQLAlchemy."""
    return connection.connection.driver_connection


def _copy(cursor: Any, statement: str, types: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    with cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


@lru_cache(maxsize=64)
def _statements(table: Table, merging: Merging) -> tuple[str, str, str]:
    """Return how the temporary table is made, filled, and merged into ``table``."""
    target, temporary, columns = quote(table.name), quote(f"new_{table.name}"), column_names(table)
    return (
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {temporary} (LIKE {target}) ON COMMIT DELETE ROWS",
        f"COPY {temporary} ({columns}) FROM STDIN (FORMAT BINARY)",
        f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {temporary} {on_conflict(table, merging)}",  # noqa: S608
    )


@lru_cache(maxsize=64)
def _types(table: Table) -> tuple[str, ...]:
    return tuple(
        next(name for kind, name in _TYPE_NAMES if isinstance(column.type, kind)) for column in table.columns
    )
