"""Promise 3 in the audit log, on several partitions: auditors share them, and each tree has one writer at a time.

A real topic, real processes, real signals: auditors join, are killed, stand still past their session, and wake.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from event_cases import history
from faults.conftest import StartWorker
from faults.processes import Worker
from faults.work import audit_log
from kafka import KafkaAdminClient
from modeltrail.log import Log, Outgoing, Position, open_log, read
from modeltrail.log.opening import parse_address
from modeltrail_server import audit
from services.fixtures import TopicFactory

pytestmark = [pytest.mark.fault, pytest.mark.service]

PARTITIONS = 4
ROUNDS = 6
DEADLINE_S = 180


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    audit.init(tmp_path / "audit", "example.org/shared")
    return tmp_path / "audit"


@pytest.fixture
def address(kafka_bootstrap: str, new_topic: TopicFactory) -> str:
    return f"kafka://{kafka_bootstrap}/{new_topic(partitions=PARTITIONS)}"


def append(address: str, runs: int, *, seed: int, partitions: int = PARTITIONS) -> Position:
    """Append as many records to each partition, and return where the log then ends."""
    with open_log(address) as log:
        log.append([Outgoing(each, partition=at % partitions) for at, each in enumerate(history(runs, seed=seed))])
        return log.end()


def sizes(folder: Path) -> dict[int, int]:
    return {one.partition: one.head.size for one in audit.status(folder).partitions}


def wait_until_signed(folder: Path, end: Position, workers: Sequence[Worker]) -> None:
    """Return when everything up to ``end`` is signed. The records of this topic have offsets without gaps."""
    deadline = time.monotonic() + DEADLINE_S
    while sizes(folder) != dict(enumerate(end.offsets)):
        for worker in workers:
            worker.drain()
        assert time.monotonic() < deadline, (sizes(folder), [worker.heard[-20:] for worker in workers])
        time.sleep(0.1)


def freeze_while_it_holds_some(worker: Worker) -> set[int]:
    """Stop an auditor where it is, and return the partitions whose locks it has."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        worker.freeze()
        worker.drain()
        held: set[int] = set()
        for kind, *rest in worker.heard:
            held = held | {*rest} if kind == "auditing" else held - {*rest} if kind == "left" else held
        if held:
            return held
        worker.thaw()
        time.sleep(0.5)
    raise AssertionError(f"it never held a partition: {worker.heard[-20:]}")


def check_whole(folder: Path, log: Log) -> None:
    """Check that every record of the log is there once, in its place, under a signature, and nothing else."""
    report = audit.verify(folder)
    assert report.ok, report
    found = [record for partition in range(log.partitions()) for record in audit.read_records(folder, partition)]
    held = sorted(read(log, Position(), log.end()), key=lambda record: (record.partition, record.offset))
    assert found == held


def test_each_partition_has_one_writer_while_auditors_join_stand_still_wake_and_die(
    address: str, folder: Path, start: StartWorker
) -> None:
    first = start(audit_log, address, str(folder), share=True)
    first.wait_for("auditing", count=PARTITIONS)
    second = start(audit_log, address, str(folder), share=True)
    second.wait_for("auditing", count=PARTITIONS // 2)
    wait_until_signed(folder, append(address, 50, seed=1), [first, second])

    kept = freeze_while_it_holds_some(second)
    append(address, 50, seed=2)
    waited_for: set[int] = set()
    while not kept <= waited_for:
        waited_for.add(first.wait_for("waiting")[1])
    frozen_at = sizes(folder)

    third = start(audit_log, address, str(folder), share=True)
    first.kill()
    third.wait_for("auditing", count=PARTITIONS - len(kept))
    end = append(address, 50, seed=3)
    assert {partition: sizes(folder)[partition] for partition in kept} == {
        partition: frozen_at[partition] for partition in kept
    }
    second.thaw()
    wait_until_signed(folder, end, [second, third])
    assert second.is_alive

    second.freeze()
    second.kill()
    wait_until_signed(folder, append(address, 50, seed=4), [third])
    third.kill()
    with open_log(address) as log:
        check_whole(folder, log)


def test_auditors_killed_at_random_moments_leave_every_tree_whole(
    address: str, folder: Path, start: StartWorker, chance: Random
) -> None:
    workers = [start(audit_log, address, str(folder), share=True) for _ in range(2)]
    for number in range(ROUNDS):
        end = append(address, 60, seed=number)
        workers.append(start(audit_log, address, str(folder), share=True))
        time.sleep(chance.random())
        leaving = workers.pop(chance.randrange(2))
        chance.choice((leaving.terminate, leaving.kill))()
        leaving.join()
        report = audit.verify(folder)
        assert report.ok, report
    wait_until_signed(folder, end, workers)
    for worker in workers:
        worker.wait_until_ready()
        worker.terminate()
        assert worker.join() == 0
    with open_log(address) as log:
        check_whole(folder, log)


@pytest.mark.parametrize("share", [True, False])
def test_a_partition_that_is_added_is_audited_without_a_restart(
    address: str, folder: Path, start: StartWorker, share: bool
) -> None:
    worker = start(audit_log, address, str(folder), share=share)
    wait_until_signed(folder, append(address, 20, seed=1), [worker])
    where = parse_address(address)
    with KafkaAdminClient(bootstrap_servers=where.bootstrap) as admin:
        admin.create_partitions({where.topic: PARTITIONS + 1})
    deadline = time.monotonic() + DEADLINE_S
    with open_log(address) as log:
        while log.partitions() == PARTITIONS:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    wait_until_signed(folder, append(address, 20, seed=2, partitions=PARTITIONS + 1), [worker])
    worker.kill()
    with open_log(address) as log:
        check_whole(folder, log)


def test_auditors_of_another_folder_and_key_take_no_partition_away(
    address: str, folder: Path, start: StartWorker, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    audit.init(other, "example.org/other")
    workers = [start(audit_log, address, str(each), share=True) for each in (folder, other)]
    end = append(address, 20, seed=1)
    for each in (folder, other):
        wait_until_signed(each, end, workers)


def test_who_wants_all_partitions_is_refused_while_another_has_one(
    address: str, folder: Path, start: StartWorker
) -> None:
    sharing = start(audit_log, address, str(folder), share=True)
    wait_until_signed(folder, append(address, 10, seed=1), [sharing])
    alone = start(audit_log, address, str(folder), once=True)
    _, kind, message, _ = alone.wait_for("refused")
    assert kind == "AuditorRunningError"
    assert str(sharing.pid) in message
    assert sharing.is_alive
