"""Flushing: what the processes of a home have written until now is brought to the log, in the foreground.

Where a sender is at work it is waited for; else this becomes the sender until everything is sent.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modeltrail.config import Config
from modeltrail.sending.place import Post, SendingPlace
from modeltrail.sending.sender import Sender
from modeltrail.spool.acknowledgement import Place, read_acknowledged
from modeltrail.spool.draining import SpoolDrain
from modeltrail.spool.layout import spool_folders, spool_root
from modeltrail.spool.ownership import is_alive, read_owner

WAIT_INTERVAL_S = 0.02
RING_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a flush did: spools of dead processes that were sent, and events that it sent itself.

    ``is_complete`` is False when the log did not take everything within the time; ``fault`` says why.
    """

    spools: int
    events: int
    is_complete: bool
    fault: str = ""


def _ignore(_heard: object) -> None:
    pass


def flush_spools(
    config: Config,
    *,
    timeout_ms: int,
    on_progress: Callable[[int], None] = _ignore,
    on_fault: Callable[[str], None] = _ignore,
) -> Flushed:
    """Bring to the log what was written until now.

    ``on_progress`` hears the number of events sent so far, ``on_fault`` why the log takes none, when that changes.
    Raises OSError when the home cannot be used.
    """
    deadline = time.monotonic() + timeout_ms / 1000
    if not spool_folders(spool_root(config.home)):
        return Flushed(0, 0, is_complete=True)
    place = SendingPlace.of(config.home, config.log)
    waiting, told = _Waiting(config), ""
    while True:
        post = place.take(wait_s=max(0.0, min(RING_INTERVAL_S, deadline - time.monotonic())))
        if post is not None:
            return _send(config, post, deadline, on_progress, on_fault)
        place.ring()
        until = min(deadline, time.monotonic() + RING_INTERVAL_S)
        while waiting.left() and time.monotonic() < until:
            time.sleep(WAIT_INTERVAL_S)
        fault = place.state().fault
        if not waiting.left() or time.monotonic() >= deadline:
            is_complete = not waiting.left(at_last=True)
            return Flushed(waiting.gone, 0, is_complete=is_complete, fault="" if is_complete else fault)
        if fault and fault != told:
            on_fault(fault)
        told = fault


class _Waiting:
    """The spools of a log as they are now, and which of them the log does not have up to here."""

    def __init__(self, config: Config) -> None:
        self.gone = 0
        self._places: dict[Path, Place] = {}
        for folder in spool_folders(spool_root(config.home)):
            log = read_owner(folder).log
            if log == config.log or (log == "" and not is_alive(folder)):
                self._places[folder] = SpoolDrain(folder).written()

    def left(self, *, at_last: bool = False) -> bool:
        """Return whether one of them is left.

        The spool of a process that ended is left until it is gone: its runs are still to be ended, while the sender
        holds its lock as its process did. ``at_last`` the log's word for all that was written is enough: in another
        container, a process may live though it is not seen.
        """
        for folder, place in list(self._places.items()):
            if not folder.is_dir():
                self.gone += 1
                del self._places[folder]
            elif (
                read_acknowledged(folder) >= place
                and is_alive(folder)
                and (at_last or not read_owner(folder).has_ended())
            ):
                del self._places[folder]
        return bool(self._places)


def _send(
    config: Config,
    post: Post,
    deadline: float,
    on_progress: Callable[[int], None],
    on_fault: Callable[[str], None],
) -> Flushed:
    faults: list[str] = []

    def hear(fault: str) -> None:
        faults.append(fault)
        if fault:
            on_fault(fault)

    sender = Sender(config, post, on_fault=hear)
    try:
        while True:
            sender.round(at_once=True)
            on_progress(sender.events)
            is_complete = sender.has_all
            if is_complete or time.monotonic() + sender.retry_in_s >= deadline:
                fault = "" if is_complete else sender.trouble or (faults[-1] if faults else "")
                return Flushed(sender.spools, sender.events, is_complete=is_complete, fault=fault)
            time.sleep(max(sender.retry_in_s, WAIT_INTERVAL_S))
    finally:
        sender.close()
