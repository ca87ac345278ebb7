"""Waiting aloud: a command that waits for brokers that do not answer says so at once, not when it gives up."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from modeltrail.log.kafka_options import CONNECT_TIMEOUT_MS
from modeltrail.log.opening import KafkaAddress, parse_address

SILENT_S = 0.5
"""What takes no longer than this needs no word."""


@contextmanager
def waiting_for_log(
    say: Callable[[str], None], address: str, *, timeout_s: int = CONNECT_TIMEOUT_MS // 1_000
) -> Iterator[None]:
    """Say, once, that the log is waited for when the block takes longer than SILENT_S. A file answers by itself.

    ``timeout_s`` is the caller's; an attempt to connect that was begun may outlast it.
    """
    if not isinstance(parse_address(address), KafkaAddress):
        yield
        return
    at_most_s = max(timeout_s, CONNECT_TIMEOUT_MS // 1_000)
    timer = threading.Timer(SILENT_S, say, [f"waiting for the log {address}, at most {at_most_s} s"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
