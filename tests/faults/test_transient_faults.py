"""Promise 3, each event counts once: what is down for a while is waited for, and nothing becomes a dead letter."""

import threading
import time

import pytest
from event_cases import history, outgoing
from faults.conftest import StartWorker
from faults.states import opened, undisturbed, wait_until_projected
from faults.work import project
from modeltrail.errors import LogUnavailableError
from modeltrail.log.memory import MemoryLog
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Log, Outgoing
from modeltrail_schemas.errors import ModeltrailError
from modeltrail_server.projection.dead_letters import list_dead_letters
from modeltrail_server.projection.projector import LoggingObserver, Projector
from services.fixtures import DatabaseFactory, make_topic
from services.local_kafka import LocalKafka
from services.local_postgres import LocalPostgres

pytestmark = [pytest.mark.fault, pytest.mark.service]
RETRIES = 4


class Retries(LoggingObserver):
    def __init__(self) -> None:
        self.enough = threading.Event()
        self.delays: list[float] = []
        self.errors: list[ModeltrailError] = []

    def retrying(self, error: ModeltrailError, delay_s: float) -> None:
        self.delays.append(delay_s)
        self.errors.append(error)
        if len(self.delays) == RETRIES:
            self.enough.set()


def test_a_database_that_is_down_is_waited_for_with_growing_pauses(breakable_postgres: LocalPostgres) -> None:
    messages, log, stop, retries = history(40), MemoryLog(), threading.Event(), Retries()
    log.append(outgoing(messages[:40]))
    with opened(breakable_postgres.url) as engine:
        running = threading.Thread(target=Projector(log, engine, observer=retries).run, args=(stop,))
        running.start()
        try:
            wait_until_projected(engine, log.end())
            breakable_postgres.stop()
            log.append(outgoing(messages[40:]))
            assert retries.enough.wait(120)
            breakable_postgres.start()
            digest = wait_until_projected(engine, log.end())
        finally:
            stop.set()
            running.join()
        assert list_dead_letters(engine, limit=1) == []
    assert digest.hex == undisturbed(messages).hex
    assert retries.delays[3] > retries.delays[0]
    assert all("does not answer" in str(error) for error in retries.errors)


def test_a_broker_that_is_down_is_waited_for(
    breakable_kafka: LocalKafka, new_database: DatabaseFactory, start: StartWorker
) -> None:
    address, database = f"kafka://{breakable_kafka.bootstrap}/{make_topic(breakable_kafka.bootstrap)}", new_database()
    messages = history(40)
    with open_log(address) as log, opened(database) as engine:
        log.append(outgoing(messages[:40]))
        worker = start(project, address, database, group="one")
        wait_until_projected(engine, log.end())
        breakable_kafka.kill()
        assert worker.wait_for("retry")[1] == "LogUnavailableError"
        breakable_kafka.start()
        _append_patiently(log, outgoing(messages[40:]))
        digest = wait_until_projected(engine, log.end())
        assert list_dead_letters(engine, limit=1) == []
    assert digest.hex == undisturbed(messages).hex


def _append_patiently(log: Log, records: list[Outgoing]) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            log.append(records)
        except LogUnavailableError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return
