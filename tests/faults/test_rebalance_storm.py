"""Promise 3, each event counts once: members of a group come, leave and die faster than it settles."""

import time
from random import Random

import pytest
from event_cases import history
from faults.conftest import StartWorker
from faults.states import opened, undisturbed, wait_until_projected
from faults.work import project
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Outgoing
from services.fixtures import DatabaseFactory, TopicFactory

ROUNDS = 8


@pytest.mark.fault
@pytest.mark.service
def test_a_storm_of_members_projects_every_record_once(
    kafka_bootstrap: str,
    new_topic: TopicFactory,
    new_database: DatabaseFactory,
    start: StartWorker,
    chance: Random,
) -> None:
    address, database, messages = f"kafka://{kafka_bootstrap}/{new_topic(partitions=6)}", new_database(), history(300)
    records = [Outgoing(message, partition=number % 6) for number, message in enumerate(messages)]
    with open_log(address) as log, opened(database) as engine:
        members = []
        for round_number in range(ROUNDS):
            at = round_number * len(records) // ROUNDS
            log.append(records[at : at + len(records) // ROUNDS])
            members.append(start(project, address, database, group=database[-8:], batch_records=5))
            time.sleep(chance.random())
            if len(members) > 3:
                leaving = members.pop(chance.randrange(3))
                chance.choice((leaving.terminate, leaving.kill))()
        digest = wait_until_projected(engine, log.end())
    assert (digest.hex, digest.counts["event"]) == (undisturbed(messages).hex, len(messages))
