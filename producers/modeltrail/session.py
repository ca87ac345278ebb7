"""A session: what an emitter has open in one process: its spool, and the two threads that sync and send it.

Nothing here is called in the caller's thread except to open, to wait and to close.
"""

import logging
import os
import socket
import threading
import time
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from modeltrail.config import Config
from modeltrail.notes import Fields
from modeltrail.spool.layout import spool_root, used_bytes
from modeltrail.spool.ownership import discard
from modeltrail.spool.writing import SpoolWriter

if TYPE_CHECKING:
    from modeltrail.sender import Sender

_LOGGER = logging.getLogger("modeltrail")
SYNC_INTERVAL_S = 0.1
MEASURE_INTERVAL_S = 1.0
MAX_SILENCE_S = 1.8
"""How long closing waits for a log that neither takes an event nor refuses one."""

MAX_JOIN_S = 0.2
"""How long closing waits, after that, for the sender to come out of what it is doing."""


class Session:
    """An open spool and its threads. ``sequence``, ``open_runs`` and ``room_bytes`` are kept by the emitter."""

    def __init__(self, config: Config, emitter_id: str) -> None:
        """Make the spool. Raises OSError."""
        root = spool_root(config.home)
        self.id = emitter_id
        self.writer = SpoolWriter.create(root, emitter_id, host=socket.gethostname(), log=config.log)
        self.sequence = 0
        self.open_runs: dict[str, Fields] = {}
        self.room_bytes = config.max_spool_bytes - used_bytes(root)
        self.imported = threading.Event()
        self._config = config
        self._closing = threading.Event()
        self._sender: Sender | None = None
        self._send_thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the threads. Raises RuntimeError at the interpreter's exit: the spool keeps the notes."""
        send_thread = threading.Thread(target=self._send, name="modeltrail-send", daemon=True)
        try:
            send_thread.start()
        except RuntimeError:
            self.imported.set()
            raise
        self._send_thread = send_thread
        threading.Thread(target=self._sync, name="modeltrail-sync", daemon=True).start()

    def next_emitter_fields(self, rank: int) -> Fields:
        """Return the ``emitter`` of the next note."""
        owner = self.writer.ownership.owner
        return {
            "id": self.id,
            "rank": rank,
            "sequence": self.sequence + 1,
            "host": owner.host,
            "process_id": owner.process_id,
        }

    def wait(self, deadline: float, *, max_silence_s: float | None = None) -> bool:
        """Wait until the log has everything written so far; return whether it has.

        With ``max_silence_s`` the wait ends when an attempt fails, or when nothing was acknowledged for that long.
        """
        if self._send_thread is None:
            return False
        limit_s = max(0.0, deadline - time.monotonic())
        self.imported.wait(limit_s if max_silence_s is None else min(limit_s, max_silence_s))
        if self._sender is None:
            return False
        return self._sender.wait_for(self.writer.place, deadline, max_silence_s=max_silence_s)

    def close(self, deadline: float) -> None:
        """Send what the log takes until ``deadline`` and end the threads; the last of them lets go of the spool."""
        if not self.wait(deadline, max_silence_s=MAX_SILENCE_S):
            _LOGGER.warning(
                "what was recorded last is not in the log yet: it is kept in %s and sent by the next process, "
                "or by: modeltrail spool flush",
                self.writer.ownership.folder,
            )
        self._closing.set()
        if self._sender is not None:
            self._sender.stop()
        if self._send_thread is None:
            self._let_go()
        else:
            self._send_thread.join(min(MAX_JOIN_S, max(0.0, deadline - time.monotonic())))

    def leave_to_parent(self) -> None:
        """In a forked child: close what would keep the parent's locks alive, and touch nothing else."""
        self.writer.close()
        if self._sender is not None:
            self._sender.leave_to_parent()

    def _let_go(self) -> None:
        sent = self._sender is not None and self._sender.acknowledged >= self.writer.place
        if sent and not self.open_runs:
            with suppress(OSError):  # what cannot be removed now, the next process removes
                discard(self.writer.ownership)
        self.writer.close()

    def _sync(self) -> None:
        synced, measured = (0, 0), 0.0
        while not self._closing.wait(SYNC_INTERVAL_S):
            place = self.writer.place
            with suppress(OSError):  # a disk that fails is noticed by the next write
                if place != synced:
                    self.writer.sync()
                    synced = place
                if time.monotonic() - measured >= MEASURE_INTERVAL_S:
                    measured = time.monotonic()
                    self.room_bytes = self._config.max_spool_bytes - used_bytes(spool_root(self._config.home))

    def _send(self) -> None:
        process_id = os.getpid()
        try:
            from modeltrail.sender import Sender  # fastavro loads here, in this thread

            with suppress(ImportError):
                import_module(f"modeltrail.log.{'kafka' if self._config.log.startswith('kafka:') else 'embedded'}")
            self._sender = Sender(self._config, self.writer.ownership, lambda: self.writer.place)
        finally:
            self.imported.set()
        if not self._closing.is_set():
            self._sender.run()
        if os.getpid() == process_id:
            self._let_go()
