"""Promise 3, each event counts once: a projector killed anywhere, again and again, leaves the undisturbed state."""

import signal
import time
from pathlib import Path
from random import Random

import pytest
from event_cases import history, outgoing
from faults.conftest import StartWorker
from faults.states import assert_covers_once, opened, undisturbed, wait_until_projected
from faults.work import project
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Outgoing
from services.fixtures import DatabaseFactory, TopicFactory

pytestmark = pytest.mark.fault
KILLS = 15
MAX_BATCHES, MAX_BATCH_RECORDS = 5, 9
POINTS = ("read", "written", "committed")


def test_killed_at_random_moments(database: str, tmp_path: Path, start: StartWorker, chance: Random) -> None:
    messages, address = history(KILLS * MAX_BATCHES * MAX_BATCH_RECORDS), str(tmp_path / "log.db")
    share = len(messages) // KILLS
    with open_log(address) as log, opened(database) as engine:
        for kill in range(KILLS):
            # For each its share, so that there are batches to wait for however far its predecessors came.
            log.append(outgoing(messages[kill * share : (kill + 1) * share]))
            worker = start(project, address, database, batch_records=chance.randint(1, MAX_BATCH_RECORDS))
            worker.wait_for("batch", count=chance.randint(1, MAX_BATCHES))
            time.sleep(chance.random() * 0.02)
            worker.kill()
        start(project, address, database)
        digest = wait_until_projected(engine, log.end())
    assert (digest.hex, digest.counts["event"]) == (undisturbed(messages).hex, len(messages))


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_each_point_of_a_transaction(
    point: str, database: str, tmp_path: Path, start: StartWorker, chance: Random
) -> None:
    messages, address = history(60), str(tmp_path / "log.db")
    workers = []
    with open_log(address) as log, opened(database) as engine:
        log.append(outgoing(messages))
        for nth in (1, 2, chance.randint(1, 3)):
            workers.append(start(project, address, database, point=point, nth=nth))
            assert workers[-1].join() == -signal.SIGKILL
        workers.append(start(project, address, database))
        digest = wait_until_projected(engine, log.end())
        workers[-1].kill()
    assert digest.hex == undisturbed(messages).hex
    if point != "written":  # what was committed was reported then, and by one only
        assert_covers_once([message[1:4] for worker in workers for message in worker.heard if message[0] == "batch"])


@pytest.mark.service
def test_projectors_that_share_a_topic_and_lose_one_of_them(
    kafka_bootstrap: str, new_topic: TopicFactory, new_database: DatabaseFactory, start: StartWorker
) -> None:
    address, database, messages = f"kafka://{kafka_bootstrap}/{new_topic(partitions=4)}", new_database(), history(400)
    records = [Outgoing(message, partition=number % 4) for number, message in enumerate(messages)]
    with open_log(address) as log, opened(database) as engine:
        workers = [start(project, address, database, group=database[-8:]) for _ in range(3)]
        sent = 0
        while not any(message[0] == "batch" for message in workers[0].heard):
            assert sent < len(records)
            log.append(records[sent : sent + 8])
            sent += 8
            time.sleep(0.2)
            workers[0].drain()
        workers[0].kill()
        log.append(records[sent:])
        assert wait_until_projected(engine, log.end()).hex == undisturbed(messages).hex
