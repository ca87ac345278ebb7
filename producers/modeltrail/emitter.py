"""The emitter: where the run API writes its notes. One per process and home; nothing here raises into the caller.

``emit`` costs one JSON text and one ``write(2)``; everything else (encoding, the log, the disk) is the sender's, a
process of its own (sending/), started at the first note. After ``fork`` the child's emitter has an id and a spool of
its own.
"""

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modeltrail_schemas.event import RunState
from modeltrail_schemas.identity import new_event_id

from modeltrail.config import Config
from modeltrail.log.filesystem import network_filesystem
from modeltrail.notes import PRESENCE, TIME_STEP_NS, encode_note, gap_note, track_open_runs
from modeltrail.sending.launching import Launcher
from modeltrail.session import Session
from modeltrail.spool.layout import Header

REOPEN_INTERVAL_S = 10.0
CLOSE_TIMEOUT_MS = 10_000
LOOK_INTERVAL_NS = 1_000_000_000
"""How often, at most, a note looks whether a sender is there, and what it tells."""

MAX_NOTE_BYTES = 16 * 1024 * 1024
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


class Emitter:
    """Appends notes to the spool of this process. Safe for threads, asyncio, signal handlers and ``fork``."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.RLock()
        self._deferred: deque[tuple[Mapping[str, Any], bool, int]] = deque()
        self._is_writing = False
        self._session: Session | None = None
        self._launcher = Launcher(config, lambda text: self._warn("start", "%s", text))
        self._fault = ""
        self._look_at_ns = 0
        self._last_ns = 0
        self._losses: dict[str, _Loss] = {}
        self._reopen_at = 0.0
        self._warned: set[str] = set()
        self.dropped_notes = 0
        """Notes that could not be kept since the process started."""
        _EMITTERS.add(self)

    @property
    def id(self) -> str:
        """Return the id under which this process writes; empty before its first note and after ``close``."""
        session = self._session
        return session.id if session is not None else ""

    @property
    def fault(self) -> str:
        """Return why the log takes nothing now, as its sender tells; empty where nothing is known against it."""
        return self._launcher.place.state().fault

    def emit(self, note: Mapping[str, Any], *, durable: bool = False, rank: int = 0) -> bool:
        """Write one note (see notes.py), stamped with time and emitter; ``rank`` is the process's in its run.

        It survives ``kill -9`` on return, and a power cut 100 ms later; with ``durable`` that too on return.
        Never raises: what cannot be kept is counted, warned of once, and becomes a gap. Returns whether it was kept;
        False also from within another call of this thread, which keeps it a moment later.
        """
        with self._lock:
            if self._is_writing:  # a signal handler or a finaliser, within a call of this thread
                self._deferred.append((note, durable, rank))
                return False
            if self._deferred:  # left over where an interrupt cut in
                self._write_deferred()
            self._is_writing = True
            try:
                kept = self._keep(note, durable, rank)
            finally:
                self._is_writing = False
            if self._deferred:
                self._write_deferred()
        return kept

    def flush(self, timeout_ms: int, *, patient: bool = True) -> bool:
        """Wait until the log has all that was emitted; return whether it has. False also when notes were lost.

        One who is not ``patient`` does not wait for a log that is known not to answer.
        """
        deadline = time.monotonic() + timeout_ms / 1000
        session = self._session
        if session is None or not self._sync(session):
            return session is None and not self._losses
        return self._wait(session, deadline, patient=patient) and not self._losses

    def close(self, timeout_ms: int = CLOSE_TIMEOUT_MS) -> None:
        """Wait at most ``timeout_ms`` for what was emitted to be in the log, and let go of the spool.

        A log that does not answer is not waited for; the sender goes on. A later ``emit`` opens a new spool.
        """
        deadline = time.monotonic() + timeout_ms / 1000
        if (session := self._session) is None:
            return
        self._sync(session)
        with self._lock:
            session, self._session = self._session, None
        if session is None:
            return
        if not self._wait(session, deadline, patient=False):
            _LOGGER.warning(
                "what was recorded last is not in the log yet: it is kept in %s and sent when the log answers, "
                "by the next process too, or by: modeltrail spool flush",
                session.writer.ownership.folder,
            )
        session.writer.close()
        self._launcher.stop(max(0.0, deadline - time.monotonic()))

    def _wait(self, session: Session, deadline: float, *, patient: bool) -> bool:
        is_sent = session.wait(self._launcher, deadline, patient=patient)
        self._hear(session)
        return is_sent

    def _write_deferred(self) -> None:
        self._is_writing = True
        try:
            while self._deferred:
                self._keep(*self._deferred.popleft())
        finally:
            self._is_writing = False

    def _keep(self, note: Mapping[str, Any], durable: bool, rank: int) -> bool:
        try:
            return self._emit(note, durable=durable, rank=rank)
        except Exception as error:  # noqa: BLE001 - training goes on, whatever happens here
            self._drop(note, str(error) or repr(error))
            return False

    def _emit(self, note: Mapping[str, Any], *, durable: bool, rank: int) -> bool:
        session = self._session or self._open()
        if session is None:
            self._drop(note, "the home cannot be used")
            return False
        body = encode_note(note)
        if self._losses:
            self._write_losses(session)
        self._append(session, body, rank)
        if note.get("type") != RunState.RUNNING or PRESENCE in note:
            track_open_runs(session.open_runs, note)
        if session.writer.is_full or durable:
            self._settle(session, rank, durable=durable)
        if self._last_ns >= self._look_at_ns:
            self._look_at_ns = self._last_ns + LOOK_INTERVAL_NS
            self._launcher.ensure()
            self._hear(session)
        return True

    def _append(self, session: Session, body: bytes, rank: int) -> None:
        """Write a note with its stamp before its own fields. Raises OSError, ValueError; it has no number then."""
        self._last_ns = max(time.time_ns(), self._last_ns + TIME_STEP_NS)
        payload = session.stamp(self._last_ns, rank) + body[1:]
        if len(payload) > MAX_NOTE_BYTES:
            raise ValueError(f"it has {len(payload):,} bytes, more than {MAX_NOTE_BYTES:,}")
        if not session.has_room(len(payload)):
            raise OSError(f"the spool reached its bound of {self._config.max_spool_bytes:,} bytes")
        session.writer.append(payload)
        session.sequence += 1

    def _settle(self, session: Session, rank: int, *, durable: bool) -> None:
        """Begin the next segment when one is due, and wait for the disk when asked; the note is written already."""
        try:
            if session.writer.is_full:
                session.writer.rotate(Header(session.open_runs, self._last_ns, session.emitter_fields(rank)))
            if durable:
                session.writer.sync()
        except OSError as error:
            self._warn("sync", "the spool cannot be written to the disk: %s", error)

    def _open(self) -> Session | None:
        """Open a spool and see to its sender; None when that is not possible, tried again a little later."""
        if time.monotonic() < self._reopen_at:
            return None
        home = self._config.home
        self._last_ns = max(time.time_ns(), self._last_ns + TIME_STEP_NS)
        emitter_id = new_event_id(self._last_ns, os.urandom(8)).hex()
        try:
            if kind := network_filesystem(home):
                raise OSError(f"it is on a network file system ({kind}), where locks cannot be trusted")
            session = Session(self._config, emitter_id)
        except OSError as error:
            self._reopen_at = time.monotonic() + REOPEN_INTERVAL_S
            self._warn("home", "nothing is recorded: the home %s cannot be used: %s; %s", home, error, _HOME_REMEDY)
            return None
        self._session = session
        self._fault = ""
        self._look_at_ns = self._last_ns + LOOK_INTERVAL_NS
        self._launcher.ensure()
        self._launcher.place.ring()
        return session

    def _hear(self, session: Session) -> None:
        """Tell the user what the sender tells: that the log went away or came back, and each notice once."""
        state = self._launcher.place.state()
        if state.fault and not self._fault:
            _LOGGER.warning(
                "the log cannot be reached: %s. Recording goes on in %s and is sent when the log answers",
                state.fault,
                session.writer.ownership.folder.parent,
            )
        elif self._fault and not state.fault:
            _LOGGER.warning("the log %s is back; what waited is sent", self._config.log)
        self._fault = state.fault
        for notice in state.notices:
            if notice.time_ns >= session.started_ns:
                self._warn(f"notice:{notice.time_ns}", "%s", notice.text)

    def _drop(self, note: Mapping[str, Any], reason: str) -> None:
        self.dropped_notes += 1
        if self._session is not None:
            self._warn("drop", "a note could not be kept: %s; the log will show a gap", reason)
            self._session.sequence += 1
        sequence = self._session.sequence if self._session else 0
        run_id = str(note.get("run_id", ""))
        loss = self._losses.get(run_id)
        if loss is not None:
            loss.count, loss.last_sequence = loss.count + 1, sequence
        elif len(self._losses) < MAX_LOSSES_NAMED:
            self._losses[run_id] = _Loss(reason, sequence, sequence)

    def _write_losses(self, session: Session) -> None:
        """Write a gap for each run that lost notes. Raises as ``_append``: then they stay lost notes to tell of."""
        for run_id, loss in list(self._losses.items()):
            gap = gap_note(
                run_id,
                reason=loss.reason,
                lost=loss.count,
                first_sequence=loss.first_sequence,
                last_sequence=loss.last_sequence,
            )
            self._append(session, encode_note(gap), 0)
            del self._losses[run_id]

    def _sync(self, session: Session) -> bool:
        """Bring what was written, and what was lost, to the disk; return whether that went well."""
        try:
            with self._lock:
                if not self._is_writing:
                    self._write_deferred()
                    self._write_losses(session)
            session.writer.sync()
        except (OSError, ValueError) as error:
            self._warn("sync", "the spool cannot be written to the disk: %s", error)
            return False
        return True

    def _warn(self, about: str, message: str, *arguments: object) -> None:
        if about not in self._warned:
            self._warned.add(about)
            _LOGGER.warning(message, *arguments)

    def _before_fork(self) -> None:
        self._launcher.before_fork()

    def _after_fork_in_child(self) -> None:
        """Begin anew: the lock may be held by a thread that is gone, and the spool is the parent's."""
        session, self._session = self._session, None
        self._lock = threading.RLock()
        self._deferred.clear()
        self._is_writing = False
        self._losses = {}
        self._launcher.leave_to_parent()
        if session is not None:
            session.writer.close()


# The process's own: fork reaches every emitter, and one home has one emitter.
_EMITTERS: "weakref.WeakSet[Emitter]" = weakref.WeakSet()
_BY_HOME: dict[tuple[Path, str], Emitter] = {}
_BY_HOME_LOCK = threading.RLock()


def emitter_for(config: Config) -> Emitter:
    """Return the emitter of this process for a home and log; it is closed, within bounds, when the process exits."""
    with _BY_HOME_LOCK:
        key = config.home.absolute(), config.log
        if key not in _BY_HOME:
            _BY_HOME[key] = Emitter(config)
            atexit.register(_BY_HOME[key].close)
        return _BY_HOME[key]


def _before_fork() -> None:
    for emitter in list(_EMITTERS):
        emitter._before_fork()


def _after_fork_in_child() -> None:
    global _BY_HOME_LOCK
    _BY_HOME_LOCK = threading.RLock()
    for emitter in list(_EMITTERS):
        emitter._after_fork_in_child()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
