"""How rows are written to SQLite: one prepared upsert for each table, run over all rows. Nothing else differs."""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Connection, Table

from modeltrail_server.projection.batches import EventRow
from modeltrail_server.projection.merge import Rows
from modeltrail_server.projection.tables import Tables
from modeltrail_server.projection.upserts import (
    column_names,
    escaped_rows,
    merged_tables,
    on_conflict,
    quote,
)

INSERT = ""
# Of that id only: to break another rule must not pass unseen.
INSERT_NEW = "ON CONFLICT (event_id) DO NOTHING"


class SqliteWriter:
    """Writes with the driver itself: SQLAlchemy's way of many rows costs three times as much."""

    def insert_events(self, connection: Connection, tables: Tables, events: Sequence[EventRow]) -> list[bytes]:
        """Insert the events whose id is not there yet; return the ids that were there."""
        driver, table = _driver(connection), quote(tables.event.name)
        (last_row,) = driver.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}").fetchone()  # noqa: S608
        if _run(connection, tables.event, INSERT_NEW, events) == len(events):
            return []
        # The index on event_id holds the row's number too, and what was there before has a lower one.
        query = f"SELECT event_id FROM {table} WHERE event_id = ? AND rowid <= ?"  # noqa: S608
        found = (driver.execute(query, (event.event_id, last_row)).fetchone() for event in events)
        return [row[0] for row in found if row is not None]

    def insert_rows(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows whose keys are not there."""
        _run(connection, table, INSERT, rows)

    def merge_rows(self, connection: Connection, tables: Tables, rows: Rows) -> None:
        """Merge each row with the one of the same key that is there; links are inserted."""
        _run(connection, tables.link, INSERT, rows.links)  # new, as their events are
        for table, merging, table_rows in merged_tables(tables, rows):
            _run(connection, table, on_conflict(table, merging), table_rows)


def _run(connection: Connection, table: Table, conflict: str, rows: Sequence[tuple[Any, ...]]) -> int:
    cursor = _driver(connection).executemany(_statement(table, conflict), escaped_rows(table, rows))
    return cursor.rowcount if rows else 0


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.driver_connection)


@lru_cache(maxsize=64)
def _statement(table: Table, conflict: str) -> str:
    places = ", ".join("?" for _ in table.columns)
    values = f"INSERT INTO {quote(table.name)} ({column_names(table)}) VALUES ({places})"  # noqa: S608
    return f"{values} {conflict}"
