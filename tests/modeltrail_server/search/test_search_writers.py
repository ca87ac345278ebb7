"""On PostgreSQL the index has one writer at a time: a second one looks at nothing before the first is done."""

import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Outgoing
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.identity import new_event_id
from modeltrail_schemas.names import JobName
from modeltrail_server.projection.dead_letters import requeue_dead_letters
from modeltrail_server.projection.engine import open_engine, writing
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.search.finding import find
from modeltrail_server.search.indexing import catch_up as index
from modeltrail_server.search.indexing import index_again
from modeltrail_server.search.tables import search_tables_of
from sqlalchemy import create_engine, text, update
from sqlalchemy.engine import make_url

pytestmark = pytest.mark.service

WAIT_S = 120
WAITING = search_tables_of(1).waiting.name


class Database:
    """A PostgreSQL schema of this test's own, in which nobody's patience ends, and a log of two partitions."""

    def __init__(self, url):
        self.log, self.runs = MemoryLog(2), 0
        self.url = make_url(url).update_query_dict({"lock_timeout_ms": "0", "statement_timeout_ms": "0"})
        self.plain = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
        self.projecting = open_engine(self.url.render_as_string(hide_password=False))

    def tell(self, partition):
        """Append a run to ``partition``, and project it."""
        self.log.append([Outgoing(self._new_run(), partition=partition)])
        catch_up(self.log, self.projecting)

    def tell_what_is_read_later(self, partition):
        """Project a record of ``partition`` that cannot be read; then let it be one that tells of a run."""
        self.log.append([Outgoing(b"nonsense", partition=partition)])
        catch_up(self.log, self.projecting)
        with writing(self.projecting) as connection, reading(self.projecting) as (_, tables):
            connection.execute(update(tables.dead_letter).values(value=self._new_run()))

    def _new_run(self):
        self.runs += 1
        event = LineageEvent(
            new_event_id(10**18, self.runs.to_bytes(8)),
            *("run", "START", 10**18),
            run_id=f"run-{self.runs}",
            job=JobName("team", "train"),
            parameters={"lr": "1"},
        )
        return encode(event)

    @contextmanager
    def held(self, statement):
        """Hold what ``statement`` locks; nothing of it is kept."""
        with self.plain.connect() as holding:
            holding.exec_driver_sql(statement)
            yield
            holding.rollback()

    def waited_for(self):
        """Return the kinds of locks that somebody waits for here."""
        asked = text(
            "SELECT locktype FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND application_name = current_setting('application_name')"
        )
        with self.plain.connect() as connection:
            return sorted(connection.scalars(asked))

    def found(self):
        """Return how many runs the index has."""
        with reading(self.projecting) as (connection, tables):
            return len(find(Snapshot(connection, tables), "params.lr = 1").hits)

    def close(self):
        self.plain.dispose()
        self.projecting.dispose()


class Working(threading.Thread):
    """Does ``work`` with the log and an engine of its own, once; ``error`` is what came of it."""

    def __init__(self, database, work):
        super().__init__()
        self.database, self.work, self.error = database, work, None
        self.start()

    def run(self):
        engine = open_engine(self.database.url.render_as_string(hide_password=False))
        try:
            self.work(self.database.log, engine)
        except Exception as error:  # told by the test
            self.error = error
        finally:
            engine.dispose()


@pytest.fixture
def database(new_schema):
    made = Database(new_schema())
    yield made
    made.close()


def until_waiting(database, many):
    """Wait until so many wait for a lock; return its kinds."""
    deadline = time.monotonic() + WAIT_S
    while len(found := database.waited_for()) < many:
        assert time.monotonic() < deadline, f"they wait for {found}"
        time.sleep(0.05)
    return found


def requeue(_log, engine):
    """Read the dead letters again, and index what they tell of."""
    assert requeue_dead_letters(engine, also=index_again).remaining == 0


def two_at_once(database, statement, then=index):
    """Let one index what is there up to what ``statement`` locks, another do ``then``; return both's locks."""
    with ExitStack() as ended, database.held(statement):
        first = Working(database, index)
        ended.callback(first.join, WAIT_S)
        (before,) = until_waiting(database, 1)
        database.tell(0)
        second = Working(database, then)
        ended.callback(second.join, WAIT_S)
        both = until_waiting(database, 2)
    assert not first.is_alive()
    assert not second.is_alive()
    assert (first.error, second.error) == (None, None)
    return before, both


def test_who_indexes_waits_for_whoever_does_before_it_reads_or_writes_anything(database):
    database.tell(0)
    index(database.log, database.projecting)
    database.tell(1)
    first, both = two_at_once(database, f'LOCK TABLE "{WAITING}" IN SHARE MODE')
    assert both == sorted(["advisory", first])
    assert first == "relation"
    assert database.found() == database.runs


def test_who_indexes_what_could_not_be_read_before_waits_for_whoever_indexes(database):
    database.tell(0)
    index(database.log, database.projecting)
    database.tell(1)
    database.tell_what_is_read_later(1)
    first, both = two_at_once(database, f'LOCK TABLE "{WAITING}" IN SHARE MODE', then=requeue)
    assert both == sorted(["advisory", first])
    assert first == "relation"
    index(database.log, database.projecting)
    assert database.found() == database.runs


def test_two_who_find_no_index_make_it_one_after_the_other(database):
    database.tell(1)
    first, both = two_at_once(database, f'CREATE TABLE "{WAITING}" (no integer)')
    assert both == sorted(["advisory", first])
    assert database.found() == database.runs
