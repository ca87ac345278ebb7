"""The log as everyone sees it: append, read from a position, end position, identity. Bytes in, bytes out.

Three implementations (memory, embedded, Kafka) pass one conformance suite, tests/modeltrail/log/.
This module imports no I/O and knows nothing of events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to append. ``partition`` None lets the log choose by ``key`` (murmur2, as Kafka does)."""

    value: bytes
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the log holds it. ``timestamp_ms`` is when the log took it (Kafka: LogAppendTime), UTC."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """Which log this is. ``topic_id`` is made anew when a log is created, so a recreated log differs."""

    topic_id: str
    name: str


@dataclass(frozen=True, slots=True, order=False)
class Position:
    """How far a reader got: the next offset to read, per partition (index = partition). Absent means 0.

    Text form: ``0:412,1:300``, partitions ascending, zeros left out; the empty position is ``-``.
    """

    offsets: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Normalise: trailing zeros mean nothing, so equal positions compare equal."""
        end = len(self.offsets)
        while end and self.offsets[end - 1] == 0:
            end -= 1
        if end != len(self.offsets):
            object.__setattr__(self, "offsets", self.offsets[:end])

    def __getitem__(self, partition: int) -> int:
        """Return the next offset of ``partition``."""
        return self.offsets[partition] if partition < len(self.offsets) else 0

    def with_offset(self, partition: int, offset: int) -> "Position":
        """Return a copy in which the next offset of ``partition`` is ``offset``."""
        offsets = list(self.offsets) + [0] * (partition + 1 - len(self.offsets))
        offsets[partition] = offset
        return Position(tuple(offsets))

    def covers(self, other: "Position") -> bool:
        """Return whether a reader at this position has read everything that ``other`` had."""
        return all(self[partition] >= offset for partition, offset in enumerate(other.offsets))

    def records_behind(self, end: "Position") -> int:
        """Return how many offsets lie between this position and ``end``; never negative."""
        return sum(max(0, offset - self[partition]) for partition, offset in enumerate(end.offsets))

    def format(self) -> str:
        """Return the text form."""
        parts = [f"{partition}:{offset}" for partition, offset in enumerate(self.offsets) if offset]
        return ",".join(parts) or "-"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Return the position that ``format`` wrote. Raises ValueError on anything else."""
        position = cls()
        if text == "-":
            return position
        for part in text.split(","):
            partition, offset = part.split(":")
            if not (partition.isdecimal() and offset.isdecimal()):
                raise ValueError(f"not a position: {text!r}")
            position = position.with_offset(int(partition), int(offset))
        return position


class Reader(Protocol):
    """A cursor over a log: the partitions it is given, each read from where its owner says.

    A reader delivers nothing of a partition before ``seek`` was called for it *since it was assigned*: the
    owner, not the log, keeps positions. Within a partition records come in offset order, none twice between
    two seeks.
    """

    def assignment(self) -> frozenset[int]:
        """Return the partitions this reader holds now. Changes only inside ``poll``."""
        ...

    def unpositioned(self) -> frozenset[int]:
        """Return the assigned partitions that still wait for a ``seek``."""
        ...

    def seek(self, partition: int, offset: int) -> None:
        """Read ``partition`` from ``offset`` on. Ignored when the partition is no longer assigned."""
        ...

    def position(self, partition: int) -> int:
        """Return the offset that is read next: that of ``seek``, then the one after what was delivered.

        Offsets found to hold no record (Kafka's transaction markers) are passed. 0 where nothing was sought.
        """
        ...

    def poll(self, *, max_records: int, wait_ms: int) -> Mapping[int, Sequence[Record]]:
        """Return up to ``max_records`` records by partition; empty after ``wait_ms`` without any.

        Raises LogUnavailableError (retry), OffsetOutOfRangeError (an owner's position is not in the log).
        """
        ...

    def close(self) -> None:
        """Leave the group, if any, and free what is held. May be called twice."""
        ...


@runtime_checkable
class Log(Protocol):
    """An append-only, partitioned sequence of records."""

    @property
    def identity(self) -> LogIdentity:
        """Return which log this is, as first seen when it was opened."""
        ...

    def partitions(self) -> int:
        """Return the number of partitions now."""
        ...

    def append(self, records: Sequence[Outgoing], *, timeout_ms: int = 30_000) -> list[tuple[int, int]]:
        """Append in order; return (partition, offset) of each once all are durable.

        Raises LogUnavailableError when that is not known within ``timeout_ms`` (some may have been appended:
        append the same bytes again, readers drop duplicates), RecordTooLargeError when one can never be taken
        (none of the batch is then appended by the embedded and memory logs).
        """
        ...

    def reader(self, *, group: str | None = None) -> Reader:
        """Return a reader of all partitions, or of those that ``group`` gives it among its members."""
        ...

    def start(self) -> Position:
        """Return the first offset still held, per partition."""
        ...

    def end(self) -> Position:
        """Return the offset after the last record, per partition."""
        ...

    def close(self) -> None:
        """Free what is held. May be called twice."""
        ...

    def __enter__(self) -> Self:
        """Return itself; closed on leaving."""
        ...

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        ...
