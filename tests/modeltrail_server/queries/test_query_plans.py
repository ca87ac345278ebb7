"""Cost follows the size of the answer: no statement reads a table of the read model from end to end."""

import inspect

import pytest
from modeltrail.log.protocol import Position
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.fetching import bound, fetch, text_of
from modeltrail_server.projection.generations import SEEKING
from modeltrail_server.projection.tables import MARKS, tables_of
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.statements import entities, events, links, runs, upstream
from psycopg import RawCursor

TABLES = tables_of(1)
AS_OFS = (None, AsOf(recorded_ms=1), AsOf(position=Position((5, 3))), AsOf(position=Position((5,))))
BIG = {table.name for table in TABLES.metadata.tables.values()}
# These read a table in the order of an index, and end at their limit.
KEY = b"1" * 16
BOUND = {
    "keys": [KEY, b"2" * 16],
    "activities": [KEY],
    "relations": ["input", "output"],
    "relation": "input",
    "digest": "sha256:0",
    "kind": "model",
    "row_limit": 10,
    "since_ns": 1,
    "time_ns": 1,
    "key": KEY,
    "event_id": KEY,
    "partition": 0,
    "recorded_ms": 1,
    "low_ns": 1,
    "high_ns": 2,
    "job_key": KEY,
    "low_key": KEY,
    "high_key": KEY,
    "low": "a",
    "high": "b",
    "namespace": "a",
    "name": "a",
    **{f"after_{kind}": "a" for kind in ("model", "dataset")},
}
ROLES = ("ALIASED", "STAGED")
READ_UP_TO_A_LIMIT = {"any_event", "count_runs", "runs_page"}
SMALL = {"positions", "retractions"}
LAST = "last_time_ns, last_event_id"


def all_statements():
    """Yield every statement there is with every combination of its flags."""
    made = (
        member
        for module in (entities, events, links, runs, upstream)
        for member in inspect.getmembers(module, lambda member: type(member).__name__ == "_lru_cache_wrapper")
    )
    for name, make in made:
        parameters = inspect.signature(make).parameters
        for as_of in AS_OFS if "as_of" in parameters else (None,):
            given = {"tables": TABLES} | ({"as_of": as_of} if "as_of" in parameters else {})
            given |= {"kinds": ("model", "dataset")} if "kinds" in parameters else {}
            given |= {"roles": ROLES} if "roles" in parameters else {}
            flags = [flag for flag in parameters if flag not in ("tables", "as_of", "kinds", "roles")]
            for bits in range(2 ** len(flags)):
                yield name, make(**given, **{flag: bool(bits >> index & 1) for index, flag in enumerate(flags)})


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('plans') / 'empty.db'}")
    TABLES.metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def plan_of(connection, statement, **asked):
    """Run ``statement`` and return how the database says it went about it."""
    named = statement.compile().params
    parameters = {name: value for name, value in (BOUND | asked).items() if name in named}
    fetch(connection, statement, parameters)
    text = text_of(connection.dialect.name, statement, parameters)
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    driver = connection.connection.driver_connection
    cursor = driver.cursor() if connection.dialect.name == "sqlite" else RawCursor(driver)
    return [row[-1] for row in cursor.execute(explain + text.sql, bound(text, parameters)).fetchall()]


@pytest.mark.parametrize("keys", [[KEY], [KEY, b"2" * 16]])
def test_declarations_are_found_by_their_type_among_very_many(connection, keys):
    plan = plan_of(connection, links.declarations(TABLES, None, ROLES), keys=keys)

    assert [step for step in plan if "USING COVERING INDEX g1_link_by_role (entity_key=? AND role=?)" in step], plan


@pytest.mark.parametrize("keys", [[KEY], [KEY, b"2" * 16]])
def test_what_a_lineage_marks_is_found_in_an_index_of_these_declarations_alone(connection, keys):
    plan = plan_of(connection, links.declarations(TABLES, None, MARKS), keys=keys)

    assert [step for step in plan if "USING COVERING INDEX g1_link_marks (entity_key=?)" in step], plan


@pytest.mark.parametrize(("name", "statement"), list(all_statements()))
def test_every_statement_seeks_an_index(connection, name, statement):
    plan = plan_of(connection, statement)

    scans = [step for step in plan if step.startswith("SCAN") and step.split()[1] in BIG]
    assert not scans or name in READ_UP_TO_A_LIMIT | SMALL, plan
    if scans:
        assert not [step for step in plan if "TEMP B-TREE FOR ORDER BY" in step], plan
    assert plan


@pytest.mark.parametrize(("name", "statement"), list(all_statements()))
def test_a_bound_is_no_reason_to_read_a_whole_partition(connection, name, statement):
    plan = plan_of(connection, statement, keys=[bytes([number]) * 16 for number in range(64)])

    assert name
    assert not [step for step in plan if "g1_event_by_record (partition=?)" in step], plan


