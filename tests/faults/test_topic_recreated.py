"""Promise 2, the log is the truth: a topic deleted and created again under its name stops who follows the old one."""

import pytest
from event_cases import history, outgoing
from faults.conftest import StartWorker
from faults.states import opened, undisturbed, wait_until_projected
from faults.work import project
from modeltrail.log.opening import open_log
from modeltrail.log.topic import create
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.rebuilding import rebuild
from services.fixtures import DatabaseFactory, TopicFactory


@pytest.mark.fault
@pytest.mark.service
def test_a_running_and_a_new_projector_refuse_it_and_a_rebuild_is_the_way_out(
    kafka_bootstrap: str, new_topic: TopicFactory, new_database: DatabaseFactory, start: StartWorker
) -> None:
    from kafka import KafkaAdminClient

    topic, database, anew = new_topic(), new_database(), history(5, seed=2)
    address = f"kafka://{kafka_bootstrap}/{topic}"
    with opened(database) as engine:
        with open_log(address) as log:
            log.append(outgoing(history(10)))
            running = start(project, address, database)
            before = wait_until_projected(engine, log.end())
        with KafkaAdminClient(bootstrap_servers=kafka_bootstrap) as admin:
            admin.delete_topics([topic])
        create([kafka_bootstrap], topic, options={})
        with open_log(address) as log:
            log.append(outgoing(anew))
            for worker in (running, start(project, address, database)):
                _, kind, message, remedy = worker.wait_for("refused")
                assert worker.join() == 3
                assert kind == "LogIdentityError"
                assert topic in message
                assert "rebuild" in remedy
            assert compute_digest(engine) == before
            rebuild(log, engine)
            assert compute_digest(engine).hex == undisturbed(anew).hex
