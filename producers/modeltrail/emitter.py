"""The emitter: where the run API writes its notes. One per process and home; nothing here raises into the caller.

``emit`` costs one JSON text and one ``write(2)``; everything else (encoding, the log) is the sender's, in a thread of
its own, started at the first note. After ``fork`` the child's emitter has an id and a spool of its own.
"""

import atexit
import logging
import os
import shutil
import socket
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modeltrail_schemas.event import RunState
from modeltrail_schemas.identity import new_event_id

from modeltrail.config import Config
from modeltrail.log.filesystem import network_filesystem
from modeltrail.notes import TIME_STEP_NS, Fields, encode_note, gap_note, track_open_runs
from modeltrail.spool.layout import Header, spool_root, used_bytes
from modeltrail.spool.writing import SpoolWriter

if TYPE_CHECKING:
    from modeltrail.sender import Sender

SYNC_INTERVAL_S = 0.1
MEASURE_INTERVAL_S = 1.0
REOPEN_INTERVAL_S = 10.0
CLOSE_TIMEOUT_MS = 10_000
MAX_LOSSES_NAMED = 1_000
_HOME_REMEDY = "set MODELTRAIL_HOME to a folder on a local disk that this user can write"
_LOGGER = logging.getLogger("modeltrail")


@dataclass(slots=True)
class _Loss:
    """Notes of one run that could not be kept."""

    reason: str
    first_sequence: int
    last_sequence: int
    count: int = 1


