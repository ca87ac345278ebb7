"""Promise 3, each event counts once: the connection breaks at a commit, or the server dies in the midst of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from random import Random

import pytest
from event_cases import history, outgoing
from faults.commit_cutter import CommitCutter
from faults.states import opened, undisturbed, wait_until_projected
from modeltrail.log.memory import MemoryLog
from modeltrail_server.projection.projector import Projector, catch_up
from services.fixtures import DatabaseFactory
from services.local_postgres import LocalPostgres
from sqlalchemy.engine import make_url

pytestmark = [pytest.mark.fault, pytest.mark.service]
DEATHS = 3


@pytest.fixture
def wire(postgres_url: str) -> Iterator[CommitCutter]:
    port = make_url(postgres_url).port
    assert port is not None
    with closing(CommitCutter(port)) as cutter:
        yield cutter


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_of_which_the_outcome_is_unknown_is_neither_lost_nor_repeated(
    when: str, wire: CommitCutter, new_database: DatabaseFactory
) -> None:
    database, messages, log = make_url(new_database()), history(40), MemoryLog()
    log.append(outgoing(messages[:10]))
    with opened(database.render_as_string(hide_password=False)) as engine:
        catch_up(log, engine)
    with opened(database.set(host="127.0.0.1", port=wire.port).render_as_string(hide_password=False)) as engine:
        log.append(outgoing(messages[10:]))
        stop = threading.Event()
        projector = Projector(log, engine, max_batch_records=10)
        wire.cut_next(when)
        running = threading.Thread(target=projector.run, args=(stop,))
        running.start()
        try:
            digest = wait_until_projected(engine, log.end())
        finally:
            stop.set()
            running.join()
    assert wire.cuts == 1
    assert (digest.hex, digest.counts["event"]) == (undisturbed(messages).hex, len(messages))


def test_a_server_killed_again_and_again_holds_each_event_once(
    breakable_postgres: LocalPostgres, chance: Random
) -> None:
    messages, log, stop = history(500), MemoryLog(), threading.Event()
    log.append(outgoing(messages))
    with opened(breakable_postgres.url) as engine:
        running = threading.Thread(target=Projector(log, engine, max_batch_records=5).run, args=(stop,))
        running.start()
        try:
            for _ in range(DEATHS):
                time.sleep(chance.random())
                breakable_postgres.kill()
                time.sleep(chance.random() * 0.3)
                breakable_postgres.start()
            digest = wait_until_projected(engine, log.end())
        finally:
            stop.set()
            running.join()
    assert (digest.hex, digest.counts["event"]) == (undisturbed(messages).hex, len(messages))
