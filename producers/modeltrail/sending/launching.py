"""The emitter's side of sending: see to it that a sender is there, at a bounded rate, and let go of it.

A process where one can be started, else a thread. Both do the same, sender.py; the thread ends with its process.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from modeltrail.config import Config
from modeltrail.sending.place import SendingPlace

if TYPE_CHECKING:
    from modeltrail.sending.sender import Sender

FIRST_INTERVAL_S = 2.0
MAX_INTERVAL_S = 60.0
"""A sender that dies again and again is started again less and less often."""

MAX_SETTINGS_BYTES = 60_000
"""What a pipe takes whole, before anybody reads it."""

TAKE_WAIT_S = 10.0
"""How long a new sender waits for one that is about to go, or for a flush in the foreground."""

FORK_WAIT_S = 5.0
IS_SENDER = "MODELTRAIL_IS_SENDER"
_ENVIRONMENT = frozenset(
    {
        *("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
        *("PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONPLATLIBDIR", "PYTHONUTF8"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "KRB5_CONFIG", "KRB5CCNAME", "KRB5_CLIENT_KTNAME", "KRB5_KTNAME"),
        *("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"),
    }
)
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE", "SIGCHLD", "SIGUSR1", "SIGUSR2", "SIGALRM")


class Launcher:
    """Keeps a sender at the place of a home and log. The emitter calls it under its lock, from one process.

    ``warn`` tells the user, and is called at most once.
    """

    def __init__(self, config: Config, warn: Callable[[str], None]) -> None:
        self.place = SendingPlace.of(config.home, config.log)
        self._config = config
        self._warn = warn
        self._child = 0
        self._thread = SenderThread(config, self.place) if config.sender == "thread" else None
        self._left_behind: list[SenderThread] = []
        self._started_at = float("-inf")
        self._interval_s = FIRST_INTERVAL_S

    def ensure(self) -> None:
        """Start a sender unless one is there, or was started a moment ago."""
        now = time.monotonic()
        self._reap()
        if self.place.is_served() or now < self._started_at + self._interval_s:
            return
        is_again = now < self._started_at + MAX_INTERVAL_S
        self._interval_s = min(MAX_INTERVAL_S, self._interval_s * 2) if is_again else FIRST_INTERVAL_S
        self._started_at = now
        if self._thread is None:
            try:
                self._child = start_process(self._config)
            except (OSError, ValueError, RuntimeError, NotImplementedError) as error:
                self._fall_back(str(error))
        if self._thread is not None:
            self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Let go: a thread ends, a process goes on alone."""
        self._reap()
        if self._thread is not None:
            self._thread.stop(timeout_s)
            self._started_at = float("-inf")

    def before_fork(self) -> None:
        """Wait for a thread's imports: a module that is half imported at a fork blocks the child for good."""
        if self._thread is not None:
            self._thread.wait_for_imports()

    def leave_to_parent(self) -> None:
        """In a forked child: keep nothing of the parent's sender, and begin anew."""
        self._child = 0
        self._started_at, self._interval_s = float("-inf"), FIRST_INTERVAL_S
        if self._thread is not None:
            self._thread.leave_to_parent()
            # Kept, so that what the parent has open (a database file) is not closed from here.
            self._left_behind.append(self._thread)
            self._thread = SenderThread(self._config, self.place)

    def _reap(self) -> None:
        """Take note of how the start went: what was started forks the sender, and ends."""
        if not self._child:
            return
        try:
            process_id, status = os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:  # the training code waits for all children itself
            process_id, status = self._child, 0
        if process_id:
            self._child = 0
            if code := os.waitstatus_to_exitcode(status):
                self._fall_back(f"it ended with {code}")

    def _fall_back(self, reason: str) -> None:
        self._thread = SenderThread(self._config, self.place)
        self._started_at = float("-inf")
        self._warn(f"no process can be started to send what is recorded ({reason}): a thread of this one does")


class SenderThread:
    """A sender in this process: at most one thread at a time."""

    def __init__(self, config: Config, place: SendingPlace) -> None:
        self._config = config
        self._place = place
        self._thread: threading.Thread | None = None
        self._sender: Sender | None = None
        self._imported = threading.Event()
        self._stopping = False

    def start(self) -> None:
        """Start the thread. At the interpreter's exit none can be started: the spool keeps the notes."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stopping = False
        thread = threading.Thread(target=self._run, name="modeltrail-send", daemon=True)
        with suppress(RuntimeError):
            thread.start()
            self._thread = thread

    def stop(self, timeout_s: float) -> None:
        """Let the thread end, after one more round."""
        self._stopping = True
        if self._sender is not None:
            self._sender.stop()
        if self._thread is not None:
            self._thread.join(max(0.0, timeout_s))

    def wait_for_imports(self) -> None:
        """Wait until the thread has imported what it needs."""
        if self._thread is not None:
            self._imported.wait(FORK_WAIT_S)

    def leave_to_parent(self) -> None:
        """In a forked child, where this thread is not: close its locks."""
        if self._sender is not None:
            self._sender.leave_to_parent()

    def _run(self) -> None:
        try:
            from modeltrail.sending.sender import Sender  # fastavro loads here, in this thread

            import_log(self._config)
        finally:
            self._imported.set()
        with suppress(OSError):  # the home is gone, or the disk is: another start tries again
            post = self._place.take(wait_s=TAKE_WAIT_S)
            if post is not None:
                self._sender = Sender(self._config, post)
                if self._stopping:
                    self._sender.stop()
                self._sender.run()


def import_log(config: Config) -> None:
    """Import what the log's address needs; an address that is wrong is told when it is opened."""
    with suppress(ImportError):
        if config.log.startswith("kafka:"):
            import modeltrail.log.kafka
        else:
            import modeltrail.log.embedded  # noqa: F401


def start_process(config: Config) -> int:
    """Start a sender in a session of its own, and return the id of the child that makes it and ends at once.

    Raises OSError, ValueError when that is not possible.
    """
    executable = sys.executable or ""
    if os.environ.get(IS_SENDER):
        raise ValueError("this process was itself started as one")
    if getattr(sys, "frozen", False) or "py" not in Path(executable).name.lower():
        raise ValueError(f"{executable or 'this program'} is no Python interpreter")
    settings = json.dumps(_settings(config)).encode()
    if len(settings) > MAX_SETTINGS_BYTES:
        raise ValueError(f"its settings have {len(settings):,} bytes")
    reading, writing = os.pipe()  # through a pipe: arguments and environment of a process are seen by others
    try:
        os.write(writing, settings)
        return os.posix_spawn(
            executable,
            [executable, "-P", "-m", "modeltrail.sending", str(config.home)],
            _environment(),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reading, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=[getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)],
        )
    finally:
        os.close(reading)
        os.close(writing)


def _settings(config: Config) -> dict[str, object]:
    return {
        "home": str(config.home.absolute()),
        "log": config.log,
        "log_options": dict(config.log_options),
        "sender_stay_s": config.sender_stay_s,
        "paths": [os.path.abspath(path) for path in sys.path],
    }


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT or name.startswith("LC_")}
    # Where this package is, before anything else: the script's own folder may hold modules of any name.
    import modeltrail_schemas

    here = [Path(__file__).parents[2], Path(modeltrail_schemas.__file__ or "").parents[1]]
    given = os.environ.get("PYTHONPATH")
    kept["PYTHONPATH"] = os.pathsep.join([*dict.fromkeys(map(str, here)), *([given] if given else [])])
    return kept | {IS_SENDER: "1"}
