"""An indexer keeps the index up with the read model by itself, whoever else indexes at the same time."""

import threading
import time

from modeltrail.config import load
from modeltrail.log.embedded import EmbeddedLog
from modeltrail.log.protocol import Outgoing
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_server.projection.dead_letters import requeue_dead_letters
from modeltrail_server.projection.engine import open_engine, writing
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.search import following
from modeltrail_server.search.finding import find
from modeltrail_server.search.indexing import catch_up as index
from modeltrail_server.search.indexing import index_again
from modeltrail_server.serving.roles import Role, serve
from sqlalchemy import update
from told_history import History

WAIT_S = 120


def wait_until(condition):
    """Wait until ``condition`` holds, for as long as a loaded machine may take."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)


def found(database, expression):
    """Return how many runs the index, as it is, has for ``expression``."""
    engine = open_engine(database)
    try:
        with reading(engine) as (connection, tables):
            return len(find(Snapshot(connection, tables), expression).hits)
    finally:
        engine.dispose()


def test_what_the_read_model_holds_is_indexed_without_anybody_searching(history):
    history.run("run-1", parameters={"lr": "1"})
    stop, engine = threading.Event(), open_engine(history.database)
    catch_up(history.log, engine)
    index(history.log, engine)  # the tables are there
    followers = [threading.Thread(target=following.follow, args=(history.log, engine, stop)) for _ in range(2)]
    for thread in followers:
        thread.start()
    try:
        for number in range(2, 6):
            history.run(f"run-{number}", parameters={"lr": "1"})
            catch_up(history.log, engine)
            wait_until(lambda number=number: found(history.database, "params.lr = 1") == number)
    finally:
        stop.set()
        for thread in followers:
            thread.join(WAIT_S)
        engine.dispose()


def test_a_record_that_can_be_read_later_is_indexed_then_and_its_run_as_a_whole(history):
    history.run("run-1", parameters={"lr": "1"})
    history.log.append([Outgoing(b"nonsense")])
    engine = open_engine(history.database)
    catch_up(history.log, engine)
    index(history.log, engine)
    told = LineageEvent(b"z" * 16, "run", "RUNNING", 5, "run-1", parameters={"depth": "7"})
    with writing(engine) as connection, reading(engine) as (_, tables):
        connection.execute(update(tables.dead_letter).values(value=encode(told)))

    assert requeue_dead_letters(engine, also=index_again).read == 1
    engine.dispose()
    assert found(history.database, "params.lr = 1 and params.depth = 7") == 1


def test_many_who_begin_an_index_at_once_index_everything_once(history):
    for number in range(300):
        history.run(f"run-{number}", parameters={"lr": f"{number}"})
    engine = open_engine(history.database)
    catch_up(history.log, engine)
    engine.dispose()
    begin, indexed = threading.Barrier(3), list[int]()

    def index_all():
        own = open_engine(history.database)
        begin.wait(WAIT_S)
        indexed.append(index(history.log, own))
        own.dispose()

    threads = [threading.Thread(target=index_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)

    assert sum(indexed) == 300
    assert found(history.database, "params.lr >= 0 and job = 'team/train'") == 50


def test_a_server_with_the_role_indexes_what_its_projector_projects(tmp_path):
    config = load({}, tmp_path, options={"home": str(tmp_path / "home")})
    stop = threading.Event()
    with EmbeddedLog(config.home / "log.db") as log:
        history = History(log, config.database)
        history.run("run-1", parameters={"lr": "1"})
        index_now = open_engine(config.database)
        catch_up(log, index_now)
        index(log, index_now)
        index_now.dispose()
        server = threading.Thread(target=serve, args=(config, [Role.PROJECTOR, Role.INDEXER], stop))
        server.start()
        try:
            history.run("run-2", parameters={"lr": "1"})
            wait_until(lambda: found(config.database, "params.lr = 1") == 2)
        finally:
            stop.set()
            server.join(WAIT_S)
    assert not server.is_alive()
