"""A read model that was just built is asked by plans that know its size."""

from collections.abc import Iterator

import pytest
from event_cases import history, outgoing
from modeltrail.log.memory import MemoryLog
from modeltrail_server.projection import statistics
from modeltrail_server.projection.engine import open_engine, writing
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.projector import Projector, catch_up
from modeltrail_server.projection.statistics import Statistics
from services.fixtures import DatabaseFactory
from sqlalchemy import Engine, event, text

pytestmark = pytest.mark.service
BATCH = 100


@pytest.fixture
def engine(new_database: DatabaseFactory) -> Iterator[Engine]:
    """Return an engine of an empty database that nobody looks at by itself."""
    engine = open_engine(new_database())
    yield engine
    engine.dispose()


def known_events(engine: Engine) -> int:
    """Return how many events the planner believes in; -1 when nobody ever looked."""
    with reading(engine) as (connection, tables):
        query = text("SELECT reltuples FROM pg_class WHERE relname = :name")
        return int(connection.scalar(query, {"name": tables.event.name}))


def test_the_planner_knows_of_what_was_just_projected(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "FIRST_EVENTS", 2 * BATCH)
    log = MemoryLog()
    log.append(outgoing(history(400)))
    with Projector(log, engine, max_batch_records=BATCH) as projector:
        while projector.step(wait_ms=100, end=log.end()):
            pass
    assert known_events(engine) >= 2 * BATCH


def test_each_look_waits_until_there_is_as_much_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "FIRST_EVENTS", 10)
    catch_up(MemoryLog(), engine)
    with reading(engine) as (_, tables):
        pass
    looks: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _u, text, *_: looks.append(text))
    kept = Statistics(engine)
    counts = []
    for _ in range(40):
        kept.written(tables, 1)
        counts.append(sum(text.startswith("ANALYZE") for text in looks))
    assert [counts.index(number) + 1 for number in (1, 2, 3)] == [10, 20, 40]


def test_a_projector_goes_on_where_the_tables_cannot_be_looked_at(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "FIRST_EVENTS", 1)
    monkeypatch.setattr(statistics, "LOCK_TIMEOUT_MS", 10)
    log = MemoryLog()
    log.append(outgoing(history(20)))
    catch_up(log, engine)
    with reading(engine) as (_, tables):
        pass
    with writing(engine) as connection:
        connection.execute(text(f'LOCK TABLE "{tables.event.name}" IN SHARE UPDATE EXCLUSIVE MODE'))
        Statistics(engine).written(tables, 1)
        log.append(outgoing(history(40)[20:]))
        assert catch_up(log, engine).records_behind == 0


def test_tables_that_are_gone_are_nothing_to_look_at(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "FIRST_EVENTS", 1)
    log = MemoryLog()
    log.append(outgoing(history(20)))
    catch_up(log, engine)
    with reading(engine) as (_, tables):
        pass
    with writing(engine) as connection:
        tables.metadata.drop_all(connection)
    Statistics(engine).written(tables, 1)
