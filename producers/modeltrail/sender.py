"""The sender: a daemon thread that brings spools to the log. Only here the SDK talks to the log while a run goes on.

It drains the spool of its own process and those of dead ones, waits out a log that does not answer, and says so once.
It runs beside training, so nothing in it may raise into another thread.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from modeltrail.config import Config
from modeltrail.encoding import gap_for
from modeltrail.errors import ModeltrailError, RecordTooLargeError
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Log, Outgoing
from modeltrail.spool.draining import Place, SpoolDrain
from modeltrail.spool.layout import spool_folders, spool_root
from modeltrail.spool.outbox import Batch
from modeltrail.spool.ownership import Ownership, adopt, remove_unfinished

LINGER_S = 0.5
ADOPTION_INTERVAL_S = 10.0
SEND_TIMEOUT_MS = 10_000
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
_LOGGER = logging.getLogger("modeltrail")


class LogConnection:
    """The log, opened when needed and again after a failure, with a backoff between. One thread at a time."""

    def __init__(self, config: Config) -> None:
        self._config = config
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
        except Exception as error:  # noqa: BLE001 - whatever a log or its library raises, training goes on
            self._failed(error)
            return False
        if self._failures:
            _LOGGER.warning("the log %s is back; sending what waited", self._config.log)
        self._failures = 0
        return True

    def close(self) -> None:
        """Close the log."""
        log, self._log = self._log, None
        if log is not None:
            with suppress(Exception):
                log.close()

    def _failed(self, error: Exception) -> None:
        self.close()
        if not self._failures:
            remedy = (
                error.remedy if isinstance(error, ModeltrailError) and error.remedy else "nothing needs doing now"
            )
            _LOGGER.warning(
                "the log cannot be reached: %s%s. Recording goes on in %s and is sent when the log answers",
                error,
                f" ({remedy})" if remedy else "",
                spool_root(self._config.home),
            )
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


class Sender:
    """The thread. ``written`` tells how far the spool of this process is whole."""

    def __init__(self, config: Config, ownership: Ownership, written: Callable[[], Place]) -> None:
        self._config = config
        self._connection = LogConnection(config)
        self._written = written
        self._own = SpoolDrain(ownership, written=written)
        self._adopted: list[SpoolDrain] = []
        self._adopt_at = 0.0
        self._wake = threading.Event()
        self._stopping = False
        self._progress = threading.Condition()
        self._rounds_wanted = self._rounds_done = 0
        self._reported_fault = False

    def run(self) -> None:
        """Drain until ``stop``; what is left stays in the spool."""
        while True:
            stopping, wanted = self._stopping, self._rounds_wanted
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 - a fault here must not end the recording
                self._report(error)
            with self._progress:
                self._rounds_done = wanted
                self._progress.notify_all()
            if stopping:
                break
            self._wake.wait(max(LINGER_S, self._connection.wait_s))
            self._wake.clear()
        self._connection.close()
        for drain in (self._own, *self._adopted):
            drain.close()

    @property
    def acknowledged(self) -> Place:
        """Return the place in the own spool up to which the log has it."""
        return self._own.place

    def wait_for(self, place: Place, deadline: float, *, max_silence_s: float | None = None) -> bool:
        """Wait until the log has the own spool up to ``place``; return whether it has, at the latest at ``deadline``.

        With ``max_silence_s`` the wait ends when an attempt fails, or when nothing was acknowledged for that long.
        """
        with self._progress:
            self._rounds_wanted += 1
            wanted, heard_at, seen = self._rounds_wanted, time.monotonic(), self._own.place
            self._wake.set()
            while self._own.place < place:
                now = time.monotonic()
                if self._own.place != seen:
                    seen, heard_at = self._own.place, now
                until = deadline
                if max_silence_s is not None:
                    until = min(deadline, heard_at + max_silence_s)
                    if self._rounds_done >= wanted and self._connection.is_failing:
                        return False
                if now >= until:
                    return False
                self._progress.wait(until - now)
            return True

    def stop(self) -> None:
        """Ask the thread to end after one more round, in which it looks after dead processes' spools too."""
        self._adopt_at = 0.0
        self._stopping = True
        self._wake.set()

    def leave_to_parent(self) -> None:
        """In a forked child: close the locks of adopted spools, which are the parent's."""
        for drain in self._adopted:
            drain.ownership.release()

    def _round(self) -> None:
        """Send what was written when the round began: what comes meanwhile is merged into the next round's events."""
        self._drain(self._own, until=self._written())
        if self._connection.is_failing:
            return
        if time.monotonic() >= self._adopt_at:
            self._adopt()
        for drain in list(self._adopted):
            self._drain_adopted(drain)

    def _drain(self, drain: SpoolDrain, *, until: Place | None = None) -> None:
        while until is None or drain.place < until:
            batch = drain.next_batch()
            if batch is None or not send_batch(self._connection, drain, batch):
                return
            with self._progress:
                self._progress.notify_all()

    def _drain_adopted(self, drain: SpoolDrain) -> None:
        """Drain the spool of a dead process; one that cannot be read is let go, and tried again later."""
        try:
            self._drain(drain)
            is_done = drain.finished
        except Exception as error:  # noqa: BLE001 - one spool's fault is no other's
            self._report(error)
            is_done = True
        if is_done:
            drain.close()
            self._adopted.remove(drain)

    def _adopt(self) -> None:
        self._adopt_at = time.monotonic() + ADOPTION_INTERVAL_S
        root = spool_root(self._config.home)
        remove_unfinished(root)
        for folder in spool_folders(root):
            if (ownership := adopt(folder, log=self._config.log)) is not None:
                self._adopted.append(SpoolDrain(ownership))

    def _report(self, error: Exception) -> None:
        if not self._reported_fault:
            self._reported_fault = True
            _LOGGER.warning("sending events failed and is tried again: %r", error)