class _Session:
    """What an emitter has while it is open in one process: its spool, and the threads that sync and send it."""

    def __init__(self, config: Config, emitter_id: str) -> None:
        self.id = emitter_id
        host = socket.gethostname()
        root = spool_root(config.home)
        self.writer = SpoolWriter.create(root, emitter_id, host)
        self.sequence = 0
        self.open_runs: dict[str, Fields] = {}
        self.header = Header()
        self.room_bytes = config.max_spool_bytes - used_bytes(root)
        self.sender: Sender | None = None
        self._config = config
        self._host = host
        self._closed = threading.Event()
        self._ready = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads. Raises RuntimeError when the interpreter is about to exit: the spool keeps the notes."""
        for name, target in (("modeltrail-sync", self._sync), ("modeltrail-send", self._send)):
            thread = threading.Thread(target=target, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def emitter_fields(self, rank: int) -> Fields:
        """Return the ``emitter`` of the note being written."""
        return {
            "id": self.id,
            "rank": rank,
            "sequence": self.sequence,
            "host": self._host,
            "process_id": self.writer.ownership.owner.process_id,
        }

    def wait(self, deadline: float, *, give_up_when_failing: bool = False) -> bool:
        """Wait until the log has everything written so far."""
        if not self._threads or not self._ready.wait(max(0.0, deadline - time.monotonic())) or self.sender is None:
            return False
        return self.sender.wait_for(self.writer.place, deadline, give_up_when_failing=give_up_when_failing)

    def close(self, deadline: float) -> None:
        """End the threads and let go of the spool, which is gone if all of it was sent."""
        self._closed.set()
        if self.sender is not None:
            self.sender.stop()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self.sender is not None and self.sender.has_all(self.writer.place) and not self.open_runs:
            shutil.rmtree(self.writer.ownership.folder, ignore_errors=True)
        self.writer.close()

    def _sync(self) -> None:
        synced, measured = (0, 0), 0.0
        while not self._closed.wait(SYNC_INTERVAL_S):
            place = self.writer.place
            try:
                if place != synced:
                    self.writer.sync()
                    synced = place
                if time.monotonic() - measured >= MEASURE_INTERVAL_S:
                    measured = time.monotonic()
                    self.room_bytes = self._config.max_spool_bytes - used_bytes(spool_root(self._config.home))
            except (OSError, ValueError):
                continue  # a rotation closed the file meanwhile, or the disk fails: the next write tells

    def _send(self) -> None:
        try:
            from modeltrail.sender import Sender  # kafka and fastavro load here, in this thread

            self.sender = Sender(self._config, self.writer.ownership, lambda: self.writer.place)
        finally:
            self._ready.set()
        self.sender.run()


class Emitter:
    """Appends notes to the spool of this process. Safe for threads, asyncio, signal handlers and ``fork``."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.RLock()
        self._session: _Session | None = None
        self._left_behind: list[_Session] = []
        self._last_ns = 0
        self._losses: dict[str, _Loss] = {}
        self._reopen_at = 0.0
        self._warned: set[str] = set()
        self.dropped_notes = 0
        """Notes that could not be kept since the process started."""
        _EMITTERS.add(self)

    def emit(self, note: Mapping[str, Any], *, durable: bool = False, rank: int = 0) -> None:
        """Write one note (see notes.py), stamped with time and emitter; ``rank`` is the writer's in a distributed run.

        With ``durable`` it survives a power cut on return; without, ``kill -9`` at once and a power cut 100 ms later.
        Never raises: what cannot be kept is counted, warned of once, and becomes a gap.
        """
        try:
            with self._lock:
                self._emit(note, durable=durable, rank=rank)
        except Exception as error:  # noqa: BLE001 - training goes on, whatever happens here
            self._drop(note, f"a note could not be written: {error!r}", rank)

    def flush(self, timeout_ms: int) -> bool:
        """Wait until the log has all that was emitted; return whether it has."""
        deadline = time.monotonic() + timeout_ms / 1000
        session = self._session
        if session is None:
            return not self._losses
        try:
            session.writer.sync()
        except OSError:
            return False
        return session.wait(deadline)

    def close(self, timeout_ms: int = CLOSE_TIMEOUT_MS) -> None:
        """Send what can be sent within ``timeout_ms`` and let go of the spool; the rest is sent by the next process.

        A log that does not answer is not waited for. A later ``emit`` opens a new spool.
        """
        deadline = time.monotonic() + timeout_ms / 1000
        with self._lock:
            session, self._session = self._session, None
        if session is None:
            return
        try:
            session.writer.sync()
            session.wait(min(deadline, time.monotonic() + 2.0), give_up_when_failing=True)
            session.close(min(deadline, time.monotonic() + 0.5))
        except (OSError, RuntimeError):
            return  # the spool stays, for the next process

    def _emit(self, note: Mapping[str, Any], *, durable: bool, rank: int) -> None:
        session = self._session or self._open()
        if session is None:
            self._drop(note, "the spool cannot be written", rank)
            return
        if self._losses:
            self._write_losses(session)
        payload = self._stamp(session, encode_note(note), rank)
        if len(payload) > session.room_bytes:
            raise OSError(f"the spool reached its bound of {self._config.max_spool_bytes} bytes")
        session.room_bytes -= session.writer.append(payload)
        if note.get("type") != RunState.RUNNING:
            track_open_runs(session.open_runs, note)
        if session.writer.is_full:
            session.writer.rotate(Header(session.open_runs, self._last_ns, session.emitter_fields(rank)))
        if durable:
            session.writer.sync()

    def _stamp(self, session: _Session, note: bytes, rank: int) -> bytes:
        session.sequence += 1
        self._last_ns = max(time.time_ns(), self._last_ns + TIME_STEP_NS)
        stamp = encode_note({"event_time_ns": self._last_ns, "emitter": session.emitter_fields(rank)})
        return b"%b,%b" % (stamp[:-1], note[1:])

    def _open(self) -> _Session | None:
        """Open a spool and start its threads; None when that is not possible, tried again a little later."""
        if time.monotonic() < self._reopen_at:
            return None
        home = self._config.home
        self._last_ns = max(time.time_ns(), self._last_ns + TIME_STEP_NS)
        emitter_id = new_event_id(self._last_ns, os.urandom(8)).hex()
        try:
            if kind := network_filesystem(home):
                raise OSError(f"it is on a network file system ({kind}), where locks and order cannot be trusted")
            session = _Session(self._config, emitter_id)
        except OSError as error:
            self._reopen_at = time.monotonic() + REOPEN_INTERVAL_S
            self._warn(
                "home", "nothing is recorded: the home %s cannot be used: %s. Remedy: %s", home, error, _HOME_REMEDY
            )
            return None
        self._session = session
        try:
            session.start()
        except RuntimeError as error:
            self._warn("threads", "what is recorded now is sent by the next process: %s", error)
        return session

    def _drop(self, note: Mapping[str, Any], reason: str, rank: int) -> None:
        with self._lock:
            self.dropped_notes += 1
            self._warn("drop", "a note was lost: %s; the log will show a gap", reason)
            sequence = self._session.sequence if self._session else 0
            run_id = str(note.get("run_id", ""))
            loss = self._losses.get(run_id)
            if loss is not None:
                loss.count, loss.last_sequence = loss.count + 1, sequence
            elif len(self._losses) < MAX_LOSSES_NAMED:
                self._losses[run_id] = _Loss(reason, sequence, sequence)

    def _write_losses(self, session: _Session) -> None:
        for run_id, loss in list(self._losses.items()):
            gap = gap_note(
                run_id,
                reason=loss.reason,
                lost=loss.count,
                first_sequence=loss.first_sequence,
                last_sequence=loss.last_sequence,
            )
            session.room_bytes -= session.writer.append(self._stamp(session, encode_note(gap), 0))
            del self._losses[run_id]

    def _warn(self, about: str, message: str, *arguments: object) -> None:
        if about not in self._warned:
            self._warned.add(about)
            _LOGGER.warning(message, *arguments)

    def _after_fork_in_child(self) -> None:
        """Begin anew: the lock may be held by a thread that is gone, and the spool is the parent's."""
        session, self._session = self._session, None
        self._lock = threading.RLock()
        self._losses = {}
        if session is not None:
            session.writer.close()
            # Kept, so that what the parent has open (a database file) is not closed from here.
            self._left_behind.append(session)


# The process's own: fork reaches every emitter, and one home has one emitter.
_EMITTERS: "weakref.WeakSet[Emitter]" = weakref.WeakSet()
_BY_HOME: dict[tuple[Path, str], Emitter] = {}
_BY_HOME_LOCK = threading.Lock()


def emitter_for(config: Config) -> Emitter:
    """Return the emitter of this process for a home and log; it is closed, within bounds, when the process exits."""
    with _BY_HOME_LOCK:
        key = config.home.absolute(), config.log
        if key not in _BY_HOME:
            _BY_HOME[key] = Emitter(config)
            atexit.register(_BY_HOME[key].close)
        return _BY_HOME[key]


def _after_fork_in_child() -> None:
    global _BY_HOME_LOCK
    _BY_HOME_LOCK = threading.Lock()
    for emitter in list(_EMITTERS):
        emitter._after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
