"""Work that must not hold up training: hashing, git, the list of packages. Daemon threads, started on demand.

A task that fails keeps its error for its owner. After a fork the child starts threads of its own; what its parent had
queued stays with the parent.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Task(Generic[T]):
    """One piece of work. ``value`` is what it returned, None until then and when it failed; ``error`` is why."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work: Callable[[], T] | None = work
        self._done = threading.Event()
        self.value: T | None = None
        self.error: Exception | None = None

    @property
    def done(self) -> bool:
        """Return whether the work has ended, well or badly."""
        return self._done.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end of the work, at most ``timeout_s`` seconds; return whether it has ended."""
        return self._done.wait(max(timeout_s, 0.0))

    def run(self) -> None:
        """Do the work, once."""
        work, self._work = self._work, None
        try:
            if work is not None:
                self.value = work()
        except Exception as error:  # noqa: BLE001 - kept for the owner; this thread serves others too
            self.error = error
        finally:
            self._done.set()


class Background:
    """A queue of tasks and at most ``max_threads`` daemon threads that work through it, first in, first out."""

    def __init__(self, max_threads: int) -> None:
        self._max_threads = max_threads
        self._reset()

    def submit(self, work: Callable[[], T]) -> Task[T]:
        """Queue ``work`` and return its task. Never blocks."""
        task = Task(work)
        if self._process_id != os.getpid():
            self._reset()
        with self._condition:
            self._tasks.append(task)
            if self._idle < len(self._tasks) and self._threads < self._max_threads:
                self._threads += 1
                threading.Thread(target=self._work_through, name="modeltrail-background", daemon=True).start()
            self._condition.notify()
        return task

    def _reset(self) -> None:
        self._process_id = os.getpid()
        self._condition = threading.Condition()
        self._tasks: deque[Task[Any]] = deque()
        self._threads = 0
        self._idle = 0

    def _work_through(self) -> None:
        while True:
            with self._condition:
                self._idle += 1
                while not self._tasks:
                    self._condition.wait()
                self._idle -= 1
                task = self._tasks.popleft()
            task.run()
