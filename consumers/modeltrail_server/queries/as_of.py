"""What we knew then: a bound on the events that an answer may rest on. Decides, fetches nothing."""

from dataclasses import dataclass

from modeltrail.log.protocol import Position
from sqlalchemy import ColumnElement, Table, and_, false, or_


@dataclass(frozen=True, slots=True)
class AsOf:
    """Only events recorded up to ``recorded_ms`` (UTC, inclusive), or lying before ``position`` in the log.

    At least one is given; when both are, both bound.
    """

    recorded_ms: int | None = None
    position: Position | None = None

    def condition(self, event: Table) -> ColumnElement[bool]:
        """Return what the rows of ``event`` that count must satisfy."""
        bounds: list[ColumnElement[bool]] = []
        if self.recorded_ms is not None:
            bounds.append(event.c.recorded_ms <= self.recorded_ms)
        if self.position is not None:
            offsets = enumerate(self.position.offsets)
            before = [and_(event.c.partition == partition, event.c.offset < offset) for partition, offset in offsets]
            bounds.append(or_(*before) if before else false())
        return and_(*bounds)
