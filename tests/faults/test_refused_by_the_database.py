"""Promise 3, each event counts once: what the database refuses for what it says stops nothing, and is kept.

The rules that refuse are added by the tests; what is refused by any other rule goes the same way.
"""

from collections.abc import Iterator, Sequence
from random import Random

import pytest
from event_cases import history, outgoing
from faults.states import opened, undisturbed
from modeltrail.log.memory import MemoryLog
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.names import EntityRef
from modeltrail_server.errors import DatabaseUnavailableError, DataRefusedError
from modeltrail_server.projection.dead_letters import list_dead_letters, requeue_dead_letters
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.engine import writing
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.projector import Projector, catch_up
from services.fixtures import DatabaseFactory
from sqlalchemy import Connection, Engine, select

pytestmark = pytest.mark.fault
# Each costs a transaction that fails: ten round trips to a server.
IN_A_ROW = {"sqlite": 10_000, "postgresql": 2_000}
RULES = {"event": "kind = 'poison'", "run": "run_id LIKE 'poison%'", "link": "role = 'poison'"}


def _poison(number: int) -> bytes:
    tx = EntityRef("dataset", "risk", "tx", "delta:1", "", "poison")
    return encode(LineageEvent(number.to_bytes(16, "big"), "poison", "START", 5, f"poison-{number}", inputs=(tx,)))


def _execute(engine: Engine, *statements: str) -> None:
    with writing(engine) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%") if _is_postgresql(connection) else statement)


def _is_postgresql(connection: Connection | Engine) -> bool:
    return connection.dialect.name == "postgresql"


def _forbid(engine: Engine, table: str) -> None:
    """Let the table refuse poison."""
    if _is_postgresql(engine):
        _execute(engine, f"ALTER TABLE g1_{table} ADD CONSTRAINT no_poison CHECK (NOT {RULES[table]})")
    else:
        _execute(
            engine,
            f"CREATE TRIGGER no_poison BEFORE INSERT ON g1_{table} WHEN NEW.{RULES[table]} "
            "BEGIN SELECT RAISE(ABORT, 'no_poison'); END",
        )


def _allow(engine: Engine, table: str) -> None:
    if _is_postgresql(engine):
        _execute(engine, f"ALTER TABLE g1_{table} DROP CONSTRAINT no_poison")
    else:
        _execute(engine, "DROP TRIGGER no_poison")


def _project(engine: Engine, log: MemoryLog, messages: Sequence[bytes], *, batch_records: int = 4_000) -> None:
    log.append(outgoing(messages))
    with Projector(log, engine, max_batch_records=batch_records) as projector:
        while projector.step(wait_ms=0):
            pass


@pytest.mark.parametrize("table", RULES)
@pytest.mark.parametrize("batch_records", [7, 4_000])
def test_a_refused_record_is_a_dead_letter_with_the_reason_until_the_rule_is_gone(
    table: str, batch_records: int, engine: Engine, chance: Random
) -> None:
    good, log = history(40), MemoryLog()
    _project(engine, log, good[:2])
    _forbid(engine, table)
    messages = good[2:]
    poison = [_poison(number) for number in range(1, 12)]
    for one in poison:
        messages.insert(chance.randint(0, len(messages)), one)
    _project(engine, log, messages, batch_records=batch_records)
    letters = list_dead_letters(engine, limit=100)
    assert [letter.value for letter in letters] == [message for message in messages if message in poison]
    assert all("no_poison" in letter.reason for letter in letters)
    assert compute_digest(engine).hex == undisturbed(good).hex
    assert requeue_dead_letters(engine) == (0, len(poison))
    _allow(engine, table)
    assert requeue_dead_letters(engine) == (len(poison), 0)
    assert compute_digest(engine).hex == undisturbed([*good, *poison]).hex


