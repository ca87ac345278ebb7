"""Promise 2, the log is the truth: a topic cut off above the position stops the projector, with the facts."""

import pytest
from event_cases import history, outgoing
from faults.conftest import StartWorker
from faults.states import opened, wait_until_projected
from faults.work import project
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Position
from modeltrail_server.projection.digest import compute_digest
from services.fixtures import DatabaseFactory, TopicFactory


@pytest.mark.fault
@pytest.mark.service
def test_records_deleted_before_they_were_projected_are_missed_aloud(
    kafka_bootstrap: str, new_topic: TopicFactory, new_database: DatabaseFactory, start: StartWorker
) -> None:
    from kafka import KafkaAdminClient, TopicPartition

    topic, database = new_topic(), new_database()
    address = f"kafka://{kafka_bootstrap}/{topic}"
    with open_log(address) as log, opened(database) as engine:
        log.append(outgoing(history(10)))
        worker = start(project, address, database)
        before = wait_until_projected(engine, log.end())
        worker.terminate()
        assert worker.join() == 0
        log.append(outgoing(history(10, seed=2)))
        with KafkaAdminClient(bootstrap_servers=kafka_bootstrap) as admin:
            admin.delete_records({TopicPartition(topic, 0): 30})
        for _ in range(2):  # it stays so: nothing is skipped by trying again
            worker = start(project, address, database)
            _, kind, message, remedy = worker.wait_for("refused")
            assert worker.join() == 3
            assert kind == "OffsetOutOfRangeError"
            assert all(fact in message for fact in (topic, "20", "30"))
            assert remedy
        assert compute_digest(engine) == before
        assert before.position == Position((20,))
