"""Flushing: sending what dead processes left, now, in the foreground. Living processes send their own."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from modeltrail.config import Config
from modeltrail.sender import LogConnection, send_batch
from modeltrail.spool.draining import SpoolDrain
from modeltrail.spool.layout import spool_folders, spool_root
from modeltrail.spool.outbox import Batch
from modeltrail.spool.ownership import adopt


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a flush did. ``is_complete`` is False when the log did not take everything within the time."""

    spools: int
    events: int
    is_complete: bool


def flush_spools(config: Config, *, timeout_ms: int, on_progress: Callable[[int], None] | None = None) -> Flushed:
    """Send what dead processes left for this log; ``on_progress`` hears the number of events sent so far.

    Raises OSError when a spool cannot be read or written.
    """
    deadline = time.monotonic() + timeout_ms / 1000
    connection = LogConnection(config)
    spools = events = 0
    try:
        for folder in spool_folders(spool_root(config.home)):
            ownership = adopt(folder, log=config.log)
            if ownership is None:
                continue
            drain = SpoolDrain(ownership)
            try:
                while (batch := drain.next_batch()) is not None:
                    if not _send(connection, drain, batch, deadline):
                        return Flushed(spools, events, is_complete=False)
                    events += len(batch.events)
                    if on_progress is not None:
                        on_progress(events)
            finally:
                drain.close()
            spools += 1
    finally:
        connection.close()
    return Flushed(spools, events, is_complete=True)


def _send(connection: LogConnection, drain: SpoolDrain, batch: Batch, deadline: float) -> bool:
    while not send_batch(connection, drain, batch):
        if time.monotonic() + connection.wait_s >= deadline:
            return False
        time.sleep(connection.wait_s)
    return True
