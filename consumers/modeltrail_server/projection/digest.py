"""The digest of the read model's state: equal wherever the same set of events was projected.

SHA-256 over the typed rows of run, entity, link, content and event, table by table in key order, read in one
snapshot. It leaves out what depends on the way the events came: positions, recorded times, dead letters, and which
payloads lost to others of the same event id.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from modeltrail.log.protocol import Position
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    LargeBinary,
    Table,
)

from modeltrail_server.projection.cycles import no_cycle_collection
from modeltrail_server.projection.generations import as_position, read_positions, reading
from modeltrail_server.projection.tables import PROJECTION_VERSION, AnyText, Tables, unescape_text
from modeltrail_server.projection.upserts import quote

EncodeColumn = Callable[[Sequence[Any]], Iterable[bytes]]

DIGEST_FORMAT = b"modeltrail read model digest 1\n"
ROWS_AT_ONCE = 2_000  # in memory
KEY_BYTES = 16
_KEY_HEAD = b"B" + KEY_BYTES.to_bytes(8, "big")
_pack_integer = struct.Struct(">cq").pack
# Of an event, what it says and not how it came.
_EVENT_COLUMNS = ("event_id", "event_time_ns", "kind", "type", "payload")


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest, and of what: two are comparable at the same positions of one log, and projection version."""

    hex: str
    position: Position
    projection_version: int
    counts: Mapping[str, int]


def compute_digest(engine: Engine) -> Digest:
    """Return the digest of the current generation. Raises what ``reading`` raises."""
    with reading(engine) as (connection, tables):
        return digest_of(connection, tables)


def digest_of(connection: Connection, tables: Tables) -> Digest:
    """Return the digest of ``tables`` as the connection's snapshot shows them; memory does not grow with them."""
    sha256, counts = hashlib.sha256(DIGEST_FORMAT), {}
    for name, table, columns in _digested(tables):
        sha256.update(encode_row((name, *(str(column.name) for column in columns))))
        counts[name] = 0
        encoders = [encoder_of(column) for column in columns]
        with no_cycle_collection():
            for rows in _stored_rows(connection, table, columns):
                sha256.update(encode_rows(rows, encoders))
                counts[name] += len(rows)
        sha256.update(encode_row((counts[name],)))
    position = as_position(read_positions(connection, tables))
    return Digest(sha256.hexdigest(), position, PROJECTION_VERSION, counts)


def encode_row(row: Sequence[Any]) -> bytes:
    """Return the one byte string that stands for ``row``: each value with its type, so that no two rows share it.

    ``R`` and the number of values (4 bytes, big-endian), then each as ``encode_value`` has it.
    """
    return b"".join([_row_head(len(row)), *map(encode_value, row)])


def encode_value(value: bytes | int | str | bool | float | None) -> bytes:
    """Return the bytes of one value.

    None: ``N``. Integer: ``I`` and 8 bytes, big-endian, two's complement. Boolean: ``F`` or ``T``. Float: ``D`` and
    its IEEE-754 bits, one NaN for all. Text: ``S``, the number of bytes (8, big-endian) and its UTF-8 bytes, lone
    surrogates as three. Bytes: ``B``, their number and they.
    """
    if isinstance(value, bytes):
        return b"B" + len(value).to_bytes(8, "big") + value
    if isinstance(value, bool):
        return b"T" if value else b"F"
    if isinstance(value, int):
        return b"I" + value.to_bytes(8, "big", signed=True)
    if isinstance(value, str):
        encoded = value.encode("utf-8", "surrogatepass")
        return b"S" + len(encoded).to_bytes(8, "big") + encoded
    if value is None:
        return b"N"
    if isinstance(value, float):
        return struct.pack(">cd", b"D", value if value == value else float("nan"))
    raise TypeError(f"a row holds no {type(value).__name__}")


def encode_rows(rows: Sequence[Sequence[Any]], encoders: Sequence[EncodeColumn]) -> bytes:
    """Return ``encode_row`` of each row, one after the other: column by column, a sixth of the time."""
    columns = (
        [encode(values) for encode, values in zip(encoders, zip(*rows, strict=True), strict=True)] if rows else []
    )
    return b"".join(chain.from_iterable(zip(repeat(_row_head(len(encoders)), len(rows)), *columns, strict=True)))


def _row_head(values: int) -> bytes:
    return struct.pack(">cI", b"R", values)


def _stored_rows(
    connection: Connection, table: Table, columns: Sequence[Column[Any]]
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Yield the rows in key order, some at a time, as the driver gives them: SQLAlchemy's rows cost as much again."""
    names, keys = (", ".join(quote(str(each.name)) for each in some) for some in (columns, table.primary_key.columns))
    driver: Any = connection.connection.driver_connection
    # PostgreSQL keeps the result, and sends what is fetched, where the cursor has a name.
    cursor = driver.cursor() if connection.dialect.name == "sqlite" else driver.cursor("digest", binary=True)
    with closing(cursor):
        cursor.execute(f"SELECT {names} FROM {quote(table.name)} ORDER BY {keys}")  # noqa: S608
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield rows


def encoder_of(column: Column[Any]) -> EncodeColumn:
    """Return what encodes values of ``column`` as the database has them."""
    if isinstance(column.type, AnyText):
        return _encode_texts
    if isinstance(column.type, LargeBinary):
        return _encode_bytes
    if isinstance(column.type, Boolean):
        return lambda values: [encode_value(bool(value)) for value in values]
    return lambda values: [b"N" if value is None else _pack_integer(b"I", value) for value in values]


def _encode_texts(values: Sequence[str]) -> Iterable[bytes]:
    known = {text: encode_value(unescape_text(text)) for text in set(values)}
    return map(known.__getitem__, values)


def _encode_bytes(values: Sequence[bytes | None]) -> Iterable[bytes]:
    return [
        _KEY_HEAD + value if value is not None and len(value) == KEY_BYTES else encode_value(value)
        for value in values
    ]


def _digested(tables: Tables) -> tuple[tuple[str, Table, Sequence[Column[Any]]], ...]:
    whole = {"run": tables.run, "entity": tables.entity, "link": tables.link, "content": tables.content}
    return (
        *((name, table, tuple(table.columns)) for name, table in whole.items()),
        ("event", tables.event, tuple(tables.event.columns[name] for name in _EVENT_COLUMNS)),
    )
