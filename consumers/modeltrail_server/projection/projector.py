"""The projector: reads a log, folds its events, writes the read model, each record exactly once.

Positions live in the database only. One transaction writes one batch of one partition, and its first statement
moves that partition's position from where this projector believes it to be: whoever is wrong writes nothing, reads
the position again and goes on. So any number of projectors, and zombies, may run at once.
"""

import logging
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from modeltrail.errors import LogUnavailableError
from modeltrail.log.protocol import LogIdentity, Position, Reader, Record
from modeltrail.log.reading import Silence
from modeltrail_schemas.errors import ModeltrailError
from sqlalchemy import Connection, Engine

from modeltrail_server.errors import (
    DatabaseUnavailableError,
    DataRefusedError,
    GenerationDroppedError,
    PositionMovedError,
)
from modeltrail_server.projection.batches import Batch, decode_batch
from modeltrail_server.projection.cycles import no_cycle_collection
from modeltrail_server.projection.engine import writing
from modeltrail_server.projection.generations import (
    Generation,
    as_position,
    current_generation,
    positions_of,
    prepare,
    standing_generation,
)
from modeltrail_server.projection.isolation import Isolation
from modeltrail_server.projection.statistics import Statistics
from modeltrail_server.projection.writing import Written, move_position, write_batch, writer_for

MAX_BATCH_RECORDS = 4_000
IDLE_WAIT_MS = 100
FIRST_RETRY_S = 0.1
MAX_RETRY_S = 15.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchStats:
    """What one committed transaction did. ``decode_s`` and ``write_s`` are the seconds it took."""

    partition: int
    first_offset: int
    next_offset: int
    recorded_ms: int
    records: int
    new_events: int
    duplicates: int
    conflicts: int
    dead_letters: int
    decode_s: float
    write_s: float


class Source(Protocol):
    """What can be projected: a log, or records that were kept of one."""

    @property
    def identity(self) -> LogIdentity:
        """Return which log the records are of."""
        ...

    def reader(self, *, group: str | None = None) -> Reader:
        """Return a reader of all partitions, or of those that ``group`` gives it among its members."""
        ...

    def start(self) -> Position:
        """Return the first offset there is, per partition."""
        ...

    def end(self) -> Position:
        """Return the offset after the last record, per partition."""
        ...


class Observer(Protocol):
    """Who wants to hear what a projector does; called in its thread, so briefly."""

    def batch_written(self, stats: BatchStats) -> None:
        """Hear of a committed batch."""
        ...

    def retrying(self, error: ModeltrailError, delay_s: float) -> None:
        """Hear that something is down and is tried again after ``delay_s``."""
        ...


