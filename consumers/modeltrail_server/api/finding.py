"""The events that the log holds already, by their ids, as the read model knows them."""

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from modeltrail.config import Config
from modeltrail.log.opening import open_log, parse_address
from modeltrail.log.protocol import Position
from modeltrail_schemas.errors import ModeltrailError
from sqlalchemy import select

from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import as_position, read_positions, reading
from modeltrail_server.projection.projector import catch_up

PROJECTED_TIMEOUT_MS = 10_000
LOOK_INTERVAL_S = 0.05
IDS_A_QUERY = 1_000


class ReadModelBehindError(ModeltrailError):
    """The read model did not reach what the log holds in time: whether an event is there is not known."""

    exit_code = 3


class EventFinder:
    """The events of the read model by their ids. Safe for many threads.

    ``log_end`` tells where the log ends. An embedded log is caught up with here, as whoever reads does; a topic has
    projectors, which are waited for at most ``timeout_ms``.
    """

    def __init__(
        self, config: Config, log_end: Callable[[], Position], *, timeout_ms: int = PROJECTED_TIMEOUT_MS
    ) -> None:
        self._config, self._log_end, self._timeout_ms = config, log_end, timeout_ms
        self._engine = open_engine(config.database)

    def payloads(self, event_ids: Collection[bytes]) -> Mapping[bytes, bytes]:
        """Return the payloads of those that the log holds now.

        Raises ReadModelBehindError, and what a log or a database that is down raises.
        """
        found = self._projected(event_ids)
        if len(found) < len(event_ids):  # not there, or in the log and not yet projected
            self._reach(self._log_end())
            found = self._projected(event_ids)
        return found

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def _projected(self, event_ids: Collection[bytes]) -> Mapping[bytes, bytes]:
        asked = sorted(event_ids)
        found: dict[bytes, bytes] = {}
        try:
            with reading(self._engine) as (connection, tables):
                event = tables.event.c
                for first in range(0, len(asked), IDS_A_QUERY):
                    among = event.event_id.in_(asked[first : first + IDS_A_QUERY])
                    rows = connection.execute(select(event.event_id, event.payload).where(among))
                    found |= {row.event_id: row.payload for row in rows}
        except LookupError:
            pass  # nothing was projected yet
        return found

    def _reach(self, end: Position) -> None:
        if isinstance(parse_address(self._config.log), Path):
            with open_log(self._config.log) as log:
                catch_up(log, self._engine)
            return
        deadline = time.monotonic() + self._timeout_ms / 1000
        while not self._position().covers(end):
            if time.monotonic() >= deadline:
                raise ReadModelBehindError(
                    "whether an event is there already is not known: the read model is behind the log",
                    remedy="send it again later; look whether a projector runs (modeltrail status)",
                )
            time.sleep(LOOK_INTERVAL_S)

    def _position(self) -> Position:
        try:
            with reading(self._engine) as (connection, tables):
                return as_position(read_positions(connection, tables))
        except LookupError:
            return Position()
