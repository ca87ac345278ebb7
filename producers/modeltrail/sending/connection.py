"""The log as the sender uses it: opened when needed, tried again with a backoff, and what becomes of what it refuses.

Nothing that a log or its library raises leaves this module but RecordTooLargeError.
"""

import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress

from modeltrail.config import Config
from modeltrail.encoding import gap_for
from modeltrail.errors import ModeltrailError, RecordTooLargeError
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Log, Outgoing
from modeltrail.spool.draining import SpoolDrain
from modeltrail.spool.outbox import Batch

SEND_TIMEOUT_MS = 10_000
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
_LOGGER = logging.getLogger("modeltrail")


class LogConnection:
    """The log, opened when needed and again after a failure, with a backoff between. One thread at a time.

    ``on_change`` hears why an attempt failed, and nothing (an empty text) when one went well after that.
    """

    def __init__(self, config: Config, on_change: Callable[[str], None]) -> None:
        self._config = config
        self._on_change = on_change
        self._log: Log | None = None
        self._failures = 0
        self._retry_at = 0.0

    @property
    def is_failing(self) -> bool:
        """Return whether the last attempt failed."""
        return self._failures > 0

    @property
    def wait_s(self) -> float:
        """Return how long to wait before the next attempt makes sense."""
        return max(0.0, self._retry_at - time.monotonic())

    def append(self, records: tuple[Outgoing, ...], *, timeout_ms: int = SEND_TIMEOUT_MS) -> bool:
        """Append; return whether the log has the records now. Raises RecordTooLargeError, nothing else of a log's."""
        try:
            if self._log is None:
                self._log = open_log(self._config.log, options=self._config.log_options)
            self._log.append(records, timeout_ms=timeout_ms)
        except RecordTooLargeError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a log or its library raises, sending goes on
            self._failed(error)
            return False
        if self._failures:
            self._on_change("")
        self._failures = 0
        self._retry_at = 0.0
        return True

    def close(self) -> None:
        """Close the log."""
        log, self._log = self._log, None
        if log is not None:
            with suppress(Exception):
                log.close()

    def _failed(self, error: Exception) -> None:
        self.close()
        remedy = error.remedy if isinstance(error, ModeltrailError) and error.remedy else "nothing needs doing now"
        if not self._failures:
            self._on_change(f"{error} ({remedy})")
        backoff_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self._failures, 10))
        self._retry_at = time.monotonic() + backoff_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret
        self._failures += 1


def send_batch(connection: LogConnection, drain: SpoolDrain, batch: Batch) -> bool:
    """Send ``batch`` and record that; return whether the log has it. An event too large for it becomes a gap."""
    try:
        if not connection.append(batch.events):
            return False
    except RecordTooLargeError:
        return _send_singly(connection, drain, batch)
    drain.acknowledge(batch)
    return True


def _send_singly(connection: LogConnection, drain: SpoolDrain, batch: Batch) -> bool:
    gaps = []
    for record in batch.events:
        try:
            if not connection.append((record,)):
                return False
        except RecordTooLargeError as error:
            _LOGGER.warning("an event was not recorded: %s", error)
            gaps.append(gap_for(record, f"the log refused the event: {error}"))
    drain.replace(batch, gaps)
    return True
