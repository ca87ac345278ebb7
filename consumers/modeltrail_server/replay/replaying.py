"""Replay into a database, or into counts only. What was replayed before is not read again: the database knows."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from modeltrail.log.protocol import Position
from modeltrail_schemas.errors import InvalidEventError, ModeltrailError
from sqlalchemy import Engine

from modeltrail_server.projection.batches import decode_record
from modeltrail_server.projection.digest import Digest, compute_digest
from modeltrail_server.projection.generations import as_position, positions_of, prepare
from modeltrail_server.projection.projector import BatchStats, LoggingObserver, Projector, Source
from modeltrail_server.replay.sources import read_all


class ReplayTargetError(ModeltrailError):
    """The database to replay into already holds more than was asked for."""


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far a replay is: ``records`` of about ``total``, in ``seconds``."""

    records: int
    total: int
    seconds: float

    @property
    def records_per_second(self) -> float:
        """Return the mean rate so far."""
        return self.records / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Return how long it will take at this rate; None while nothing is known."""
        return (self.total - self.records) / self.records_per_second if self.records else None


OnProgress = Callable[[ReplayProgress], None]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did. ``digest`` is None when it was stopped before its end."""

    progress: ReplayProgress
    digest: Digest | None


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a replay would read: ``kinds`` counts events by kind and type, ``events`` those with different ids."""

    position: Position
    records: int
    events: int
    invalid: int
    kinds: Mapping[str, int]


class Meter:
    """Counts records and tells ``on_progress``."""

    def __init__(self, total: int, on_progress: OnProgress | None) -> None:
        self._total, self._on_progress = total, on_progress
        self._records, self._started = 0, time.monotonic()

    def add(self, records: int) -> None:
        """Count ``records`` more."""
        self._records += records
        if self._on_progress is not None:
            self._on_progress(self.progress())

    def progress(self) -> ReplayProgress:
        """Return how far it is."""
        return ReplayProgress(self._records, self._total, time.monotonic() - self._started)


class _MeteringObserver(LoggingObserver):
    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def batch_written(self, stats: BatchStats) -> None:
        super().batch_written(stats)
        self._meter.add(stats.records)


def replay(
    source: Source,
    engine: Engine,
    *,
    until: Position | None = None,
    on_progress: OnProgress | None = None,
    stop: threading.Event | None = None,
) -> Replayed:
    """Project ``source`` up to ``until`` (its end by default) into the database, and return the digest of the state.

    The database may be empty, or hold a part of it: an interrupted replay goes on. Raises ReplayTargetError, what
    Projector.step raises, LogIdentityError for a database built from another log.
    """
    stop, end = stop or threading.Event(), source.end()
    until = end if until is None else until
    generation = prepare(engine, source.identity)
    position = as_position(positions_of(engine, generation) or {})
    if not until.covers(position):
        raise ReplayTargetError(
            f"the database is at {position.format()}, past {until.format()}, and cannot forget",
            remedy="replay into an empty database",
        )
    meter = Meter(position.records_behind(until) - _missing(source, position, until), on_progress)
    with Projector(source, engine, observer=_MeteringObserver(meter)) as projector:
        projector.catch_up(until, stop)
    stopped = stop.is_set() and not as_position(positions_of(engine, generation) or {}).covers(until)
    return Replayed(meter.progress(), None if stopped else compute_digest(engine))


def dry_run(source: Source, *, until: Position | None = None, on_progress: OnProgress | None = None) -> DryRun:
    """Return what ``replay`` would read, writing nothing. Raises UnknownSchemaError and what the source raises."""
    until = source.end() if until is None else until
    meter = Meter(source.start().records_behind(until), on_progress)
    position, ids, kinds, records, invalid = source.start(), set[bytes](), Counter[str](), 0, 0
    for batch in read_all(source, start=Position(), end=until):
        for record in batch:
            try:
                event = decode_record(record).event
            except InvalidEventError:
                invalid += 1
                continue
            ids.add(event.event_id)
            kinds[f"{event.kind} {event.type}".strip()] += 1
        records += len(batch)
        meter.add(len(batch))
        position = position.with_offset(batch[0].partition, batch[-1].offset + 1)
    return DryRun(position, records, len(ids), invalid, dict(sorted(kinds.items())))


def _missing(source: Source, position: Position, until: Position) -> int:
    """Return how many offsets past ``position`` lie before the first record the source has."""
    start = source.start()
    return sum(max(0, min(start[p], until[p]) - position[p]) for p in range(len(until.offsets)))
