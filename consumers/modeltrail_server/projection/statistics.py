"""When PostgreSQL is asked to look at what the tables hold, because it plans by that.

Autovacuum looks too, up to a minute later: until then a read model that was just built is planned for as if it were
empty, and a lineage takes ten times as long. SQLite's plans do not depend on it.
"""

import logging

from modeltrail_schemas.errors import ModeltrailError
from sqlalchemy import Engine

from modeltrail_server.projection.engine import writing
from modeltrail_server.projection.tables import Tables
from modeltrail_server.projection.upserts import quote

FIRST_EVENTS = 5_000
LOCK_TIMEOUT_MS = 1_000

_logger = logging.getLogger(__name__)


class Statistics:
    """Has the tables looked at whenever one writer has written as much again as when they last were."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._events, self._next = 0, FIRST_EVENTS

    def written(self, tables: Tables, events: int) -> None:
        """Hear that so many new events are committed. Raises nothing: plans get worse, and no more than that."""
        self._events += events
        if self._events < self._next or self._engine.dialect.name != "postgresql":
            return
        self._next = 2 * self._events
        names = ", ".join(quote(table.name) for table in tables.metadata.sorted_tables)
        try:
            with writing(self._engine) as connection:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                connection.exec_driver_sql(f"ANALYZE {names}")
        except ModeltrailError as error:
            _logger.info("the statistics of the tables stay as they are: %s", error)
