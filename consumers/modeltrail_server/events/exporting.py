"""The log's events as files: OpenLineage JSON lines, or one Avro object container file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import fastavro
from modeltrail.log.protocol import Log, Position, Record
from modeltrail.log.reading import read
from modeltrail_schemas.codec import decode
from modeltrail_schemas.errors import InvalidEventError
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.openlineage.writing import write
from modeltrail_schemas.records import dumper
from modeltrail_schemas.versions import current_version

from modeltrail_server.events.documents import to_one_line


@dataclass
class Export:
    """How many events were written; how many records were repetitions of one, and how many no event at all."""

    events: int = 0
    repetitions: int = 0
    unreadable: int = 0


Writer = Callable[[Iterator[LineageEvent], BinaryIO], None]


def export_events(log: Log, target: BinaryIO, writer: Writer) -> Export:
    """Write each event that ``log`` holds now, once, in log order; return the counts.

    Holds 16 bytes for each event to tell repetitions. Raises UnknownSchemaError, LogUnavailableError.
    """
    result = Export()
    writer(_events(read(log, log.start(), log.end()), result), target)
    return result


def write_json_lines(events: Iterator[LineageEvent], target: BinaryIO) -> None:
    """Write one OpenLineage document a line; one that came over several lines loses only the breaks."""
    for event in events:
        target.write(json_line(event))


def write_avro(events: Iterator[LineageEvent], target: BinaryIO) -> None:
    """Write an Avro object container file (Avro 1.12) with the current schema."""
    dump = dumper(LineageEvent)
    fastavro.writer(target, current_version().parsed, (dump(event) for event in events), codec="deflate")


def json_line(event: LineageEvent) -> bytes:
    """Return the event as one line of OpenLineage JSON, with its line break."""
    return to_one_line(write(event).decode("utf-8")).encode("utf-8") + b"\n"


WRITERS: dict[str, Writer] = {"openlineage": write_json_lines, "avro": write_avro}


def _events(records: Iterator[Record], result: Export) -> Iterator[LineageEvent]:
    seen: set[bytes] = set()
    for record in records:
        try:
            event = decode(record.value)
        except InvalidEventError:
            result.unreadable += 1
            continue
        if event.event_id in seen:
            result.repetitions += 1
            continue
        seen.add(event.event_id)
        result.events += 1
        yield event


def positions_of_last(log: Log, records: int) -> Position:
    """Return where the last ``records`` offsets of each partition begin."""
    start, end = log.start(), log.end()
    return Position(tuple(max(start[p], end[p] - records) for p in range(log.partitions())))
