"""Where everything stands: log, read model, audit log, spool. A part that cannot be seen says why."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from modeltrail.config import Config
from modeltrail.errors import LogUnavailableError
from modeltrail.log.opening import KafkaAddress, open_log, parse_address
from modeltrail.log.protocol import Position
from modeltrail.spool.layout import spool_root
from modeltrail.spool.status import spool_status
from modeltrail_schemas.errors import ModeltrailError
from sqlalchemy import Engine, func, select

from modeltrail_server import audit
from modeltrail_server.projection.generations import as_position, reading
from modeltrail_server.queries.listing import Counts, count_all
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.search.progress import indexed_position

PROBE_TIMEOUT_S = 2.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogStatus:
    """The log: its address without secrets, which one it is, and where it ends."""

    address: str
    topic_id: str
    end: Position


@dataclass(frozen=True, slots=True)
class ReadModelStatus:
    """The read model. ``recorded_ms`` is when the log took the last record projected (0: none).

    ``indexed`` is how far the search index is; None where there is none yet.
    """

    generation: int
    position: Position
    recorded_ms: int
    counts: Counts
    dead_letters: int
    conflicts: int
    indexed: Position | None

    def records_behind(self, end: Position) -> int:
        """Return how many records the read model lacks of a log that ends at ``end``."""
        return self.position.records_behind(end)

    def seconds_behind(self, end: Position) -> float:
        """Return how old the newest record projected is, in seconds, where some are not; else 0."""
        if not self.records_behind(end) or not self.recorded_ms:
            return 0.0
        return max(0.0, time.time() - self.recorded_ms / 1000)


@dataclass(frozen=True, slots=True)
class SpoolTotals:
    """What waits in the spools of this home to be sent."""

    spools: int
    waiting_notes: int
    waiting_events: int
    waiting_bytes: int


@dataclass(frozen=True, slots=True)
class Unseen:
    """A part that cannot be seen, why, and what to do. ``is_down``: it is there, or should be, and cannot be used."""

    reason: str
    is_down: bool
    remedy: str = ""


NO_READ_MODEL = Unseen("none yet: the first question builds it", is_down=False)


@dataclass(frozen=True, slots=True)
class Status:
    """Where everything stands; the audit log is None where none is kept."""

    log: LogStatus | Unseen
    read_model: ReadModelStatus | Unseen
    audit: audit.Status | Unseen | None
    spool: SpoolTotals | Unseen

    @property
    def is_up(self) -> bool:
        """Return whether every part answers that should."""
        parts = (self.log, self.read_model, self.audit, self.spool)
        return not any(isinstance(part, Unseen) and part.is_down for part in parts)


def collect(config: Config, engine: Engine | None) -> Status:
    """Return where everything stands, within seconds; ``engine`` is None where there cannot be a read model.

    Raises nothing that a system being down could cause.
    """
    log = _tried(lambda: _log_status(config))
    end = log.end if isinstance(log, LogStatus) else None
    return Status(
        log=log,
        read_model=_tried(lambda: _read_model_status(engine)) if engine is not None else NO_READ_MODEL,
        audit=_tried(lambda: audit.status(config.audit, end)) if (config.audit / audit.layout.KEY).exists() else None,
        spool=_tried(lambda: spool_totals(config)),
    )


def _log_status(config: Config) -> LogStatus:
    address = parse_address(config.log)
    if isinstance(address, KafkaAddress):
        _probe(address)
    elif not address.exists():
        raise LookupError(f"there is no log at {address} yet: the first event makes it")
    with open_log(config.log, options=config.log_options, create=False) as log:
        return LogStatus(config.log, log.identity.topic_id, log.end())


def _probe(address: KafkaAddress) -> None:
    """Raise LogUnavailableError unless a broker takes a connection: Kafka's client says so after 10 s only."""
    reasons = []
    for broker in address.bootstrap:
        host, _, port = broker.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), PROBE_TIMEOUT_S).close()
        except OSError as error:
            reasons.append(f"{broker}: {error.strerror or error}")
        else:
            return
    raise LogUnavailableError(
        f"no broker of {address.topic} answers ({'; '.join(reasons)})",
        remedy="start one, or correct MODELTRAIL_LOG (modeltrail doctor)",
    )


def _read_model_status(engine: Engine) -> ReadModelStatus:
    with reading(engine) as (connection, tables):
        position = tables.position
        rows = connection.execute(select(*position.c["partition", "next_offset", "recorded_ms"])).all()
        dead_letters, conflicts = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (tables.dead_letter, tables.conflict)
        )
        return ReadModelStatus(
            generation=tables.generation,
            position=as_position({row.partition: row.next_offset for row in rows}),
            recorded_ms=max((row.recorded_ms for row in rows), default=0),
            counts=count_all(Snapshot(connection, tables, None)),
            dead_letters=dead_letters,
            conflicts=conflicts,
            indexed=indexed_position(connection, tables.generation),
        )


def spool_totals(config: Config) -> SpoolTotals:
    """Return what waits in the spools of this home. Raises OSError when they cannot be read."""
    found = spool_status(spool_root(config.home))
    return SpoolTotals(
        spools=len(found),
        waiting_notes=sum(one.waiting_notes for one in found),
        waiting_events=sum(one.waiting_events for one in found),
        waiting_bytes=sum(one.waiting_bytes for one in found),
    )


def _tried(look: Callable[[], T]) -> T | Unseen:
    try:
        return look()
    except ModeltrailError as error:
        return Unseen(str(error), is_down=True, remedy=error.remedy)
    except (LookupError, OSError) as error:
        return Unseen(str(error), is_down=isinstance(error, OSError))
