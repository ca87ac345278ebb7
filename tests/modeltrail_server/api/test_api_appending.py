"""The log that requests share: what is down costs those who wait for it one attempt together."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from modeltrail.errors import LogUnavailableError
from modeltrail.log.protocol import Outgoing, Position
from modeltrail_server.api.appending import Appender

SENDERS = 8
HELD_MS = 2_000


def test_who_waited_for_a_log_that_failed_shares_the_failure_and_the_next_opens_it_again(tmp_path: Path) -> None:
    appender = Appender(str(tmp_path / "log.db"), {}, append_timeout_ms=HELD_MS)
    appender.append([Outgoing(b"first")])
    failures: list[LogUnavailableError] = []
    together = threading.Barrier(SENDERS)

    def send() -> None:
        together.wait()
        with pytest.raises(LogUnavailableError, match="another process holds the log") as error:
            appender.append([Outgoing(b"not now")])
        failures.append(error.value)

    with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        senders = [threading.Thread(target=send) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        other.execute("ROLLBACK")
    assert len(failures) == SENDERS
    attempts = [failure for failure in failures if failure.__cause__ is not None]
    assert 1 <= len(attempts) < SENDERS
    assert {failure.remedy for failure in failures} == {attempts[0].remedy}
    appender.append([Outgoing(b"again")])
    assert appender.end() == Position((2,))
    appender.close()
