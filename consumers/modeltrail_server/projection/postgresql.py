"""How rows are written to PostgreSQL: by binary COPY, at once where they are new, else beside and then merged.

New rows (events, and links, which are new with their event) are copied into their tables. Others go into a temporary
table, and one INSERT merges them with what is there.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Boolean, Connection, Double, Integer, LargeBinary, Table

from modeltrail_server.errors import PositionMovedError
from modeltrail_server.projection.batches import EventRow
from modeltrail_server.projection.merge import Merging, Rows
from modeltrail_server.projection.tables import AnyText, Tables
from modeltrail_server.projection.upserts import column_names, escaped_rows, merged_tables, on_conflict, quote

UNIQUE_VIOLATION = "23505"
_TYPE_NAMES = (
    (BigInteger, "int8"),
    (Integer, "int4"),
    (Double, "float8"),
    (Boolean, "bool"),
    (LargeBinary, "bytea"),
    (AnyText, "text"),
)


class PostgresqlWriter:
    """Writes with the driver itself. Rows arrive in key order, so transactions that meet lock in one order."""

    def insert_events(self, connection: Connection, tables: Tables, events: Sequence[EventRow]) -> list[bytes]:
        """Insert the events whose id is not there yet; return the ids that were there.

        Raises PositionMovedError when another transaction inserts one of them just now: it is there at the next try.
        """
        if not events:
            return []
        query = f"SELECT event_id FROM {quote(tables.event.name)} WHERE event_id = ANY(%b)"  # noqa: S608
        with _driver(connection).cursor(binary=True) as cursor:
            there = {row[0] for row in cursor.execute(query, ([event.event_id for event in events],))}
        new = [event for event in events if event.event_id not in there] if there else events
        self.insert_rows(connection, tables.event, new)
        return list(there)

    def insert_rows(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows whose keys are not there. Raises PositionMovedError where one was inserted meanwhile."""
        try:
            _copy(connection, table, table.name, rows)
        except Exception as error:
            if _is_race(error, table):
                raise PositionMovedError from error
            raise

    def merge_rows(self, connection: Connection, tables: Tables, rows: Rows) -> None:
        """Merge each row with the one of the same key that is there; links are inserted."""
        _copy(connection, tables.link, tables.link.name, rows.links)
        for table, merging, table_rows in merged_tables(tables, rows):
            _merge(connection, table, merging, table_rows)


def _merge(connection: Connection, table: Table, merging: Merging, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        create, merge = _statements(table, merging)
        driver = _driver(connection)
        driver.execute(create)
        _copy(connection, table, f"new_{table.name}", rows)
        driver.execute(merge)


def _copy(connection: Connection, table: Table, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Copy ``rows`` into the table ``name``, whose columns are those of ``table``."""
    if not rows:
        return
    from psycopg.types.string import BytesBinaryDumper  # the driver is loaded only where it is used

    with _driver(connection).cursor() as cursor:
        cursor.adapters.register_dumper(bytes, BytesBinaryDumper)  # the one in C; what is there stands for DB-API's
        with cursor.copy(f"COPY {quote(name)} ({column_names(table)}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(_types(table))
            for row in escaped_rows(table, rows):
                copy.write_row(row)


def _is_race(error: Any, table: Table) -> bool:
    """Return whether a row of that key was inserted meanwhile: any other rule is not ours, and stays broken."""
    return getattr(error, "sqlstate", None) == UNIQUE_VIOLATION and error.diag.constraint_name == f"{table.name}_pkey"


def _driver(connection: Connection) -> Any:
    """Return the driver's own connection: psycopg's COPY has no twin in SQLAlchemy."""
    return connection.connection.driver_connection


@lru_cache(maxsize=64)
def _statements(table: Table, merging: Merging) -> tuple[str, str]:
    """Return how the temporary table is made, and how it is merged into ``table``."""
    target, temporary, columns = quote(table.name), quote(f"new_{table.name}"), column_names(table)
    return (
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {temporary} (LIKE {target}) ON COMMIT DELETE ROWS",
        f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {temporary} {on_conflict(table, merging)}",  # noqa: S608
    )


@lru_cache(maxsize=64)
def _types(table: Table) -> tuple[str, ...]:
    return tuple(
        next(name for kind, name in _TYPE_NAMES if isinstance(column.type, kind)) for column in table.columns
    )