@pytest.mark.service
def test_every_statement_seeks_an_index_on_postgresql(new_database):
    engine = open_engine(new_database())
    TABLES.metadata.create_all(engine)
    with engine.connect() as connection:
        # An empty table is read whole whatever its indices, unless there is another way and the planner is told so.
        for setting in ("enable_seqscan", "enable_bitmapscan"):
            connection.exec_driver_sql(f"SET {setting} = off")
        for setting, value in SEEKING.items():
            connection.exec_driver_sql(f"SET {setting} = '{value}'")
        for keys in ([KEY], [KEY, b"2" * 16]):
            declared = plan_of(connection, links.declarations(TABLES, None, ROLES), keys=keys)
            assert "g1_link_by_role" in "".join(declared), declared
        assert "g1_link_retracted" in "".join(plan_of(connection, upstream.retractions(TABLES, None)))
        readers = plan_of(connection, links.readers_by_name(TABLES, None))
        assert [step for step in readers if "Index Cond" in step and "event_time_ns < COALESCE(" in step], readers
        for name, statement in all_statements():
            plan = plan_of(connection, statement)
            if name in READ_UP_TO_A_LIMIT | SMALL:
                continue
            steps = "\n".join(plan)
            assert "Seq Scan on g1_" not in steps.replace("Seq Scan on g1_position", ""), (name, steps)
            for index, step in enumerate(plan):
                if "Index Scan" in step or "Index Only Scan" in step:
                    assert "Index Cond" in plan[index + 1], (name, steps)
    engine.dispose()


def test_the_latest_users_of_one_dataset_are_read_in_order_and_not_sorted(connection):
    statement = links.activities_of_entities(TABLES, None, latest_first=True)
    plan = plan_of(connection, statement, keys=[KEY], relations=["input"])

    assert not [step for step in plan if "TEMP B-TREE" in step], plan


def test_what_was_retracted_is_told_by_an_index_of_retractions_alone(connection):
    plan = plan_of(connection, upstream.retractions(TABLES, None))

    assert [step for step in plan if "INDEX g1_link_retracted" in step], plan


def test_who_read_a_name_is_sought_from_one_version_to_the_next(connection):
    plan = plan_of(connection, links.readers_by_name(TABLES, None))

    between = "(entity_key=? AND relation=? AND event_time_ns>? AND event_time_ns<?)"
    assert [step for step in plan if step.startswith("SEARCH g1_link") and between in step], plan
    ever = [index for index, step in enumerate(plan) if step.startswith("SEARCH reading")]
    others = [index for index, step in enumerate(plan) if step.startswith("SEARCH following")]
    assert ever, plan
    assert others, plan
    assert ever[0] < others[0], plan  # whether anybody read it at all comes first


@pytest.mark.service
@pytest.mark.parametrize("keys", [[KEY], [KEY, b"2" * 16]])
def test_declarations_of_some_types_are_not_sought_among_those_of_all_types(new_database, keys):
    engine = open_engine(new_database())
    TABLES.metadata.create_all(engine)
    with engine.begin() as connection:
        key, about = (f"decode(lpad(to_hex({part}), 32, '0'), 'hex')" for part in ("number", "number / 50"))
        named = "entity_key, relation, event_time_ns, event_id, role"
        values = f"{about}, 'subject', number, {key}, 'REGISTERED'"
        connection.exec_driver_sql(
            f"INSERT INTO g1_link ({named}) SELECT {values} FROM generate_series(1, 10000) AS number"
        )
        connection.exec_driver_sql("ANALYZE g1_link")
        for setting, value in SEEKING.items():
            connection.exec_driver_sql(f"SET LOCAL {setting} = '{value}'")
        for roles in (ROLES[:1], ROLES, ("RETRACTED", "DESCRIBED", "ANNOTATED", "DEPLOYED")):
            steps = "\n".join(plan_of(connection, links.declarations(TABLES, None, roles), keys=keys))
            assert steps.count("g1_link_by_role") == len(roles), steps
        steps = "\n".join(plan_of(connection, links.declarations(TABLES, None, MARKS), keys=keys))
        assert steps.count("g1_link_marks") == 1, steps
    engine.dispose()


@pytest.mark.service
def test_the_parts_of_a_run_are_sought_by_it_among_many_runs_and_not_in_the_order_of_time(new_database):
    engine = open_engine(new_database())
    TABLES.metadata.create_all(engine)
    with engine.begin() as connection:
        key, whole = (f"decode(lpad(to_hex({part}), 32, '0'), 'hex')" for part in ("number", "number / 50"))
        named = f"run_key, run_id, state, state_terminal, parent_key, first_time_ns, first_event_id, {LAST}"
        values = f"{key}, number::text, '', false, {whole}, number, {key}, number, {key}"
        connection.exec_driver_sql(
            f"INSERT INTO g1_run ({named}) SELECT {values} FROM generate_series(1, 10000) AS number"
        )
        connection.exec_driver_sql("ANALYZE g1_run")
        for setting, value in SEEKING.items():
            connection.exec_driver_sql(f"SET LOCAL {setting} = '{value}'")
        for as_of in AS_OFS:
            steps = "\n".join(plan_of(connection, runs.parts_of_runs(TABLES, as_of)))
            assert "g1_run_by_time" not in steps, steps
    engine.dispose()
