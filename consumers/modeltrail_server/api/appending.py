"""The log that requests append to, shared by all of them: one at a time, and none waits for what has just failed."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from modeltrail.errors import LogUnavailableError
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Log, Outgoing, Position

APPEND_TIMEOUT_MS = 30_000

T = TypeVar("T")


class Appender:
    """The log, opened when first needed and again after it was lost. Safe for many threads.

    Whoever came before an attempt on it failed shares that failure: a log that is down costs all who wait for it one
    attempt together, not one each.
    """

    def __init__(
        self, address: str, options: Mapping[str, str], *, append_timeout_ms: int = APPEND_TIMEOUT_MS
    ) -> None:
        self._address, self._options, self._timeout_ms = address, options, append_timeout_ms
        self._turn = threading.Lock()
        self._log: Log | None = None
        self._failed_s = float("-inf")
        self._failure = ""
        self._remedy = ""

    def append(self, records: Sequence[Outgoing]) -> None:
        """Append, all durable on return. Raises what opening a log and appending to it raise."""
        self._use(lambda log: log.append(records, timeout_ms=self._timeout_ms))

    def end(self) -> Position:
        """Return the offset after the last record, per partition. Raises as ``append``."""
        return self._use(lambda log: log.end())

    def close(self) -> None:
        """Close the log; the next append opens it again."""
        with self._turn:
            self._close()

    def _use(self, work: Callable[[Log], T]) -> T:
        came_s = time.monotonic()
        with self._turn:
            if came_s <= self._failed_s:
                raise LogUnavailableError(self._failure, remedy=self._remedy)
            try:
                if self._log is None:
                    self._log = open_log(self._address, options=self._options)
                return work(self._log)
            except LogUnavailableError as error:
                self._failed_s, self._failure, self._remedy = time.monotonic(), str(error), error.remedy
                self._close()
                raise

    def _close(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            log.close()
