"""Two transactions that insert one event at the same moment: COPY cannot pass over it, so the batch is read again."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from event_cases import as_records, history
from faults.states import undisturbed
from modeltrail.log.protocol import LogIdentity, Position
from modeltrail_server.errors import PositionMovedError
from modeltrail_server.projection.dead_letters import list_dead_letters
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import BatchStats, LoggingObserver, Projector
from modeltrail_server.projection.writing import Written
from modeltrail_server.replay.sources import KeptRecords
from services.fixtures import DatabaseFactory
from sqlalchemy import Engine, text

pytestmark = pytest.mark.service
WAIT_S = 120
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class _Holding(Projector):
    """Holds its transaction open between writing and the commit, until told."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.has_written, self.may_commit = threading.Event(), threading.Event()

    def _write(self, *arguments: Any) -> Written:
        written = super()._write(*arguments)
        self.has_written.set()
        assert self.may_commit.wait(WAIT_S)
        return written


class _Counting(Projector):
    """Counts how often its transaction met another."""

    races = 0

    def _write(self, *arguments: Any) -> Written:
        try:
            return super()._write(*arguments)
        except PositionMovedError:
            self.races += 1
            raise


class _Batches(LoggingObserver):
    def __init__(self) -> None:
        self.seen: list[tuple[int, int, int]] = []

    def batch_written(self, stats: BatchStats) -> None:
        self.seen.append((stats.partition, stats.new_events, stats.duplicates))


def _partition(number: int, messages: Sequence[bytes]) -> KeptRecords:
    """Return a log of which this reader has one partition."""
    records = as_records(messages, partition=number)
    end = Position().with_offset(number, len(records))
    return KeptRecords(
        LogIdentity("topic", "log"), lambda partition, start: records[start:] if partition == number else [], end
    )


def _wait_until_blocked(engine: Engine) -> None:
    deadline = time.monotonic() + WAIT_S
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(text(BLOCKED)):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_an_event_that_another_transaction_inserts_meanwhile_is_a_duplicate_at_the_next_try(
    new_database: DatabaseFactory,
) -> None:
    messages, engine, batches = history(20), open_engine(new_database()), _Batches()
    both, last = messages[:-1], messages[-1]
    with (
        _Holding(_partition(0, both), engine) as first,
        _Counting(_partition(1, [last, *both]), engine, observer=batches) as second,
    ):
        threads = [threading.Thread(target=first.step, kwargs={"wait_ms": 0})]
        threads[0].start()
        try:
            assert first.has_written.wait(WAIT_S)
            threads.append(threading.Thread(target=second.step, kwargs={"wait_ms": 0}))
            threads[1].start()
            _wait_until_blocked(engine)
        finally:
            first.may_commit.set()
            for thread in threads:
                thread.join()
        assert (second.races, batches.seen) == (1, [])
        assert second.step(wait_ms=0) == len(messages)
        assert (second.races, batches.seen) == (1, [(1, 1, len(both))])
    assert list_dead_letters(engine, limit=1) == []
    assert compute_digest(engine).hex == undisturbed(messages).hex
    engine.dispose()
