"""A real server as a child process: started, stopped, killed, paused, and started again where it was.

Says nothing of Kafka or PostgreSQL; each of those names its command, and the line in its log that means "ready".
"""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

PREPARE_TIMEOUT_S = 120
START_TIMEOUT_S = 180
STOP_TIMEOUT_S = 60
# Below the ports a kernel hands out for outgoing connections: a client that tries again while the server is down must
# neither take the server's port nor, on loopback, end up connected to itself.
PORT_RANGE = range(20_000, 32_000)
PORT_ATTEMPTS = 100


class ServiceUnavailableError(Exception):
    """This machine cannot run the server; the message says what is missing."""


class ServerProcess(ABC):
    """One server, its files in ``folder`` and its output in ``folder/server.log``.

    Used as a context manager it is started on entering and closed on leaving. Should this process die without
    stopping it, the server is killed.
    """

    ready_text: str
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Make the server's files; called before the first start only."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""

    def identity(self) -> dict[str, Any]:
        """Return the ``subprocess`` arguments that say as whom the server runs: by default as we do."""
        return {}

    @property
    def pid(self) -> int:
        """Return the id of the running server's process."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> None:
        """Start the server and return when it answers; raises RuntimeError with its last words if it does not."""
        assert self._process is None, "the server is running already"
        if not self.log.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.prepare()
        with self.log.open("ab") as log:
            already_logged_bytes = log.tell()
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # an interrupt from the keyboard is for the tests, which then stop the server
                **self.identity(),
            )
        self._watcher = _kill_when_we_die(self._process.pid)
        try:
            self._wait_until_ready(already_logged_bytes)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop the server as its operator would; nothing happens if it is not running."""
        if self._process is None:
            return
        self.resume()
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        else:
            self._forget()

    def kill(self) -> None:
        """End the server and its children at once, as a crash would; nothing happens if it is not running."""
        if self._process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(self.pid).suspend()  # so that no child is born between looking and killing
        family = self._family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(STOP_TIMEOUT_S)
        # Its children too: a new server refuses to start while one of the old holds the shared memory.
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while any(_is_running(process) for process in family):
            assert time.monotonic() < deadline, f"children of {type(self).__name__} do not end"
            time.sleep(0.005)
        self._forget()

    def close(self) -> None:
        """Stop the server; it will not be started again."""
        self.stop()

    def restart(self) -> None:
        """Stop the server if it runs, and start it with the same files on the same ports."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server, and return when it is frozen: connections stay open and nothing answers."""
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
                # The signal is only sent; a process in the middle of a system call goes on to its end.
                while process.status() != psutil.STATUS_STOPPED:
                    assert time.monotonic() < deadline, f"process {process.pid} cannot be paused"
                    time.sleep(0.01)

    def resume(self) -> None:
        """Let a paused server go on."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, command: list[str]) -> None:
        """Run ``command`` to its end as the server's user; raises RuntimeError with its output if it fails."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PREPARE_TIMEOUT_S,
            **self.identity(),
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout.decode(errors='replace')}")

    def _family(self) -> list[psutil.Process]:
        try:
            parent = psutil.Process(self.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _wait_until_ready(self, already_logged_bytes: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            # Before the log is read: what an exiting process wrote last is then in it.
            exit_code = self._process.poll()
            logged = self.log.read_bytes()[already_logged_bytes:].decode(errors="replace")
            if self.ready_text in logged:
                return
            if exit_code is not None or time.monotonic() > deadline:
                happened = (
                    f"is not ready after {START_TIMEOUT_S} s" if exit_code is None else f"ended with {exit_code}"
                )
                raise RuntimeError(f"{type(self).__name__} {happened}; its last words:\n{logged[-3000:]}")
            time.sleep(0.05)

    def _forget(self) -> None:
        assert self._watcher is not None
        assert self._watcher.stdin is not None
        self._watcher.kill()
        self._watcher.wait()
        self._watcher.stdin.close()
        self._process = self._watcher = None


def _is_running(process: psutil.Process) -> bool:
    """Return whether a process runs; one that was killed may wait for a while until it is reaped, by whoever does."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_ports(count: int) -> list[int]:
    """Return ``count`` different ports of 127.0.0.1 on which nothing listens now."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        for _ in range(PORT_ATTEMPTS):
            # Not from random: its seed is the test run's, and two runs at once would choose the same ports.
            port = secrets.choice(PORT_RANGE)
            listener = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise ServiceUnavailableError(f"no {count} free ports found between {PORT_RANGE.start} and {PORT_RANGE.stop}")


def _kill_when_we_die(pid: int) -> subprocess.Popen[bytes]:
    """Start a shell that waits for the end of a pipe only we hold, and then kills ``pid``."""
    return subprocess.Popen(
        ["/bin/sh", "-c", 'read -r _; kill -9 "$0"', str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={"PATH": os.defpath},
    )
