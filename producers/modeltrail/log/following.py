"""Following any log without end: what comes, of partitions added meanwhile too, and through times it does not answer.

Knows the protocol only, no implementation of it. What has an end is read by ``reading``.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence

from modeltrail.errors import LogUnavailableError
from modeltrail.log.protocol import Log, Position, Reader, Record

POLL_RECORDS = 500
POLL_WAIT_MS = 500
PARTITIONS_CHECK_S = 10.0
MAX_BACKOFF_S = 30.0


def follow(
    log: Log, start: Position, *, on_waiting: Callable[[LogUnavailableError], None]
) -> Generator[Mapping[int, Sequence[Record]], None, None]:
    """Yield records from ``start`` on, by partition, for ever; none each time that POLL_WAIT_MS pass without.

    What was yielded counts as taken when the next is asked for. A log that does not answer is waited for, and
    ``on_waiting`` hears of it once. Raises OffsetOutOfRangeError, LogIdentityError.
    """
    reader: Reader | None = None
    position, partitions, look_at, failures = start, 0, 0.0, 0
    try:
        while True:
            try:
                if time.monotonic() >= look_at:
                    before, partitions = partitions, log.partitions()
                    look_at = time.monotonic() + PARTITIONS_CHECK_S
                    if reader is not None and partitions > before:
                        reader.close()
                        reader = None
                reader = reader or log.reader()
                for partition in reader.unpositioned():
                    reader.seek(partition, position[partition])
                polled = reader.poll(max_records=POLL_RECORDS, wait_ms=POLL_WAIT_MS)
            except LogUnavailableError as error:
                if not failures:
                    on_waiting(error)
                failures += 1
                time.sleep(min(MAX_BACKOFF_S, 0.1 * 2 ** min(failures, 10)))
                continue
            failures = 0
            yield polled
            for partition, records in polled.items():
                position = position.with_offset(partition, records[-1].offset + 1)
    finally:
        if reader is not None:
            reader.close()
