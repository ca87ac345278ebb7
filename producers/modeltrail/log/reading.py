"""Bounded reading over any log: the records between two positions, partition by partition. Pure over the protocol."""

from collections.abc import Iterator

from modeltrail.errors import LogUnavailableError
from modeltrail.log.protocol import Log, Position, Record

MAX_POLL_RECORDS = 5_000
WAIT_MS = 1_000
MAX_EMPTY_WAITS = 30


def read(log: Log, start: Position, end: Position) -> Iterator[Record]:
    """Yield each record from ``start`` up to, not including, ``end``: in offset order within a partition.

    Partitions come interleaved. Offsets that hold no record (Kafka's transaction markers) are passed over. Raises
    OffsetOutOfRangeError when ``start`` is not in the log, LogUnavailableError when nothing comes for
    MAX_EMPTY_WAITS x WAIT_MS while records are due.
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
        empty_waits = 0
        while due:
            polled = reader.poll(max_records=MAX_POLL_RECORDS, wait_ms=WAIT_MS)
            empty_waits = 0 if polled else empty_waits + 1
            for partition, records in polled.items():
                stop = due[partition][1] if partition in due else 0
                yield from (record for record in records if record.offset < stop)
                if records[-1].offset + 1 >= stop:
                    due.pop(partition, None)
            if empty_waits >= MAX_EMPTY_WAITS:
                waited_s = MAX_EMPTY_WAITS * WAIT_MS // 1000
                raise LogUnavailableError(
                    f"{log.identity.name} gave no record for {waited_s} s although it ends at {end.format()}",
                    remedy="look whether its brokers are up, then try again",
                )
    finally:
        reader.close()
