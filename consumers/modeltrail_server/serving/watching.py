"""The watch: looks every few seconds at the log, the read model, the audit log and the spool, as one observation.

It looks with connections of its own, so what it says holds whatever the roles are doing, or fail to do.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from modeltrail.config import Config
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Log, Position
from modeltrail_schemas.errors import ModeltrailError
from sqlalchemy import Engine, func, select

from modeltrail_server import audit
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import as_position, reading
from modeltrail_server.search.progress import indexed_position
from modeltrail_server.serving.status import SpoolTotals, spool_totals

WATCH_INTERVAL_S = 5.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen at ``taken_s`` (monotonic). A part that was not seen is None, and ``faults`` says why.

    ``projected`` is where the read model is, ``recorded_ms`` by partition when the log took its last record;
    ``indexed`` is where the search index is, None where there is none; ``audited`` the next offset by partition,
    ``signed`` how many records are under the signature.
    """

    taken_s: float = 0.0
    log_end: Position | None = None
    projected: Position | None = None
    recorded_ms: Mapping[int, int] = field(default_factory=dict)
    dead_letters: int = 0
    indexed: Position | None = None
    audited: Mapping[int, int] = field(default_factory=dict)
    signed: Mapping[int, int] = field(default_factory=dict)
    spool: SpoolTotals | None = None
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _ReadModel:
    """What is seen of the database; no position: it was not seen."""

    position: Position | None = None
    recorded_ms: Mapping[int, int] = field(default_factory=dict)
    dead_letters: int = 0
    indexed: Position | None = None


class Watch:
    """Keeps the latest observation, and since when each partition is behind. Read from any thread."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._engine: Engine | None = None
        self._log: Log | None = None
        self.latest = Observation()
        self.projected_since = Progress()
        self.audited_since = Progress()
        self.indexed_since = Progress()

    def run(self, stop: threading.Event) -> None:
        """Look until ``stop``."""
        try:
            while not stop.is_set():
                self.look()
                stop.wait(WATCH_INTERVAL_S)
        finally:
            self._close_log()
            if self._engine is not None:
                self._engine.dispose()

    def look(self) -> None:
        """Take one observation. Raises nothing that a system being down could cause."""
        faults: dict[str, str] = {}
        end = _tried("log", faults, self._log_end)
        if end is None:
            self._close_log()
        model = _tried("database", faults, self._read_model)
        heads = _tried("audit", faults, self._audit_heads)
        spool = _tried("spool", faults, lambda: spool_totals(self._config))
        model = model or _ReadModel()
        now_s = time.monotonic()
        observation = Observation(
            taken_s=now_s,
            log_end=end,
            projected=model.position,
            recorded_ms=model.recorded_ms,
            dead_letters=model.dead_letters,
            indexed=model.indexed,
            audited={one.partition: one.next_offset for one in heads or ()},
            signed={one.partition: one.head.size for one in heads or ()},
            spool=spool,
            faults=faults,
        )
        if end is not None and model.position is not None:
            self.projected_since.note(end, model.position.__getitem__, now_s)
        if model.position is not None:
            self.indexed_since.note(model.position, (model.indexed or Position()).__getitem__, now_s)
        if end is not None and heads is not None:
            self.audited_since.note(end, lambda partition: observation.audited.get(partition, 0), now_s)
        self.latest = observation

    def _log_end(self) -> Position:
        if self._log is None:
            self._log = open_log(self._config.log, options=self._config.log_options)
        return self._log.end()

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def _read_model(self) -> _ReadModel:
        if self._engine is None:
            self._engine = open_engine(self._config.database)
        try:
            with reading(self._engine) as (connection, tables):
                position = tables.position
                rows = connection.execute(select(*position.c["partition", "next_offset", "recorded_ms"])).all()
                count = connection.execute(select(func.count()).select_from(tables.dead_letter)).scalar_one()
                indexed = indexed_position(connection, tables.generation)
        except LookupError:
            return _ReadModel(Position())  # nothing was projected yet
        next_offsets = {row.partition: row.next_offset for row in rows}
        recorded_ms = {row.partition: row.recorded_ms for row in rows}
        return _ReadModel(as_position(next_offsets), recorded_ms, count, indexed)

    def _audit_heads(self) -> tuple[audit.PartitionStatus, ...]:
        if not (self._config.audit / audit.layout.KEY).exists():
            return ()
        return audit.status(self._config.audit).partitions


class Progress:
    """Since when partitions are behind, and when they moved last; seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._behind: dict[int, float] = {}
        self._moved: dict[int, float] = {}

    def note(self, end: Position, reached: Callable[[int], int], now_s: float) -> None:
        """Take in where each partition is."""
        for partition, offset in enumerate(end.offsets):
            at = reached(partition)
            if at >= offset:
                self._behind.pop(partition, None)
            else:
                self._behind.setdefault(partition, now_s)
            if at != self._seen.get(partition) or at >= offset:
                self._seen[partition], self._moved[partition] = at, now_s

    def behind_s(self, partition: int, now_s: float) -> float:
        """Return for how long the partition has not been seen caught up with; 0 where it was at the last look."""
        return now_s - self._behind[partition] if partition in self._behind else 0.0

    def stuck(self, bound_s: float, now_s: float) -> list[int]:
        """Return the partitions that are behind and have not moved for longer than ``bound_s``."""
        return [each for each in sorted(self._behind) if now_s - self._moved.get(each, now_s) > bound_s]


def _tried(part: str, faults: dict[str, str], look: Callable[[], T]) -> T | None:
    try:
        return look()
    except ModeltrailError as error:
        faults[part] = str(error)
    except OSError as error:
        faults[part] = error.strerror or str(error)
    return None
