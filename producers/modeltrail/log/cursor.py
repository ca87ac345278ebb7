"""Where a reader stands in each of its partitions: the bookkeeping that readers share.

Pure: no I/O. Readers of the memory and the embedded log keep one; Kafka's client keeps its own.
"""

from collections.abc import Iterable

from modeltrail.errors import OffsetOutOfRangeError


class Cursor:
    """The assigned partitions, and the next offset of those that were positioned since they were assigned."""

    def __init__(self, assignment: Iterable[int]) -> None:
        self._next: dict[int, int | None] = dict.fromkeys(sorted(assignment))

    def assignment(self) -> frozenset[int]:
        """Return the assigned partitions."""
        return frozenset(self._next)

    def unpositioned(self) -> frozenset[int]:
        """Return the assigned partitions that wait for a ``seek``."""
        return frozenset(partition for partition, offset in self._next.items() if offset is None)

    def seek(self, partition: int, offset: int) -> None:
        """Set the next offset of ``partition``, when it is assigned. Raises ValueError on a negative offset."""
        if offset < 0:
            raise ValueError(f"an offset is not negative: {offset}")
        if partition in self._next:
            self._next[partition] = offset

    def position(self, partition: int) -> int:
        """Return the next offset of ``partition``; 0 where none was set."""
        return self._next.get(partition) or 0

    def assign(self, assignment: Iterable[int]) -> bool:
        """Hold exactly ``assignment``; what was held keeps its offset, what is new waits. Return if it changed."""
        assigned = frozenset(assignment)
        if assigned == self._next.keys():
            return False
        self._next = {partition: self._next.get(partition) for partition in sorted(assigned)}
        return True

    def positioned(self) -> list[tuple[int, int]]:
        """Return (partition, next offset) of each that can be read, the one least recently advanced first."""
        return [(partition, offset) for partition, offset in self._next.items() if offset is not None]

    def advance(self, partition: int, offset: int) -> None:
        """Set the next offset after a delivery, and put ``partition`` last in turn."""
        del self._next[partition]
        self._next[partition] = offset


def check_offset(log_name: str, partition: int, offset: int, start: int, end: int) -> None:
    """Raise OffsetOutOfRangeError unless ``start <= offset <= end``."""
    if not start <= offset <= end:
        raise offset_out_of_range(log_name, partition, offset, start, end)


def offset_out_of_range(log_name: str, partition: int, offset: int, start: int, end: int) -> OffsetOutOfRangeError:
    """Return the error of a position that the log does not hold, with the two ways out."""
    happened = "records before it were deleted" if offset < start else "it was truncated or made anew"
    return OffsetOutOfRangeError(
        f"offset {offset} of partition {partition} is not in {log_name}, which holds {start} up to {end}: {happened}",
        remedy="restore the log's missing records (replay --from audit:DIR --to-topic), "
        "or build the state anew from what the log holds (rebuild)",
    )
