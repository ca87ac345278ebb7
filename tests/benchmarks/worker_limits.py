"""What a projector cannot be faster than, in a process of its own: LOG, or LOG DATABASE.

With LOG alone: reading and decoding its records and nothing else, whole or only what a projector needs. With
DATABASE: writing the rows that the same records become into bare tables, by COPY or executemany.
"""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from benchmarks.measuring import timed
from benchmarks.workloads import records_of
from modeltrail.log import open_log
from modeltrail_schemas.codec import decode, decode_routing
from modeltrail_server.projection.batches import decode_batch
from modeltrail_server.projection.engine import open_engine, writing
from modeltrail_server.projection.merge import fold
from modeltrail_server.projection.tables import tables_of
from sqlalchemy import Connection, Table

ROWS_OF_EVENTS = 20_000


def read_and_decode(address: str) -> dict[str, float]:
    rates: dict[str, float] = {}
    for what, each in (("read", None), ("read_routing", decode_routing), ("read_whole", decode)):
        count = 0
        with open_log(address) as log, timed() as span:
            for records in records_of(log):
                count += len(records)
                if each is not None:
                    for record in records:
                        each(record.value)
        rates[what], rates[f"{what}_cpu"] = count / span.wall_s, count / span.cpu_s
    return rates


def write_bare(address: str, database: str) -> dict[str, float]:
    """Write, a batch a transaction, into tables without keys and indexes: rows, and nothing to find or to merge."""
    engine, tables = open_engine(database), tables_of(9_999)
    bare = (tables.event, tables.run, tables.entity, tables.link, tables.content)
    with engine.begin() as connection:
        for table in bare:
            types = ", ".join(f'"{c.name}" {c.type.compile(engine.dialect)}' for c in table.columns)
            connection.exec_driver_sql(f"CREATE TABLE {table.name} ({types})")
    events, rows_written, seconds = 0, 0, 0.0
    with open_log(address) as log:
        for records in records_of(log):
            batch = decode_batch(records, first_offset=records[0].offset)
            folded = fold(decoded.event for decoded in batch.events.values())
            event_rows = [decoded.row for decoded in batch.events.values()]
            rows = (event_rows, folded.runs, folded.entities, folded.links, folded.contents)
            started = time.perf_counter()
            with writing(engine) as connection:
                for table, table_rows in zip(bare, rows, strict=True):
                    insert(connection, table, table_rows)
            seconds += time.perf_counter() - started
            events, rows_written = events + len(records), rows_written + sum(map(len, rows))
            if events >= ROWS_OF_EVENTS:
                break
    with engine.begin() as connection:
        for table in bare:
            connection.exec_driver_sql(f"DROP TABLE {table.name}")
    engine.dispose()
    return {"events_per_s": events / seconds, "rows_per_event": rows_written / events}


def insert(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        driver.executemany(f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})", rows)
        return
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types([_type_name(column.type.compile(connection.dialect)) for column in table.columns])
        for row in rows:
            copy.write_row(row)


def _type_name(compiled: str) -> str:
    names: Iterable[tuple[str, str]] = (
        ("BIGINT", "int8"),
        ("BYTEA", "bytea"),
        ("BOOLEAN", "bool"),
        ("INTEGER", "int4"),
    )
    return next((name for prefix, name in chain(names) if compiled.startswith(prefix)), "text")


if __name__ == "__main__":
    print(json.dumps(write_bare(*sys.argv[1:3]) if len(sys.argv) > 2 else read_and_decode(sys.argv[1])))
