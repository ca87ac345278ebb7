"""What we knew then, and what was true then: bounds on the events an answer may rest on. Decides, fetches nothing."""

from dataclasses import dataclass

from modeltrail.log.protocol import Position
from sqlalchemy import ColumnElement, Table, and_, false, literal_column, or_


@dataclass(frozen=True, slots=True)
class AsOf:
    """Only events that are recorded up to a time, lie before a position in the log, tell of a time up to another.

    ``recorded_ms`` and ``event_time_ns`` are UTC and inclusive. At least one bound is given; where several are, all
    bound. ``moments.resolve_as_of`` turns record times into positions.
    """

    recorded_ms: int | None = None
    position: Position | None = None
    event_time_ns: int | None = None

    def condition(self, event: Table) -> ColumnElement[bool]:
        """Return what the rows of ``event`` that count must satisfy."""
        bounds: list[ColumnElement[bool]] = []
        if self.recorded_ms is not None:
            bounds.append(event.c.recorded_ms <= self.recorded_ms)
        if self.position is not None:
            # A sum, which no index has: SQLite would read all of a partition rather than the events asked about.
            partition_of, offsets = event.c.partition + literal_column("0"), enumerate(self.position.offsets)
            before = [and_(partition_of == partition, event.c.offset < offset) for partition, offset in offsets]
            bounds.append(or_(*before) if before else false())
        if self.event_time_ns is not None:
            bounds.append(event.c.event_time_ns <= self.event_time_ns)
        return and_(*bounds)
