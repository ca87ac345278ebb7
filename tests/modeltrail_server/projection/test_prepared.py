"""A question that was asked before is not planned again: what PostgreSQL prepared outlives the snapshot."""

from collections.abc import Iterator

import pytest
from event_cases import history, outgoing
from modeltrail.log.memory import MemoryLog
from modeltrail_server.errors import DatabaseUrlError
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.queries.snapshot import Snapshot
from services.fixtures import DatabaseFactory
from sqlalchemy import Engine

pytestmark = pytest.mark.service
RUN = b"r" * 16


@pytest.fixture
def engine(new_database: DatabaseFactory) -> Iterator[Engine]:
    engine = open_engine(new_database())
    log = MemoryLog()
    log.append(outgoing(history(20)))
    catch_up(log, engine)
    yield engine
    engine.dispose()


def ask(engine: Engine) -> dict[str, int]:
    """Ask for a run; return how often each prepared text that reads runs was executed on this connection."""
    with reading(engine) as (connection, tables):
        Snapshot(connection, tables).runs([RUN])
        plans = "SELECT name, generic_plans + custom_plans FROM pg_prepared_statements"
        found = connection.exec_driver_sql(f"{plans} WHERE position('run_id' IN statement) > 0")
        return {row[0]: row[1] for row in found}


def test_a_text_is_prepared_once_for_a_connection(engine: Engine) -> None:
    names = {name for _ in range(3) for name in ask(engine)}

    assert len(names) == 1
    assert max(ask(engine).values()) >= 3


def test_a_snapshot_that_ends_with_an_error_of_the_database_is_rolled_back(engine: Engine) -> None:
    ask(engine)
    with pytest.raises(DatabaseUrlError, match="nowhere"), reading(engine) as (connection, _):
        connection.exec_driver_sql("SELECT 1 FROM nowhere")

    assert ask(engine)


def test_nothing_that_was_read_stays_locked(engine: Engine) -> None:
    ask(engine)
    with engine.connect() as connection:
        named = "SELECT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation"
        assert not [name for (name,) in connection.exec_driver_sql(named) if name.startswith("g1_")]


def test_a_connection_remembers_more_texts_than_all_questions_have(engine: Engine) -> None:
    first = ask(engine)
    with reading(engine) as (connection, _):
        driver = connection.connection.driver_connection
        assert driver is not None
        for number in range(150):
            driver.execute(f"SELECT {number}", prepare=True)

    assert set(first) <= set(ask(engine))
