"""The digest of the read model's state: equal wherever the same set of events was projected.

SHA-256 over the typed rows of run, entity, link, content and event, table by table in key order, read in one
snapshot. It leaves out what depends on the way the events came: positions, recorded times, dead letters, and which
payloads lost to others of the same event id.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modeltrail.log.protocol import Position
from sqlalchemy import Column, Connection, Engine, Table, select

from modeltrail_server.projection.generations import as_position, read_positions, reading
from modeltrail_server.projection.tables import PROJECTION_VERSION, Tables

DIGEST_FORMAT = b"modeltrail read model digest 1\n"
_IN_PARTS = {"yield_per": 2_000}  # rows in memory at once
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
        query = select(*columns).order_by(*table.primary_key.columns)
        with connection.execute(query, execution_options=_IN_PARTS) as result:
            for rows in result.partitions():
                sha256.update(encode_rows(rows))
                counts[name] += len(rows)
        sha256.update(encode_row((counts[name],)))
    position = as_position(read_positions(connection, tables))
    return Digest(sha256.hexdigest(), position, PROJECTION_VERSION, counts)


def encode_rows(rows: Iterable[Sequence[Any]]) -> bytes:
    """Return the rows' bytes, one after the other."""
    return b"".join(map(encode_row, rows))


def encode_row(row: Sequence[Any]) -> bytes:
    """Return the one byte string that stands for ``row``: each value with its type, so that no two rows share it.

    None: ``N``. Integer: ``I`` and 8 bytes, big-endian, two's complement. Boolean: ``F`` or ``T``. Float: ``D`` and
    its IEEE-754 bits, one NaN for all. Text: ``S``, the number of bytes (8, big-endian) and its UTF-8 bytes, lone
    surrogates as three. Bytes: ``B``, their number and they.
    """
    parts: list[bytes] = [struct.pack(">cI", b"R", len(row))]
    for value in row:
        kind = type(value)
        if kind is bytes:
            parts += (b"B", len(value).to_bytes(8, "big"), value)
        elif kind is int:
            parts += (b"I", value.to_bytes(8, "big", signed=True))
        elif kind is str:
            encoded = value.encode("utf-8", "surrogatepass")
            parts += (b"S", len(encoded).to_bytes(8, "big"), encoded)
        elif value is None:
            parts.append(b"N")
        elif kind is bool:
            parts.append(b"T" if value else b"F")
        elif kind is float:
            parts.append(struct.pack(">cd", b"D", value if value == value else float("nan")))
        else:
            raise TypeError(f"a row holds no {kind.__name__}")
    return b"".join(parts)


def _digested(tables: Tables) -> tuple[tuple[str, Table, Sequence[Column[Any]]], ...]:
    whole = {"run": tables.run, "entity": tables.entity, "link": tables.link, "content": tables.content}
    return (
        *((name, table, tuple(table.columns)) for name, table in whole.items()),
        ("event", tables.event, tuple(tables.event.columns[name] for name in _EVENT_COLUMNS)),
    )
