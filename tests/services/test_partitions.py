"""Several partitions, projectors and auditors that come and go: the state is that of one, and so is the order."""

import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.histories import generate
from kafka import KafkaAdminClient
from modeltrail.config import load
from modeltrail.log.memory import MemoryLog
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Log, Outgoing, Position
from modeltrail.log.reading import merged
from modeltrail.subscription import subscribe
from modeltrail_schemas.codec import encode
from modeltrail_schemas.identity import partition_key
from modeltrail_server import audit
from modeltrail_server.projection.digest import Digest, compute_digest
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.replay.replaying import replay
from modeltrail_server.replay.sources import KeptRecords
from services.serving import Serving
from sqlalchemy import Engine

pytestmark = [pytest.mark.service, pytest.mark.fault]

PARTITIONS = 3
DEADLINE_S = 180


def events(runs: int) -> list[Outgoing]:
    return [Outgoing(encode(event), partition_key(event)) for event in generate(7, runs)]


def of_one_partition(records: list[Outgoing], folder: Path) -> Digest:
    engine = open_engine(f"sqlite:///{folder / f'{uuid.uuid4().hex}.db'}")
    try:
        with MemoryLog() as log:
            log.append(records)
            catch_up(log, engine)
        return compute_digest(engine)
    finally:
        engine.dispose()


def wait_until(happened: Callable[[], bool], *servers: Serving) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline, "\n".join(server.said[-2_000:] for server in servers)
        time.sleep(0.2)


def projected(engine: Engine, log: Log) -> bool:
    return compute_digest(engine).position.covers(log.end())


def audited(folder: Path, log: Log) -> bool:
    if not audit.partitions_of(folder):
        return False
    return sum(one.head.size for one in audit.status(folder).partitions) == sum(log.end().offsets)


def test_projectors_and_auditors_that_join_leave_and_die_give_the_state_of_one_partition(
    kafka_bootstrap: str, new_topic: Callable[..., str], new_database: Callable[[], str], tmp_path: Path
) -> None:
    address, database = f"kafka://{kafka_bootstrap}/{new_topic(partitions=PARTITIONS)}", new_database()
    folder = tmp_path / "audit"
    settings = {"log": address, "database": database, "audit": str(folder)}
    records = events(500)
    third = len(records) // 3
    with ExitStack() as stack:
        log = stack.enter_context(open_log(address))
        engine = open_engine(database)
        stack.callback(engine.dispose)

        def start(name: str, role: str = "projector") -> Serving:
            return stack.enter_context(Serving(tmp_path, name, [role], settings, "--log-level", "DEBUG"))

        auditors = [start(name, "auditor") for name in ("auditor", "auditor that dies")]
        first, second = start("first"), start("second")
        log.append(records[:third])
        wait_until(lambda: "projected partition" in first.said + second.said, first, second)
        joins = start("joins")
        wait_until(lambda: '"serving"' in joins.said, joins)
        log.append(records[third : 2 * third])
        wait_until(lambda: '"auditing"' in auditors[1].said, *auditors)
        first.kill()
        auditors[1].kill()
        log.append(records[2 * third :])
        assert second.stop() == 0
        wait_until(lambda: projected(engine, log), joins, second)
        wait_until(lambda: audited(folder, log), *auditors)
        digest = compute_digest(engine)
        assert digest.position == log.end()
        assert all(log.end()[partition] for partition in range(PARTITIONS))
        assert digest.hex == of_one_partition(records, tmp_path).hex
        assert auditors[0].stop() == 0
        assert joins.stop() == 0
        check_audit(folder, log, digest, tmp_path)
        check_merged(log)


def test_a_partition_that_is_added_is_projected_without_a_restart(
    kafka_bootstrap: str, new_topic: Callable[..., str], new_database: Callable[[], str], tmp_path: Path
) -> None:
    topic, database = new_topic(partitions=1), new_database()
    address = f"kafka://{kafka_bootstrap}/{topic}"
    engine, records = open_engine(database), events(20)
    half = len(records) // 2
    settings = {"log": address, "database": database}
    with Serving(tmp_path, "projector", ["projector"], settings, "--log-level", "DEBUG") as server:
        with open_log(address) as log:
            log.append(records[:half])
            wait_until(lambda: "projected partition" in server.said and projected(engine, log), server)
            with KafkaAdminClient(bootstrap_servers=kafka_bootstrap) as admin:
                admin.create_partitions({topic: 2})
            wait_until(lambda: log.partitions() == 2, server)
        with open_log(address) as log:
            log.append([replace(record, partition=1) for record in records[half:]])
            wait_until(lambda: projected(engine, log), server)
        assert compute_digest(engine).hex == of_one_partition(records, tmp_path).hex
    engine.dispose()


def test_a_subscriber_hears_of_a_partition_that_is_added_while_it_follows(
    kafka_bootstrap: str, new_topic: Callable[..., str], tmp_path: Path
) -> None:
    topic = new_topic(partitions=1)
    address = f"kafka://{kafka_bootstrap}/{topic}"
    config = load({"MODELTRAIL_HOME": str(tmp_path), "MODELTRAIL_LOG": address}, tmp_path)
    first, added, *others = events(200)
    with open_log(config.log) as log, subscribe("s", config=config) as subscription:
        log.append([first])
        heard = [encode(next(subscription))]
        with KafkaAdminClient(bootstrap_servers=kafka_bootstrap) as admin:
            admin.create_partitions({topic: 2})
        wait_until(lambda: log.partitions() == 2)
        with open_log(config.log) as wider:
            wider.append([replace(added, partition=1)])
        for other in others:  # each gives the subscriber something to hear, whatever it knows of
            if added.value in heard:
                break
            log.append([replace(other, partition=0)])
            heard.append(encode(next(subscription)))
            time.sleep(0.2)
        assert added.value in heard


def check_audit(folder: Path, log: Log, digest: Digest, scratch: Path) -> None:
    """Check that every partition verifies, and that what was audited alone gives the digest again."""
    report = audit.verify(folder)
    assert report.ok, report
    assert len(report.partitions) == PARTITIONS
    kept = KeptRecords(
        log.identity, lambda partition, start: audit.read_records(folder, partition, start=start), log.end()
    )
    engine = open_engine(f"sqlite:///{scratch / 'replayed.db'}")
    try:
        assert replay(kept, engine).digest == digest
    finally:
        engine.dispose()


def check_merged(log: Log) -> None:
    """Check that the merged order holds each record once, ascends, and is the same again."""
    orders = [[(each.partition, each.offset) for each in merged(log, Position(), log.end())] for _ in range(2)]
    assert orders[0] == orders[1]
    assert len(set(orders[0])) == len(orders[0]) == sum(log.end().offsets)
    for partition in range(PARTITIONS):
        assert [offset for each, offset in orders[0] if each == partition] == list(range(log.end()[partition]))
