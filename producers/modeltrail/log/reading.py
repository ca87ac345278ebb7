"""Bounded reading over any log: the records between two positions, by partition or in one order.

Knows the protocol only, no implementation of it.
"""

import heapq
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing

from modeltrail.errors import LogUnavailableError
from modeltrail.log.protocol import Log, Position, Record

MAX_POLL_RECORDS = 5_000
WAIT_MS = 1_000
MAX_SILENCE_S = 30


class Silence:
    """For how long a log gave no record although it ends at ``end``, which the reader has not reached."""

    def __init__(self, log_name: str, end: Position) -> None:
        self._log_name, self._end = log_name, end
        self._since = time.monotonic()

    def broken(self) -> None:
        """Note that records came, and what was to be done with them is done."""
        self._since = time.monotonic()

    def check(self) -> None:
        """Raise LogUnavailableError after MAX_SILENCE_S."""
        if time.monotonic() - self._since > MAX_SILENCE_S:
            raise LogUnavailableError(
                f"{self._log_name} gave no record for {MAX_SILENCE_S} s although it ends at {self._end.format()}",
                remedy="look whether its brokers are up, then try again",
            )


def read(log: Log, start: Position, end: Position) -> Generator[Record, None, None]:
    """Yield each record from ``start`` up to, not including, ``end``: in offset order within a partition.

    Partitions come interleaved. Offsets that hold no record (what Kafka's transactions leave) are passed over. Raises
    OffsetOutOfRangeError when ``start`` is not in the log, LogUnavailableError when nothing comes for MAX_SILENCE_S
    while records are due.
    """
    due = {
        partition: (start[partition], end[partition])
        for partition in range(len(end.offsets))
        if start[partition] < end[partition]
    }
    if not due:
        return
    reader = log.reader()
    try:
        for partition, (offset, _) in due.items():
            reader.seek(partition, offset)
        silence = Silence(log.identity.name, end)
        while due:
            for partition, records in reader.poll(max_records=MAX_POLL_RECORDS, wait_ms=WAIT_MS).items():
                stop = due[partition][1] if partition in due else 0
                yield from (record for record in records if record.offset < stop)
                silence.broken()
            due = {partition: bounds for partition, bounds in due.items() if reader.position(partition) < bounds[1]}
            if due:
                silence.check()
    finally:
        reader.close()


def merged(log: Log, start: Position, end: Position) -> Iterator[Record]:
    """Yield the same records as ``read`` in one order, the same at each call with the same ``start``.

    The order is that of (running maximum of the record time within the partition, partition, offset). A record comes
    when each partition has shown its next one or has ended: no partition holds an earlier one then. Reads each
    partition with a reader of its own, so what is held in memory does not grow when one partition is far ahead.
    """
    with ExitStack() as opened:
        streams = []
        for partition in range(len(end.offsets)):
            first = Position().with_offset(partition, start[partition])
            last = Position().with_offset(partition, end[partition])
            streams.append(_in_time(opened.enter_context(closing(read(log, first, last)))))
        for _, _, record in heapq.merge(*streams, key=lambda timed: timed[:2]):
            yield record


def _in_time(records: Iterator[Record]) -> Iterator[tuple[int, int, Record]]:
    """Yield (running maximum of the time, partition, record); within a partition that ascends with the offset."""
    time_ms = 0
    for record in records:
        time_ms = max(time_ms, record.timestamp_ms)
        yield time_ms, record.partition, record
