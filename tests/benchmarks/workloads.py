"""Logs full of a generated history, made once, and streamed: a million runs never lie in memory."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from benchmarks.histories import generate
from modeltrail.log.embedded import EmbeddedLog
from modeltrail.log.protocol import Log, Outgoing, Record
from modeltrail_schemas.codec import encode

SEED = 20_260_301
APPENDED_AT_ONCE = 2_000
READ_AT_ONCE = 4_000


def fill(log: Log, runs: int) -> int:
    """Append the history of ``runs`` runs, keyed by run; return how many records that were."""
    events, count = generate(SEED, runs), 0
    while chunk := list(islice(events, APPENDED_AT_ONCE)):
        log.append([Outgoing(encode(event), key=(event.run_id or "-").encode()) for event in chunk])
        count += len(chunk)
    return count


def embedded_history(folder: Path, runs: int) -> Path:
    """Return an embedded log in ``folder`` with the history of ``runs`` runs, made at the first call."""
    path = folder / f"history-{runs}.db"
    if not path.exists():
        with EmbeddedLog(path) as log:
            fill(log, runs)
    return path


def records_of(log: Log) -> Iterator[Sequence[Record]]:
    """Yield all records, as a projector would read them."""
    reader, end = log.reader(), log.end()
    try:
        for partition in reader.unpositioned():
            reader.seek(partition, 0)
        left = sum(end.offsets)
        while left > 0:
            for records in reader.poll(max_records=READ_AT_ONCE, wait_ms=100).values():
                left -= len(records)
                yield records
    finally:
        reader.close()
