"""How runs end: from an exception to a state, with its error redacted; and ABORT when the process is told to stop."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from modeltrail_schemas.event import RunState

from modeltrail.redaction import redact_text

ABRUPT_WAIT_S = 2.0
MAX_MESSAGE_CHARACTERS = 8_192
MAX_STACK_TRACE_CHARACTERS = 65_536


@dataclass(frozen=True, slots=True)
class Ending:
    """The state that a run ends in, and what else its last note says. ``abrupt``: the process has no time to wait."""

    state: RunState
    fields: dict[str, Any] = field(default_factory=dict)
    abrupt: bool = False

    @property
    def wait_s(self) -> float | None:
        """Return how long to wait for work in the background; None for the usual time."""
        return ABRUPT_WAIT_S if self.abrupt else None


def ending_of(error: BaseException | None) -> Ending:
    """Return how a run ends whose block was left by ``error``.

    An exception fails it. KeyboardInterrupt, a cancelled task and SystemExit with a status abort it.
    """
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return Ending(RunState.COMPLETE)
    if isinstance(error, Exception):
        return Ending(RunState.FAIL, _error_fields(error, with_trace=True))
    return Ending(RunState.ABORT, _error_fields(error, with_trace=False), abrupt=True)


def _error_fields(error: BaseException, *, with_trace: bool) -> dict[str, Any]:
    kind = type(error)
    message, redactions = redact_text(_text_of(error)[:MAX_MESSAGE_CHARACTERS])
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    described = {"type": name, "message": message}
    if with_trace:
        import traceback

        whole = "".join(traceback.format_exception(error))[-MAX_STACK_TRACE_CHARACTERS:]
        described["stack_trace"], found = redact_text(whole)
        redactions += found
    return {"error": described} | ({"redactions": redactions} if redactions else {})


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception whose own __str__ fails still ends the run
        return ""


class Termination:
    """Calls ``abort`` when SIGTERM comes, then lets the signal do what it would have done.

    Only where nobody else handles SIGTERM, and only from the main thread: a handler of the training code stays in
    charge. ``abort`` may interrupt any call of this thread, so all locks on its way are reentrant.
    """

    def __init__(self, abort: Callable[[], None]) -> None:
        self._abort = abort
        self._process_id = os.getpid()
        self._watching = False

    def watch(self) -> None:
        """Start to watch for SIGTERM, where that is possible."""
        if threading.current_thread() is not threading.main_thread():
            return
        if not self._watching and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminated)
            self._watching = True

    def release(self) -> None:
        """Stop watching."""
        if not self._watching or threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) == self._terminated:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._watching = False

    def _terminated(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's signature
        if self._process_id == os.getpid():
            self._abort()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
