"""The auditor on the real logs, and a real ``kill -9`` while it follows one."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from audit_logs import NAME
from modeltrail.log import Log, Outgoing, open_log
from modeltrail.log.memory import MemoryLog
from modeltrail_server import audit

PACE = audit.Pace(max_records=100, wait_ms=200, publish_interval_ms=20)
KILLS = 4
RECORDS_BETWEEN_KILLS = 120
PATIENCE_S = 120


@pytest.fixture(params=["memory", "embedded", pytest.param("kafka", marks=pytest.mark.service)])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    if request.param == "kafka":
        bootstrap, new_topic = request.getfixturevalue("kafka_bootstrap"), request.getfixturevalue("new_topic")
        opened = open_log(f"kafka://{bootstrap}/{new_topic(2)}")
    else:
        opened = MemoryLog(2) if request.param == "memory" else open_log(str(tmp_path / "log.db"))
    with opened:
        yield opened


def outgoing(start: int, stop: int) -> list[Outgoing]:
    return [
        Outgoing(b"value %d" % number * (number % 5), b"run %d" % (number % 7), (("n", b"%d" % number),))
        for number in range(start, stop)
    ]


def test_what_is_audited_is_what_the_log_holds(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    audit.init(folder, NAME, log.identity, partitions=log.partitions())
    for start, stop in ((0, 0), (0, 300), (300, 301), (301, 600)):
        if stop:
            log.append(outgoing(start, stop))
        audit.follow(folder, log, once=True, pace=PACE)
        status = audit.status(folder, log.end())
        assert [each.behind for each in status.partitions] == [0] * log.partitions()
    report = audit.verify(folder)
    assert report.ok
    assert sum(found.records for found in report.partitions) == 600
    found = [record for each in report.partitions for record in audit.read_records(folder, each.partition)]
    expected = {(each.key, each.value, each.headers) for each in outgoing(0, 600)}
    assert {(each.key, each.value, each.headers) for each in found} == expected


FOLLOW = """
import pathlib, sys
from modeltrail.log import open_log
from modeltrail_server import audit
pace = audit.Pace(max_records=7, wait_ms=1, publish_interval_ms=1)
with open_log(sys.argv[2]) as log:
    audit.follow(pathlib.Path(sys.argv[1]), log, pace=pace, compress=True)
"""


@pytest.mark.fault
def test_an_auditor_killed_again_and_again_leaves_each_record_once(tmp_path: Path) -> None:
    folder, address = tmp_path / "audit", str(tmp_path / "log.db")
    with open_log(address) as log:
        audit.init(folder, NAME, log.identity)
        total = 0
        for kill in range(KILLS):
            log.append(outgoing(total, total + RECORDS_BETWEEN_KILLS))
            total += RECORDS_BETWEEN_KILLS
            child = subprocess.Popen([sys.executable, "-c", FOLLOW, str(folder), address])
            try:
                wait_for_size(folder, total - RECORDS_BETWEEN_KILLS // (kill + 2), child)
            finally:
                child.send_signal(signal.SIGKILL)
                child.wait()
            assert audit.verify(folder).ok
        audit.follow(folder, log, once=True, pace=PACE)
    assert audit.verify(folder).ok
    records = list(audit.read_records(folder))
    assert [(each.offset, each.headers[0][1]) for each in records] == [(at, b"%d" % at) for at in range(total)]


def wait_for_size(folder: Path, size: int, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while audit.status(folder).partitions[0].head.size < size:
        assert audit.verify(folder).ok, "a head was signed whose files are not there"
        assert child.poll() is None, "the auditor died by itself"
        assert time.monotonic() < deadline, "the auditor does not get on"
        time.sleep(0.005)
