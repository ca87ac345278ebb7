"""Promise 3, each event counts once: a projector that was frozen past its session, then wakes, cannot write."""

import signal

import pytest
from event_cases import history, outgoing
from faults.conftest import StartWorker
from faults.states import assert_covers_once, opened, undisturbed, wait_until_projected
from faults.work import project
from modeltrail.log.opening import open_log
from services.fixtures import DatabaseFactory, TopicFactory

pytestmark = [pytest.mark.fault, pytest.mark.service]


@pytest.mark.parametrize("point", ["read", "written"])
def test_a_frozen_projector_is_replaced_and_writes_nothing_when_it_wakes(
    point: str, kafka_bootstrap: str, new_topic: TopicFactory, new_database: DatabaseFactory, start: StartWorker
) -> None:
    address, database, messages = f"kafka://{kafka_bootstrap}/{new_topic()}", new_database(), history(100)
    group, options = database[-8:], {"point": point, "nth": 3, "signal_number": signal.SIGSTOP}
    with open_log(address) as log, opened(database) as engine:
        log.append(outgoing(messages[:150]))
        # Frozen within its transaction it holds the position; the database ends that, here after a second.
        zombie = start(project, address, database, group=group, idle_in_transaction_s=1, **options)
        zombie.wait_until_frozen()
        heir = start(project, address, database, group=group)
        assert heir.wait_for("batch")[2] == 20
        wait_until_projected(engine, log.end())
        zombie.thaw()
        log.append(outgoing(messages[150:]))
        digest = wait_until_projected(engine, log.end())
        zombie.kill()
        heir.kill()
    assert digest.hex == undisturbed(messages).hex
    assert_covers_once([message[1:4] for worker in (zombie, heir) for message in worker.heard if message[0] == "batch"])
