"""The sender: brings the spools of a home, of living and of dead processes, to their log, and goes when none is left.

It looks rather than being told: every POLL_INTERVAL_S it sees what was written and who died. It runs as a process
(__main__.py), or as a thread where none can be started; nothing in it may raise into another thread.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modeltrail.config import Config
from modeltrail.sending.connection import LogConnection, send_batch
from modeltrail.sending.place import Post
from modeltrail.sending.syncing import SpoolSyncer
from modeltrail.spool.draining import SpoolDrain
from modeltrail.spool.layout import owner_file, spool_folders, spool_root
from modeltrail.spool.ownership import adopt, read_owner, remove_unfinished

POLL_INTERVAL_S = 0.05
"""How long a note lies unseen at most, in an idle system."""

DISCOVERY_INTERVAL_S = 0.1
"""How often a sender looks for new spools, and for processes that died; a new emitter rings."""

LINGER_S = 0.2
"""How far apart the batches of one spool are: what is noted meanwhile is merged into fewer events."""

IDLE_S = 2.0
"""How long a sender stays when no process of the home is left and everything is sent: the next may come soon."""

FAULT_INTERVAL_S = 1.0
"""How long a spool is left alone that could not be read or written."""

TERMINATION_S = 5.0
"""How long a sender goes on after SIGTERM, for the processes that are ending too."""

_LOGGER = logging.getLogger("modeltrail")


@dataclass(slots=True)
class _Served:
    """A spool, and when to look at it next."""

    drain: SpoolDrain
    lives: bool = True
    look_at: float = 0.0


class Sender:
    """Drains all spools of a home whose events go to one log. It holds the ``post`` meanwhile, and gives it up."""

    def __init__(self, config: Config, post: Post, *, on_fault: Callable[[str], None] | None = None) -> None:
        self._config = config
        self._post = post
        self._root = spool_root(config.home)
        self._on_fault = on_fault
        self._connection = LogConnection(config, self._changed)
        self._served: dict[str, _Served] = {}
        self._foreign: set[str] = set()
        self._discover_at = 0.0
        self._needed_at = time.monotonic()
        self._end_at = float("inf")
        self._stopping = False
        self._reported: set[str] = set()
        self.spools = 0
        """How many spools of dead processes were sent and removed."""
        self.events = 0
        """How many events the log took."""
        self.trouble = ""
        """What kept the last round from reading or writing a spool, a full disk say; empty where nothing did."""

    def run(self) -> None:
        """Send until nobody needs it any more, ``stop`` or ``terminate``; what is left stays in the spools."""
        try:
            with SpoolSyncer(self._root).at_work():
                self._post.listen()
                remove_unfinished(self._root)
                self._serve()
        finally:
            self.close()

    def stop(self) -> None:
        """Let ``run`` return after one more round."""
        self._stopping = True
        self._post.place.ring()

    def terminate(self) -> None:
        """Let ``run`` return when everything is sent, or after TERMINATION_S."""
        self._end_at = min(self._end_at, time.monotonic() + TERMINATION_S)

    def round(self, *, at_once: bool) -> None:
        """Look at all spools and send what is due; ``at_once`` whatever the linger and the backoff say."""
        now = time.monotonic()
        self.trouble = ""
        if at_once or now >= self._discover_at:
            self._discover()
        if self._connection.wait_s and not at_once:
            return
        for name, served in list(self._served.items()):
            if at_once or now >= served.look_at:
                self._look_after(name, served)
                if self._connection.is_failing:
                    return

    @property
    def has_all(self) -> bool:
        """Return whether the log has all that was written when the last round began, of every spool."""
        return not any(not served.lives or served.drain.place < served.drain.written() for served in self._all())

    @property
    def retry_in_s(self) -> float:
        """Return how long to wait before the next attempt makes sense."""
        return max(self._connection.wait_s, FAULT_INTERVAL_S if self.trouble else 0.0)

    def close(self) -> None:
        """Close log, spools and post; may be called twice."""
        self._connection.close()
        for served in self._all():
            served.drain.close()
        self._served.clear()
        self._post.close()

    def leave_to_parent(self) -> None:
        """In a forked child: close the locks, which are the parent's, and touch nothing else."""
        for served in self._all():
            served.drain.close()
        self._post.close()

    def _all(self) -> list[_Served]:
        return list(self._served.values())

    def _serve(self) -> None:
        while True:
            at_once = self._post.wait(POLL_INTERVAL_S)
            is_last = self._stopping
            try:
                self.round(at_once=at_once or is_last)
            except Exception as error:  # noqa: BLE001 - a fault here must not end the sending
                self._report(error)
            if is_last:
                return
            if self._may_go():
                self._post.unlisten()
                known = set(self._served)
                self._discover()
                if time.monotonic() >= self._end_at or set(self._served) <= known:
                    return
                self._post.listen()  # somebody came while this sender still seemed to be there

    def _may_go(self) -> bool:
        """Return whether nobody needs this sender: none lives, and nothing waits, or the log takes nothing."""
        now = time.monotonic()
        if now >= self._end_at:
            return True
        if any(served.lives for served in self._all()):
            self._needed_at = now
            return False
        patience_s = self._config.sender_stay_s if self._served else min(IDLE_S, self._config.sender_stay_s)
        is_ending = not self._served and self._end_at != float("inf")
        return is_ending or now - self._needed_at >= patience_s

    def _discover(self) -> None:
        """Find new spools, forget removed ones, and see which of the others lost their process."""
        self._discover_at = time.monotonic() + DISCOVERY_INTERVAL_S
        folders = {folder.name: folder for folder in spool_folders(self._root)}
        for name in self._served.keys() - folders:
            self._served.pop(name).drain.close()
        for name in sorted(folders.keys() - self._served - self._foreign):
            self._meet(folders[name])
        for served in self._all():
            if served.lives and not served.drain.look_for_owner():
                served.lives, served.look_at = False, 0.0

    def _meet(self, folder: Path) -> None:
        owner = read_owner(folder)
        ownership = adopt(folder) if owner.log in (self._config.log, "") else None
        is_ours = owner.log == self._config.log and os.access(owner_file(folder), os.W_OK)
        if ownership is None and not is_ours:  # without a name (a power cut can empty the file) only if it is dead
            self._foreign.add(folder.name)
            return
        self._served[folder.name] = _Served(SpoolDrain(folder, ownership), lives=ownership is None)

    def _look_after(self, name: str, served: _Served) -> None:
        """Send what waits in one spool. Its fault is no other's; it is tried again later."""
        drain = served.drain
        try:
            sent = self._drain(drain)
            served.look_at = time.monotonic() + (LINGER_S if sent and served.lives else 0.0)
        except Exception as error:  # noqa: BLE001 - one spool's fault is no other's
            self._report(error)
            self.trouble = f"a spool cannot be read or written: {error}"
            served.look_at = time.monotonic() + FAULT_INTERVAL_S
        else:
            if drain.finished:
                self.spools += 1
                drain.close()
                del self._served[name]

    def _drain(self, drain: SpoolDrain) -> bool:
        """Send what was written when this began: what comes meanwhile is merged into the next batch's events."""
        sent = False
        if not drain.is_dead and not drain.has_news():
            return sent
        until = drain.written()
        while drain.is_dead or drain.place < until:
            batch = drain.next_batch()
            if batch is None or not send_batch(self._connection, drain, batch):
                break
            self.events += len(batch.events)
            self._needed_at = time.monotonic()
            sent = True
        return sent

    def _changed(self, fault: str) -> None:
        self._post.tell_fault(fault)
        if self._on_fault is not None:
            self._on_fault(fault)

    def _report(self, error: Exception) -> None:
        text = f"sending events failed and is tried again: {error!r}"
        if text not in self._reported:
            self._reported.add(text)
            _LOGGER.warning(text)
