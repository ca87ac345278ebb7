"""Where the processes of a home and the sender to one log find each other: its lock, its bell, and what it tells.

    <home>/senders/<digest of the log's address>/lock         held by flock while a sender is there
                                                 bell         a FIFO; the sender listens, whoever writes wakes it
                                                 state.json   whether the log answers, and what else there is to know
                                                 sender.log   what the process has to say

A sender takes the lock, then listens. Before it goes it stops to listen and looks at the spools a last time. So
whoever made a spool and then found a listener is seen. Imports nothing slow: callers' threads look here.
"""

import fcntl
import hashlib
import json
import os
import select
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

TAKE_INTERVAL_S = 0.01
MAX_NOTICES = 20
MAX_LISTEN_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Notice:
    """Something people should know of, once; ``time_ns`` since 1970."""

    time_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class SenderState:
    """What a sender tells: who it is, why the log cannot be reached (empty: nothing is known against it), notices."""

    process_id: int = 0
    fault: str = ""
    since_ns: int = 0
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class SendingPlace:
    """The meeting place of one home and log. Every path of it is made here."""

    folder: Path

    @classmethod
    def of(cls, home: Path, log: str) -> "SendingPlace":
        """Return the place for a log's address."""
        return cls(home.absolute() / "senders" / hashlib.sha256(log.encode()).hexdigest()[:16])

    @property
    def lock_file(self) -> Path:
        """Return the file that a sender holds locked."""
        return self.folder / "lock"

    @property
    def bell_file(self) -> Path:
        """Return the FIFO that a sender listens to."""
        return self.folder / "bell"

    @property
    def state_file(self) -> Path:
        """Return the file in which a sender tells its state."""
        return self.folder / "state.json"

    @property
    def log_file(self) -> Path:
        """Return the file that a sender's process logs to."""
        return self.folder / "sender.log"

    def is_served(self) -> bool:
        """Return whether a sender listens."""
        try:
            os.close(os.open(self.bell_file, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            return False
        return True

    def ring(self) -> bool:
        """Wake the sender: it looks at the spools, and tries the log, at once. Return whether one listens."""
        try:
            descriptor = os.open(self.bell_file, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            os.write(descriptor, b"!")
        except BlockingIOError:  # it has been rung often enough
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def state(self) -> SenderState:
        """Return what the sender that is or was there last told."""
        try:
            told = json.loads(self.state_file.read_bytes())
            return replace(SenderState(**told), notices=tuple(Notice(**notice) for notice in told["notices"]))
        except (OSError, ValueError, TypeError, KeyError):
            return SenderState()

    def take(self, *, wait_s: float) -> "Post | None":
        """Become the sender of this place; None when there is one. Raises OSError when the home cannot be used.

        One that is about to go, or has only just come, is waited for at most ``wait_s``.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.mkfifo(self.bell_file, 0o644)
        descriptor = os.open(self.lock_file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            if not self._lock(descriptor, time.monotonic() + wait_s):
                os.close(descriptor)
                return None
            os.ftruncate(descriptor, 0)
            self.state_file.unlink(missing_ok=True)
            return Post(self, descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def _lock(self, descriptor: int, deadline: float) -> bool:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self.is_served() or time.monotonic() >= deadline:
                    return False
                time.sleep(TAKE_INTERVAL_S)
            else:
                return True


class Post:
    """The sender's side of a place. It holds the lock until ``close``, and hears the bell while it listens."""

    def __init__(self, place: SendingPlace, lock: int) -> None:
        self.place = place
        self._lock = lock
        self._bell = -1
        self._state = SenderState()

    def listen(self) -> None:
        """Begin to listen: from now on a sender is there. Raises OSError."""
        self._state = replace(self._state, process_id=os.getpid())
        os.pwrite(self._lock, b"%d\n" % os.getpid(), 0)
        # Open for writing too, so that the FIFO never reports its end.
        self._bell = os.open(self.place.bell_file, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def unlisten(self) -> None:
        """Stop to listen; whoever comes from now on sees that nobody is there."""
        if self._bell >= 0:
            os.close(self._bell)
            self._bell = -1

    def wait(self, timeout_s: float) -> bool:
        """Wait for the bell; return whether it rang."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        if not poll.poll(timeout_s * 1000):
            return False
        with suppress(BlockingIOError):
            os.read(self._bell, MAX_LISTEN_BYTES)
        return True

    def tell_fault(self, fault: str) -> None:
        """Tell why the log cannot be reached, or with nothing, that it can."""
        if fault != self._state.fault:
            self._tell(replace(self._state, fault=fault, since_ns=time.time_ns()))

    def tell_notice(self, text: str) -> None:
        """Tell something that people should know of."""
        notices = (*self._state.notices, Notice(time.time_ns(), text))[-MAX_NOTICES:]
        self._tell(replace(self._state, notices=notices))

    def close(self) -> None:
        """Leave the place to the next; may be called twice. In a forked child: take nothing from the parent."""
        self.unlisten()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _tell(self, state: SenderState) -> None:
        self._state = state
        scratch = self.place.state_file.with_suffix(".new")
        with suppress(OSError):  # a full disk: people are told nothing, and sending goes on
            scratch.write_text(json.dumps(asdict(state)), "ascii")
            scratch.replace(self.place.state_file)
