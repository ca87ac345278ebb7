"""Real processes to break. They are forked from a server that has imported everything, so a thousand cost minutes.

What they do is in ``work.py``; what they report comes through a pipe, up to their last breath.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

ANSWER_TIMEOUT_S = 120
_IMPORTED_BEFORE = (
    "kafka",
    "modeltrail.log.embedded",
    "modeltrail.log.kafka",
    "modeltrail.run",
    "modeltrail.sending.flushing",
    "modeltrail_server.audit",
    "modeltrail_server.projection.rebuilding",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
)
Message = tuple[Any, ...]


class Worker:
    """One process that runs ``target(report, *arguments, **options)``; ``report(*message)`` is heard here."""

    def __init__(self, target: Callable[..., None], *arguments: object, **options: object) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(_IMPORTED_BEFORE))
        self.heard: list[Message] = []
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(sender, target, arguments, options))
        self._process.start()
        sender.close()

    @property
    def pid(self) -> int:
        """Return the process's id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Return whether the process runs, or stands still."""
        return self._process.is_alive()

    def wait_for(self, kind: str, *, count: int = 1) -> Message:
        """Return the ``count``-th message of this kind from now on; AssertionError when the process ends before."""
        while True:
            assert self._receiver.poll(ANSWER_TIMEOUT_S), f"process {self.pid} says nothing: {self.heard[-5:]}"
            try:
                message = self._receiver.recv()
            except (EOFError, OSError):  # between two messages, or in one
                raise AssertionError(f"process {self.pid} ended before {kind!r}: {self.heard[-5:]}") from None
            self.heard.append(message)
            if message[0] == kind:
                count -= 1
                if not count:
                    return message

    def wait_until_ready(self) -> None:
        """Return when it has said that it is ready: from then on it ends well when it is asked to."""
        if not any(message[0] == "ready" for message in self.heard):
            self.wait_for("ready")

    def drain(self) -> None:
        """Hear what was said so far: a process whose words nobody hears stands still when the pipe is full."""
        while self._receiver.poll():
            try:
                self.heard.append(self._receiver.recv())
            except (EOFError, OSError):
                return

    def kill(self) -> None:
        """End it at once, as a crash would; returns when it is gone. May be called twice."""
        with suppress(ProcessLookupError):
            if self._process.is_alive():
                os.kill(self.pid, signal.SIGKILL)
        self.join()

    def terminate(self) -> None:
        """Ask it to end (SIGTERM), and do not wait; one that ended by itself needs no asking."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def join(self) -> int:
        """Wait for its end and hear what it said; return its exit code."""
        self._listen()
        self._process.join(ANSWER_TIMEOUT_S)
        assert self._process.exitcode is not None, f"process {self.pid} does not end"
        return self._process.exitcode

    def close(self) -> None:
        """Kill it if need be, and free what it took."""
        self.kill()
        self._receiver.close()
        self._process.close()

    def freeze(self) -> None:
        """Stop it where it is (SIGSTOP); returns when it stands."""
        os.kill(self.pid, signal.SIGSTOP)
        self.wait_until_frozen()

    def wait_until_frozen(self) -> None:
        """Return when it stands still, whoever stopped it."""
        process, deadline = psutil.Process(self.pid), time.monotonic() + ANSWER_TIMEOUT_S
        while process.status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline, f"process {self.pid} does not stop"
            time.sleep(0.01)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def _listen(self) -> None:
        try:
            while self._receiver.poll(ANSWER_TIMEOUT_S):
                self.heard.append(self._receiver.recv())
        except (EOFError, OSError):
            pass


def _run(sender: Any, target: Callable[..., None], arguments: tuple[object, ...], options: dict[str, object]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt from the keyboard is for the tests

    def report(*message: object) -> None:
        sender.send(message)

    target(report, *arguments, **options)