def test_thousands_of_refused_records_in_a_row_are_set_aside_and_the_next_ones_project(engine: Engine) -> None:
    good, log = history(30), MemoryLog()
    _project(engine, log, good[:20])
    _forbid(engine, "event")
    count = IN_A_ROW[engine.dialect.name]
    poison = [_poison(number) for number in range(1, count + 1)]
    _project(engine, log, [*good[20:30], *poison[: count // 2], good[30], *poison[count // 2 :], *good[31:]])
    assert [letter.value for letter in list_dead_letters(engine, limit=2 * count)] == poison
    digest = compute_digest(engine)
    assert digest.position == log.end()
    assert digest.hex == undisturbed(good).hex


def test_a_record_that_repeats_an_event_under_another_rule_is_refused_too(engine: Engine) -> None:
    """A rule of somebody else's is not the race of two projectors, which is tried again for ever."""
    good, log = history(3), MemoryLog()
    _project(engine, log, good[:1])
    _execute(engine, "CREATE UNIQUE INDEX no_poison ON g1_event (event_time_ns)")
    same_time = encode(LineageEvent(b"x" * 16, "run", "RUNNING", 10**18, "another"))
    _project(engine, log, [same_time, *good[1:]])
    (letter,) = list_dead_letters(engine, limit=10)
    assert letter.value == same_time
    assert compute_digest(engine).hex == undisturbed(good).hex


def test_what_the_dead_letters_table_refuses_stops_the_projector_and_loses_nothing(engine: Engine) -> None:
    good, log = history(2), MemoryLog()
    _project(engine, log, good[:1])
    if _is_postgresql(engine):
        _execute(engine, "ALTER TABLE g1_dead_letter ADD CONSTRAINT no_letters CHECK (false)")
    else:
        _execute(
            engine,
            "CREATE TRIGGER no_letters BEFORE INSERT ON g1_dead_letter BEGIN SELECT RAISE(ABORT, 'no_letters'); END",
        )
    log.append(outgoing([b"no event", *good[1:]]))
    with pytest.raises(DataRefusedError, match="no_letters"):
        catch_up(log, engine)
    assert compute_digest(engine).position[0] == 1


def _raise_on_postgresql(engine: Engine, sqlstate: str, *, at_commit: bool = False) -> None:
    when = "AFTER INSERT ON g1_event DEFERRABLE INITIALLY DEFERRED" if at_commit else "BEFORE INSERT ON g1_event"
    _execute(
        engine,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{sqlstate}'; END $$",
        f"CREATE {'CONSTRAINT ' if at_commit else ''}TRIGGER refuse {when} "
        "FOR EACH ROW WHEN (NEW.kind = 'poison') EXECUTE FUNCTION refuse()",
    )


@pytest.fixture
def postgresql_engine(new_database: DatabaseFactory) -> Iterator[Engine]:
    """Return an engine of an empty database that tells classes of errors."""
    with opened(new_database()) as engine:
        yield engine


@pytest.mark.service
@pytest.mark.parametrize("at_commit", [False, True])
@pytest.mark.parametrize("sqlstate", ["22003", "22P05", "23514", "23505", "44000", "54000", "P0001"])
def test_each_class_of_refusal_is_found_when_a_row_is_written_and_at_the_commit(
    sqlstate: str, at_commit: bool, postgresql_engine: Engine
) -> None:
    good, log = history(4), MemoryLog()
    _project(postgresql_engine, log, good[:1])
    _raise_on_postgresql(postgresql_engine, sqlstate, at_commit=at_commit)
    _project(postgresql_engine, log, [*good[1:4], _poison(1), *good[4:]])
    (letter,) = list_dead_letters(postgresql_engine, limit=10)
    assert "as told" in letter.reason
    assert compute_digest(postgresql_engine).hex == undisturbed(good).hex


@pytest.mark.service
@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "53100", "53200", "55P03", "57014", "57P01", "58030"])
def test_what_time_may_mend_is_never_set_aside(sqlstate: str, postgresql_engine: Engine) -> None:
    good, log = history(4), MemoryLog()
    _project(postgresql_engine, log, good[:1])
    _raise_on_postgresql(postgresql_engine, sqlstate)
    log.append(outgoing([*good[1:4], _poison(1), *good[4:]]))
    for _ in range(2):
        with pytest.raises(DatabaseUnavailableError, match="as told"):
            catch_up(log, postgresql_engine)
    _execute(postgresql_engine, "DROP TRIGGER refuse ON g1_event")
    catch_up(log, postgresql_engine)
    with reading(postgresql_engine) as (connection, tables):
        assert connection.execute(select(tables.dead_letter)).all() == []
    assert compute_digest(postgresql_engine).hex == undisturbed([*good, _poison(1)]).hex