class LoggingObserver:
    """Writes what happens to the log of the program, with positions."""

    def batch_written(self, stats: BatchStats) -> None:
        """Log a committed batch."""
        _logger.debug("projected partition %d up to %d: %s", stats.partition, stats.next_offset, stats)
        if stats.conflicts or stats.dead_letters:
            _logger.warning(
                "partition %d, offsets %d to %d: %d dead letters, %d conflicting payloads",
                stats.partition,
                stats.first_offset,
                stats.next_offset,
                stats.dead_letters,
                stats.conflicts,
            )

    def retrying(self, error: ModeltrailError, delay_s: float) -> None:
        """Log what is down."""
        _logger.warning("%s; trying again in %.1f s", error, delay_s)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the read model is: ``position`` of what it holds, ``end`` of the log, ``records`` read meanwhile."""

    position: Position
    end: Position
    records: int = 0

    @property
    def records_behind(self) -> int:
        """Return how many offsets the read model is behind the log."""
        return self.position.records_behind(self.end)


def catch_up(
    log: Source, engine: Engine, *, stop: threading.Event | None = None, observer: Observer | None = None
) -> Progress:
    """Project what the log holds now, up to its end as of this call, or until ``stop``.

    Costs two short queries when there is nothing new. Raises what Projector.step raises.
    """
    position, end = _current_position(log, engine), log.end()
    if position.covers(end):
        return Progress(position, end)
    with Projector(log, engine, observer=observer) as projector:
        records = projector.catch_up(end, stop or threading.Event())
    return Progress(_current_position(log, engine), end, records)


def _current_position(log: Source, engine: Engine) -> Position:
    """Return the position of the current generation, which is made first where there is none."""
    while True:
        next_offsets = positions_of(engine, prepare(engine, log.identity))
        if next_offsets is not None:
            return as_position(next_offsets)


class Projector:
    """Projects ``log`` into ``engine``: all partitions, or those that ``group`` gives this member.

    Writes the current generation, or the one given as ``into``.
    """

    def __init__(
        self,
        log: Source,
        engine: Engine,
        *,
        group: str | None = None,
        into: Generation | None = None,
        observer: Observer | None = None,
        max_batch_records: int = MAX_BATCH_RECORDS,
    ) -> None:
        self._log, self._engine, self._group, self._into = log, engine, group, into
        self._observer = observer or LoggingObserver()
        self._max_batch_records = max_batch_records
        self._writer = writer_for(engine)
        self._statistics = Statistics(engine)
        self._generation: Generation | None = None
        self._reader: Reader | None = None
        self._expected: dict[int, int | None] = {}

    def __enter__(self) -> "Projector":
        """Return itself; closed on leaving."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Leave the group, if any. May be called twice."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def run(self, stop: threading.Event) -> None:
        """Follow the log until ``stop``; what is down is waited for, with growing pauses of at most MAX_RETRY_S.

        Raises what needs a person: UnknownSchemaError, LogIdentityError, OffsetOutOfRangeError,
        ProjectionVersionError, DatabaseUrlError. Everything read before that is committed.
        """
        failures = 0
        while not stop.is_set():
            try:
                self.step(wait_ms=IDLE_WAIT_MS)
                failures = 0
            except (DatabaseUnavailableError, LogUnavailableError) as error:
                failures += 1
                delay_s = min(MAX_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures, 16)) * random.uniform(0.5, 1)  # noqa: S311
                self._observer.retrying(error, delay_s)
                self._forget()
                stop.wait(delay_s)
        self.close()

    def catch_up(self, end: Position, stop: threading.Event) -> int:
        """Project up to ``end``, or until ``stop``; return how many records that were.

        Raises as ``step`` does, and LogUnavailableError where nothing comes for MAX_SILENCE_S that is due.
        """
        records, silence = 0, Silence(self._log.identity.name, end)
        while not stop.is_set():
            count = self.step(wait_ms=IDLE_WAIT_MS, end=end)
            records += count
            if self._reached(end):
                break
            if count:
                silence.broken()
            silence.check()
        return records

    def step(self, *, wait_ms: int, end: Position | None = None) -> int:
        """Read once and write what came, of each partition in a transaction; return how many records that were.

        A record that the database refuses for what it says becomes a dead letter, and takes no other with it. What
        lies at ``end`` or after it is left. Raises DatabaseUnavailableError and LogUnavailableError (try again), and
        what needs a person.
        """
        try:
            reader = self._positioned_reader()
        except PositionMovedError:
            self._forget_positions()
            return 0
        count = 0
        for partition, records in reader.poll(max_records=self._max_batch_records, wait_ms=wait_ms).items():
            if end is not None:
                records = [record for record in records if record.offset < end[partition]]
            if records:
                with no_cycle_collection():
                    count += self._project(partition, records)
        return count

    def _project(self, partition: int, records: Sequence[Record]) -> int:
        """Write ``records``, in one transaction unless the database refuses some of them; return how many it took."""
        isolation, count = Isolation(records), 0
        while part := isolation.part:
            try:
                count += self._project_part(partition, part, isolation.reasons)
            except PositionMovedError:
                self._forget_positions()
                break
            except DataRefusedError as error:
                if not isolation.refused(str(error)):
                    raise
            else:
                isolation.written()
        return count

    def _project_part(self, partition: int, records: Sequence[Record], refused: Mapping[int, str]) -> int:
        expected = self._expected.get(partition)
        first_offset = records[0].offset if expected is None else expected
        started = time.perf_counter()
        batch = decode_batch(records, first_offset=first_offset, refused=refused)
        decoded = time.perf_counter()
        if batch.records:
            with writing(self._engine) as connection:
                written = self._write(connection, batch, expected)
            self._expected[partition] = batch.next_offset
            self._observer.batch_written(
                BatchStats(
                    partition=partition,
                    first_offset=first_offset,
                    next_offset=batch.next_offset,
                    recorded_ms=batch.recorded_ms,
                    records=batch.records,
                    **written._asdict(),
                    dead_letters=len(batch.dead_letters),
                    decode_s=decoded - started,
                    write_s=time.perf_counter() - decoded,
                )
            )
            if self._generation is not None:
                self._statistics.written(self._generation.tables, written.new_events)
        if batch.unknown_schema is not None:
            self._forget()
            raise batch.unknown_schema
        return batch.records

    def _write(self, connection: Connection, batch: Batch, expected: int | None) -> Written:
        generation = self._generation
        if generation is None or self._locked_generation(connection) != generation:
            raise PositionMovedError
        move_position(connection, generation.tables, batch, expected)
        return write_batch(connection, self._writer, generation.tables, batch)

    def _locked_generation(self, connection: Connection) -> Generation | None:
        """Return the generation to write, which stays the one to write until the transaction ends."""
        if self._into is None:
            return current_generation(connection, lock=True)
        standing = standing_generation(connection, self._into.number)
        if standing is None:
            raise self._dropped()
        return standing

    def _dropped(self) -> Exception:
        """Return what it means that the generation to write is gone: another is current, or it was not to be."""
        return PositionMovedError() if self._into is None else GenerationDroppedError(self._into.number)

    def _positioned_reader(self) -> Reader:
        if self._generation is None:
            self._generation = self._into or prepare(self._engine, self._log.identity)
            self._expected.clear()
        if self._reader is None:
            self._reader = self._log.reader(group=self._group)
        missing = self._reader.unpositioned() | (self._reader.assignment() - self._expected.keys())
        if missing:
            next_offsets = positions_of(self._engine, self._generation)
            if next_offsets is None:
                raise self._dropped()
            start = self._log.start() if missing - next_offsets.keys() else Position()
            for partition in sorted(missing):
                self._expected[partition] = next_offsets.get(partition)
                self._reader.seek(partition, next_offsets.get(partition, start[partition]))
        return self._reader

    def _reached(self, end: Position) -> bool:
        """Return whether all up to ``end`` is written; of offsets that hold no record only the reader knows."""
        if self._reader is None:
            return False
        for partition, offset in enumerate(end.offsets):
            if offset and partition not in self._expected:
                return False
            if max(self._expected.get(partition) or 0, self._reader.position(partition)) < offset:
                return False
        return True

    def _forget_positions(self) -> None:
        """Believe nothing: the next step reads the pointer and the positions again."""
        self._generation = None
        self._expected.clear()

    def _forget(self) -> None:
        """Believe nothing, and open the log's reader again."""
        self._forget_positions()
        self.close()
