"""From a time to positions in the log, once for an answer: what was recorded by then is what lies before them."""

from dataclasses import dataclass, replace

from modeltrail.log.protocol import Position
from sqlalchemy import Connection

from modeltrail_server.projection.fetching import fetch
from modeltrail_server.projection.tables import Tables
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.statements import events

# Record times of a partition hardly ever run back (a broker's clock after a change of leader), and then not for long.
MAX_RECORDS_OUT_OF_ORDER = 10_000


@dataclass(frozen=True, slots=True)
class Moment:
    """A bound by positions. ``known_until_ms``: the read model ends there, before what was asked for; else None."""

    as_of: AsOf
    known_until_ms: int | None = None


def resolve_as_of(connection: Connection, tables: Tables, as_of: AsOf) -> Moment:
    """Return ``as_of`` with its record time as positions.

    In each partition that is the first offset whose record time, or that of any record before it, exceeds the time.
    """
    projected = fetch(connection, events.positions(tables), {})
    if as_of.recorded_ms is None:
        asked = as_of.position.offsets if as_of.position else ()
        short = [row for row in projected if row[0] < len(asked) and row[1] < asked[row[0]]]
        missing = any(
            offset and partition not in {row[0] for row in projected} for partition, offset in enumerate(asked)
        )
        known_until_ms = min((row[2] for row in short), default=0 if missing else None)
        return Moment(as_of, known_until_ms)
    offsets = {
        partition: _first_offset_after(connection, tables, partition, as_of.recorded_ms, next_offset)
        for partition, next_offset, _ in projected
    }
    position = Position(tuple(offsets.get(partition, 0) for partition in range(max(offsets, default=-1) + 1)))
    short_ms = [recorded_ms for _, _, recorded_ms in projected if recorded_ms < as_of.recorded_ms]
    return Moment(replace(as_of, recorded_ms=None, position=position), min(short_ms, default=None))


def _first_offset_after(
    connection: Connection, tables: Tables, partition: int, recorded_ms: int, next_offset: int
) -> int:
    bound: dict[str, object] = {
        "partition": partition,
        "recorded_ms": recorded_ms,
        "row_limit": MAX_RECORDS_OUT_OF_ORDER,
    }
    rows = fetch(connection, events.first_offset_after(tables), bound)
    return next_offset if rows[0][0] is None else int(rows[0][0])
