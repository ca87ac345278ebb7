"""Promise 4, history can be checked: a real auditor, killed at random, refused by the disk, frozen, or one of two.

Every single write step is enumerated, with crashes, lost power and a full disk, in
tests/modeltrail_server/audit/test_audit_crashes.py; here processes and signals are real.
"""

import time
from pathlib import Path
from random import Random

import pytest
from event_cases import history, outgoing
from faults.conftest import StartWorker
from faults.work import audit_log
from modeltrail.log import Position, Record, open_log, read
from modeltrail.log.protocol import Log
from modeltrail_server import audit

pytestmark = pytest.mark.fault
KILLS = 15
# Three tiles; a segment is 8,192 offsets.
RUNS = 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def address(tmp_path: Path, folder: Path) -> str:
    address = str(tmp_path / "log.db")
    with open_log(address) as log:
        audit.init(folder, "example.org/faults", log.identity)
    return address


def _records(log: Log) -> list[Record]:
    return list(read(log, Position(), log.end()))


def _finish(address: str, folder: Path) -> None:
    """Audit to the end, undisturbed, and check that every record is there once, in its place."""
    with open_log(address) as log:
        audit.follow(folder, log, once=True)
        report = audit.verify(folder)
        assert report.ok, report.faults
        assert list(audit.read_records(folder)) == _records(log)


def test_killed_at_random_moments_no_leaf_is_missing_doubled_or_moved(
    address: str, folder: Path, start: StartWorker, chance: Random
) -> None:
    messages = history(RUNS)
    with open_log(address) as log:
        for kill in range(KILLS):
            at = len(messages) * kill // KILLS
            log.append(outgoing(messages[at : len(messages) * (kill + 1) // KILLS]))
            worker = start(audit_log, address, str(folder))
            worker.wait_for("ready")
            time.sleep(chance.random() * 0.08)
            worker.kill()
            report = audit.verify(folder)
            assert report.ok, report.faults
    _finish(address, folder)


def test_a_file_that_may_not_grow_is_named_and_nothing_false_is_signed(
    address: str, folder: Path, start: StartWorker
) -> None:
    with open_log(address) as log:
        log.append(outgoing(history(RUNS)))
    for limit in (40_000, 70_000, 150_000):  # the log, a SQLite file, needs 32 kB to be opened
        worker = start(audit_log, address, str(folder), once=True, max_file_bytes=limit)
        _, kind, message, remedy = worker.wait_for("refused")
        assert worker.join() == 3
        assert kind == "AuditWriteError"
        assert "File too large" in message
        assert "start the auditor again" in remedy
        report = audit.verify(folder)
        assert report.ok, report.faults
    _finish(address, folder)


def test_a_frozen_auditor_keeps_others_out_and_goes_on_when_it_wakes(
    address: str, folder: Path, start: StartWorker
) -> None:
    messages = history(RUNS)
    with open_log(address) as log:
        log.append(outgoing(messages[:RUNS]))
        frozen = start(audit_log, address, str(folder))
        frozen.wait_for("signed")
        frozen.freeze()
        other = start(audit_log, address, str(folder), once=True)
        _, kind, message, _ = other.wait_for("refused")
        assert kind == "AuditorRunningError"
        assert str(frozen.pid) in message
        log.append(outgoing(messages[RUNS:]))
        frozen.thaw()
        while frozen.wait_for("signed")[2] < len(messages):
            pass
        frozen.kill()
    _finish(address, folder)


def test_of_auditors_that_start_at_once_one_works_and_the_next_takes_over_when_it_is_killed(
    address: str, folder: Path, start: StartWorker
) -> None:
    with open_log(address) as log:
        log.append(outgoing(history(RUNS)))
        for _ in range(3):
            rivals = [start(audit_log, address, str(folder)) for _ in range(3)]
            losers = []
            deadline = time.monotonic() + 120
            while len(losers) < 2:
                assert time.monotonic() < deadline
                losers = [rival for rival in rivals if not rival.is_alive]
            (winner,) = [rival for rival in rivals if rival.is_alive]
            for loser in losers:
                assert loser.wait_for("refused")[1] == "AuditorRunningError"
            log.append(outgoing(history(2)))
            winner.wait_for("signed")
            winner.kill()
    _finish(address, folder)
