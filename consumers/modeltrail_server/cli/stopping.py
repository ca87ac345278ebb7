"""Stopping cleanly: SIGTERM and Ctrl-C set an event, and what is under way is finished."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Give an event that the first SIGTERM or SIGINT sets; a second SIGINT interrupts at once."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def stop_now(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    for number in SIGNALS:
        signal.signal(number, stop_now)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
