"""Three brokers, three replicas, one killed in the midst of emitting and projecting: nothing lost, nothing twice."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from modeltrail.config import Config
from modeltrail.emitter import Emitter
from modeltrail.log.kafka_cluster import Cluster
from modeltrail.log.memory import MemoryLog
from modeltrail.log.opening import open_log, parse_address
from modeltrail.log.protocol import Outgoing, Position, Record
from modeltrail.log.reading import read
from modeltrail.log.topic import check, create
from modeltrail_schemas.codec import decode_routing
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import Projector, catch_up
from services.fixtures import start_nodes
from services.kafka_nodes import KafkaNodes

pytestmark = [pytest.mark.service, pytest.mark.fault, pytest.mark.slow]

RUNS = 300
KILLED_AFTER = 100
FLUSH_TIMEOUT_MS = 120_000


@pytest.fixture
def brokers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KafkaNodes]:
    with closing(start_nodes(request, tmp_path / "kafka")) as nodes:
        yield nodes


def leader_of(address: str) -> int:
    """Return the number of the node that leads partition 0."""
    where = parse_address(address)
    with closing(Cluster(where.bootstrap, where.topic, {})) as cluster:
        return cluster.describe()["partitions"][0]["leader_id"]


def of_one_log(records: list[Record], folder: Path) -> str:
    engine = open_engine(f"sqlite:///{folder / 'twin.db'}")
    try:
        with MemoryLog() as log:
            log.append([Outgoing(record.value) for record in records])
            catch_up(log, engine)
        return compute_digest(engine).hex
    finally:
        engine.dispose()


def test_a_broker_killed_in_the_midst_of_emitting_and_projecting_costs_nothing(
    brokers: KafkaNodes, tmp_path: Path
) -> None:
    address = f"kafka://{brokers.bootstrap}/t"
    create(brokers.bootstrap.split(","), "t", options={})
    assert check(brokers.bootstrap.split(","), "t", options={}) == []
    config = Config(tmp_path / "home", address, f"sqlite:///{tmp_path / 'model.db'}", tmp_path / "audit")
    engine, stop = open_engine(config.database), threading.Event()
    with open_log(address) as log:
        thread = threading.Thread(target=Projector(log, engine, group="g").run, args=(stop,))
        thread.start()
        try:
            emitter = Emitter(config)
            for number in range(RUNS):
                for state in ("START", "COMPLETE"):
                    emitter.emit({"kind": "run", "type": state, "run_id": f"run{number}", "job": "a/b"})
                if number == KILLED_AFTER:
                    assert emitter.flush(FLUSH_TIMEOUT_MS)
                    brokers.nodes[leader_of(address) - 1].kill()
            assert emitter.flush(FLUSH_TIMEOUT_MS)
            emitter.close()
            end = log.end()
            catch_up(log, engine)
        finally:
            stop.set()
            thread.join()
        records = list(read(log, Position(), end))
        digest = compute_digest(engine)
    engine.dispose()
    states = [(event.run_id, event.type) for event in map(decode_routing, {record.value for record in records})]
    assert Counter(run_id for run_id, state in states if state == "COMPLETE") == {f"run{n}": 1 for n in range(RUNS)}
    assert len({decode_routing(record.value).event_id for record in records}) == len(states)
    assert digest.position == end
    assert digest.hex == of_one_log(records, tmp_path)
    assert digest.counts["run"] == RUNS
    assert digest.counts["event"] == len(states)
