"""Keeps the search index warm: follows the read model until told to stop, waiting for what is down."""

import logging
import random
import threading

from modeltrail.errors import LogUnavailableError
from sqlalchemy import Engine

from modeltrail_server.errors import DatabaseUnavailableError
from modeltrail_server.projection.projector import Source
from modeltrail_server.search.indexing import catch_up

IDLE_WAIT_S = 1.0
FIRST_RETRY_S = 0.5
MAX_RETRY_S = 15.0

_logger = logging.getLogger(__name__)


def follow(log: Source, engine: Engine, stop: threading.Event) -> None:
    """Index what the read model holds, again and again, until ``stop``. Any number may follow at once.

    Raises what needs a person, as the projector does: UnknownSchemaError, OffsetOutOfRangeError, DatabaseUrlError.
    """
    failures = 0
    while not stop.is_set():
        try:
            records = catch_up(log, engine, stop=stop)
        except (DatabaseUnavailableError, LogUnavailableError) as error:
            failures += 1
            delay_s = min(MAX_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures, 16)) * random.uniform(0.5, 1)  # noqa: S311
            _logger.warning("%s; trying again in %.1f s", error, delay_s)
            stop.wait(delay_s)
            continue
        failures = 0
        if records:
            _logger.debug("indexed %d records for search", records)
        else:
            stop.wait(IDLE_WAIT_S)
