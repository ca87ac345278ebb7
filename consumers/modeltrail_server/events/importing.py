"""OpenLineage documents into the log: what can be read is kept, the rest is named with its reason."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from modeltrail.errors import RecordTooLargeError
from modeltrail.log.protocol import Log, Outgoing
from modeltrail_schemas.codec import encode
from modeltrail_schemas.errors import InvalidEventError
from modeltrail_schemas.identity import partition_key
from modeltrail_schemas.openlineage.reading import read

from modeltrail_server.events.documents import Document, Refusal, decode, split

MAX_BATCH_RECORDS = 1_000
MAX_BATCH_BYTES = 4 * 1024 * 1024


@dataclass
class Import:
    """What became of a file: how many documents the log now holds, and what was refused, in order."""

    accepted: int = 0
    refusals: list[Refusal] = field(default_factory=list)


def import_events(source: BinaryIO, log: Log) -> Iterator[Import]:
    """Append the documents of ``source`` to ``log``; yield the same growing result after each batch, and at the end.

    A file of JSON lines is read line by line; any other is read whole. Raises LogUnavailableError (what was
    accepted before is in the log; importing the file again adds nothing twice: an event's id is that of its content).
    """
    result = Import()
    batch: list[tuple[int, Outgoing]] = []
    size_bytes = 0
    for piece in documents(source):
        record = _record(piece) if isinstance(piece, Document) else piece
        if isinstance(record, Refusal):
            result.refusals.append(record)
            continue
        batch.append((piece.line, record))
        size_bytes += len(record.value)
        if len(batch) >= MAX_BATCH_RECORDS or size_bytes >= MAX_BATCH_BYTES:
            _append(log, batch, result)
            batch, size_bytes = [], 0
            yield result
    _append(log, batch, result)
    yield result


def documents(source: BinaryIO) -> Iterator[Document | Refusal]:
    """Yield what ``source`` holds, line by line in bounded memory as long as each line holds whole documents.

    From the first line that does not (an array, a document over several lines, an error) the rest is read at once.
    """
    number = 0
    while line := source.readline():
        number += 1
        pieces = pieces_of(line, number)
        if any(isinstance(piece, Refusal) for piece in pieces):
            yield from pieces_of(line + source.read(), number)
            return
        yield from pieces


def pieces_of(data: bytes, line: int) -> list[Document | Refusal]:
    """Return what ``data`` holds, which begins on ``line`` of its file."""
    return [piece._replace(line=line + piece.line - 1) for piece in split(decode(data))]


def _record(document: Document) -> Outgoing | Refusal:
    try:
        event = read(document.text.encode("utf-8"))
        return Outgoing(encode(event), partition_key(event))
    except InvalidEventError as error:
        return Refusal(document.line, 0, str(error))


def _append(log: Log, batch: Iterable[tuple[int, Outgoing]], result: Import) -> None:
    lines, records = [line for line, _ in batch], [record for _, record in batch]
    try:
        log.append(records)
        result.accepted += len(records)
    except RecordTooLargeError:
        # One of them can never be taken; the log may have some of the others already, which does no harm.
        for line, record in zip(lines, records, strict=True):
            try:
                log.append([record])
                result.accepted += 1
            except RecordTooLargeError as error:
                result.refusals.append(Refusal(line, 0, str(error)))
