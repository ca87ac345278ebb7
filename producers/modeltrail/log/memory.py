"""A log in memory: the twin of the others for tests and for programs that keep nothing. Not durable, one process."""

import threading
import time
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Self

from modeltrail.log.appending import MAX_RECORD_BYTES, check_sizes, choose_partition
from modeltrail.log.cursor import Cursor, check_offset
from modeltrail.log.protocol import LogIdentity, Outgoing, Position, Record


class MemoryLog:
    """A log that lives as long as this object. Safe for many threads. Closing it loses nothing."""

    def __init__(
        self, partitions: int = 1, *, name: str = "memory", max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        if partitions < 1:
            raise ValueError(f"a log has at least one partition, not {partitions}")
        self._identity = LogIdentity(topic_id=token_hex(16), name=name)
        self._max_record_bytes = max_record_bytes
        self._records: list[list[Record]] = [[] for _ in range(partitions)]
        self._starts = [0] * partitions
        self._keyless = 0
        self._last_timestamp_ms = 0
        self._groups: dict[str, list[MemoryReader]] = {}
        self._changed = threading.Condition()

    @property
    def identity(self) -> LogIdentity:
        """Return which log this is."""
        return self._identity

    def partitions(self) -> int:
        """Return the number of partitions."""
        return len(self._records)

    def append(self, records: Sequence[Outgoing], *, timeout_ms: int = 30_000) -> list[tuple[int, int]]:
        """Append all of them or none; return (partition, offset) of each. Keyless ones take turns."""
        del timeout_ms  # appending never waits
        check_sizes(records, self._max_record_bytes)
        appended = []
        with self._changed:
            self._last_timestamp_ms = max(self._last_timestamp_ms, time.time_ns() // 1_000_000)
            chosen = [self._partition_of(record) for record in records]
            for partition, record in zip(chosen, records, strict=True):
                held = self._records[partition]
                offset = self._starts[partition] + len(held)
                held.append(
                    Record(partition, offset, self._last_timestamp_ms, record.key, record.value, record.headers)
                )
                appended.append((partition, offset))
            self._changed.notify_all()
        return appended

    def reader(self, *, group: str | None = None) -> "MemoryReader":
        """Return a reader of all partitions, or of this member's share of them."""
        return MemoryReader(self, group)

    def start(self) -> Position:
        """Return the first offset still held, per partition."""
        with self._changed:
            return Position(tuple(self._starts))

    def end(self) -> Position:
        """Return the offset after the last record, per partition."""
        with self._changed:
            return Position(tuple(map(self._end_of, range(len(self._records)))))

    def forget(self, partition: int, before_offset: int) -> None:
        """Drop the records before ``before_offset``, as a topic with finite retention does."""
        with self._changed:
            dropped = min(max(0, before_offset - self._starts[partition]), len(self._records[partition]))
            del self._records[partition][:dropped]
            self._starts[partition] += dropped

    def close(self) -> None:
        """Do nothing: what is held goes when the object goes."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()

    def _partition_of(self, record: Outgoing) -> int:
        if record.partition is not None:
            if not 0 <= record.partition < len(self._records):
                raise ValueError(f"partition {record.partition} of a log with {len(self._records)}")
            return record.partition
        if record.key is not None:
            return choose_partition(record.key, len(self._records))
        self._keyless += 1
        return self._keyless % len(self._records)

    def _end_of(self, partition: int) -> int:
        return self._starts[partition] + len(self._records[partition])


class MemoryReader:
    """A cursor over a MemoryLog. One thread at a time."""

    def __init__(self, log: MemoryLog, group: str | None) -> None:
        self._log = log
        self._members = [self] if group is None else log._groups.setdefault(group, [])
        self._cursor = Cursor(() if group else range(log.partitions()))
        if group is not None:
            with log._changed:
                self._members.append(self)
                log._changed.notify_all()

    def assignment(self) -> frozenset[int]:
        """Return the partitions this reader holds now."""
        return self._cursor.assignment()

    def unpositioned(self) -> frozenset[int]:
        """Return the assigned partitions that still wait for a ``seek``."""
        return self._cursor.unpositioned()

    def seek(self, partition: int, offset: int) -> None:
        """Read ``partition`` from ``offset`` on."""
        self._cursor.seek(partition, offset)

    def position(self, partition: int) -> int:
        """Return the offset that is read next."""
        return self._cursor.position(partition)

    def poll(self, *, max_records: int, wait_ms: int) -> Mapping[int, Sequence[Record]]:
        """Return up to ``max_records`` records; empty after ``wait_ms``, or as soon as the assignment changed."""
        deadline = time.monotonic() + wait_ms / 1000
        with self._log._changed:
            while True:
                changed = self._rebalance()
                found = self._take(max_records)
                remaining_s = deadline - time.monotonic()
                if found or changed or remaining_s <= 0:
                    return found
                self._log._changed.wait(remaining_s)

    def close(self) -> None:
        """Leave the group, if any."""
        with self._log._changed:
            if self in self._members:
                self._members.remove(self)
                self._log._changed.notify_all()
        self._cursor.assign(())

    def _rebalance(self) -> bool:
        if self not in self._members:
            raise ValueError("the reader is closed")
        index, members = self._members.index(self), len(self._members)
        return self._cursor.assign(range(index, self._log.partitions(), members))

    def _take(self, max_records: int) -> dict[int, Sequence[Record]]:
        found: dict[int, Sequence[Record]] = {}
        for partition, offset in self._cursor.positioned():
            start, end = self._log._starts[partition], self._log._end_of(partition)
            check_offset(self._log.identity.name, partition, offset, start, end)
            stop = min(end, offset + max_records)
            if stop > offset:
                found[partition] = self._log._records[partition][offset - start : stop - start]
                self._cursor.advance(partition, stop)
                max_records -= stop - offset
        return found
