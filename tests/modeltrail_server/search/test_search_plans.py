"""Cost follows the size of the answer: every statement of a search seeks an index, on both databases."""

from contextlib import contextmanager
from itertools import product

import pytest
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.search.expression import parse_expression
from modeltrail_server.search.meaning import Condition, Conjunction, conditions_of, conjuncts_of, meaning_of
from modeltrail_server.search.narrowing import columns_of, versions_of
from modeltrail_server.search.rows import ATTRIBUTE, METRIC, STARTED, Key
from modeltrail_server.search.statements import (
    Catalogue,
    range_of,
    runs_numbered,
    runs_written,
    told,
    told_of_ordinals,
    told_of_waiting,
)
from modeltrail_server.search.tables import search_tables_of
from sqlalchemy import event

TABLES = search_tables_of(1)
RANGES = [
    "metrics.auc > 0.9",
    "metrics.auc > 0.9 and metrics.auc <= 0.95",
    "params.lr = '0.1'",
    "params.lr = 'adam'",
    "params.lr in ('adam', 'sgd')",
    "params.lr in ('0.1', '0.2')",
    "params.lr <= 0.3",
    "params.lr like 'ad%'",
    "tags.team = '5'",
    "state = 'FAIL'",
    "state in ('FAIL', 'ABORT')",
    "job = 'risk/train'",
    "job like 'risk/%'",
    "commit = 'a1b2'",
    "dataset = 'tx@v1'",
    "model = 'fraud'",
    "owner = 'ana'",
    "user = 'ana'",
    "name = 'trial'",
    "started >= '2026-03-03' and started < '2026-03-04'",
    "duration > 3600",
    "run = 'run-1'",
    "parent = 'run-1'",
]
PROBES = ["metrics.auc != 1", "params.lr like '%a'", "params.lr ilike 'a%'", "not tags.team = 'x' or params.x > 'a'"]


def condition_of(text):
    """Return the one condition that an expression means."""
    (condition,) = conjuncts_of(meaning_of(parse_expression(text)))
    assert isinstance(condition, Condition)
    return condition


def statements(dialect):
    """Yield (name, statement, bound) of every kind of statement, over every kind of range."""
    catalogue = Catalogue(TABLES, dialect)
    bound = {"row_limit": 10}
    rest = Conjunction(tuple(meaning_of(parse_expression(text)) for text in (*PROBES, *RANGES[:4])))
    for text in RANGES:
        rows = range_of(condition_of(text))
        yield f"count {text}", catalogue.counted([rows]), bound
        for descending, best_of in product((True, False), (None, Key(METRIC, "loss"))):
            gathered = catalogue.gathered(rows, rest, best_of, descending=descending)
            yield f"gather {text}", gathered, {}
        for by_number, descending in product((True, False), (True, False)):
            if rows.key in ORDERS if by_number else rows.one_value:
                walked = catalogue.walked(rows, by_number=by_number, descending=descending)
                yield f"walk {text}", walked, bound


ORDERS = (STARTED, Key(METRIC, "auc"))
FIXED = {
    "values": (told, {"keys": [b"1" * 16, b"2" * 16], "key_ids": [1, 2]}),
    "columns": (columns_of, {"key_id": 1, "first": 0, "last": 9}),
    "versions of columns": (versions_of, {"key_ids": [1, 2]}),
    "numbered": (runs_numbered, {"key_id": 1, "least": 0.0, "most": 9.0, "row_limit": 10}),
    "written": (
        lambda tables: runs_written(tables, 2),
        {"key_id": 1, "row_limit": 10} | {f"{end}_{place}": "a" for end in ("least", "greatest") for place in (0, 1)},
    ),
}
"""Statements that are always the same, and what they bind."""


def own_statements(dialect):
    """Yield (name, statement, bound, tables read whole) of those that are always the same for one database."""
    for name, (make, bound) in FIXED.items():
        yield name, make(TABLES), bound, ()
    ordinals = "1,2" if dialect == "postgresql" else [1, 2]
    yield "values of ordinals", told_of_ordinals(TABLES, dialect), {"ordinals": ordinals, "key_ids": [1, 2]}, ()
    # Of what waits there is little.
    waiting = told_of_waiting(TABLES, dialect)
    yield "values of what waits", waiting, {"row_limit": 10, "key_ids": [1, 2]}, (TABLES.waiting.name,)


@contextmanager
def planned(database, *settings):
    """Give what plans a statement on the empty tables of an index."""
    engine = open_engine(database)
    TABLES.metadata.create_all(engine)
    with engine.connect() as connection:
        for setting in settings:
            connection.exec_driver_sql(setting)

        def plan_of(statement, bound):
            run = []
            listener = lambda *arguments: run.append(arguments[2:4])  # noqa: E731
            event.listen(connection, "before_cursor_execute", listener)
            connection.execute(statement, bound).fetchall()
            event.remove(connection, "before_cursor_execute", listener)
            sql, values = run[-1]
            explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
            return [row[-1] for row in connection.exec_driver_sql(explain + sql, values)]

        yield plan_of
    engine.dispose()


def test_every_statement_seeks_an_index(tmp_path):
    with planned(f"sqlite:///{tmp_path / 'empty.db'}") as plan_of:
        for name, statement, bound in statements("sqlite"):
            plan = plan_of(statement, bound)

            assert not [step for step in plan if step.startswith("SCAN g1_")], (name, plan)
            assert any(step.startswith("SEARCH g1_search4_value") for step in plan), (name, plan)
            for step in plan:  # a range is read from the index alone; a probe is by the run, whatever the values
                if step.startswith("SEARCH g1_search4_value "):
                    assert "COVERING INDEX" in step, (name, plan)
                if "SUBQUERY" not in step and step.startswith("SEARCH g1_search4_value_"):
                    assert "PRIMARY KEY (run_key=?" in step or "COVERING INDEX" in step, (name, plan)
            if name.startswith("walk"):
                assert not [step for step in plan if "TEMP B-TREE" in step], (name, plan)
        for name, statement, bound, whole in own_statements("sqlite"):
            plan = plan_of(statement, bound)

            scanned = [step for step in plan if step.startswith("SCAN g1_")]
            assert all(step.split()[1] in whole for step in scanned), (name, plan)
            assert any(step.startswith("SEARCH g1_search4_") for step in plan), (name, plan)
            if name in ("numbered", "written"):
                assert all("COVERING INDEX" in step for step in plan if step.startswith("SEARCH")), (name, plan)


@pytest.mark.service
def test_every_statement_seeks_an_index_on_postgresql(new_database):
    # An empty table is read whole whatever its indices, unless there is another way and the planner is told so.
    settings = ("SET enable_seqscan = off", "SET enable_bitmapscan = off", "SET enable_sort = off")
    with planned(new_database(), *settings) as plan_of:
        for name, statement, bound in statements("postgresql"):
            plan = plan_of(statement, bound)
            steps = "\n".join(plan)

            assert "Seq Scan on" not in steps, (name, steps)
            assert "Join" not in steps, (name, steps)
            assert "Nested Loop" not in steps, (name, steps)
            for index, step in enumerate(plan):
                if "Scan using" in step or "Scan Backward using" in step:
                    assert "Index Cond" in plan[index + 1], (name, steps)
            if name.startswith("walk"):
                assert "Sort" not in steps, (name, steps)
        for name, statement, bound, whole in own_statements("postgresql"):
            steps = "\n".join(plan_of(statement, bound))

            read_whole = {
                step.split("Seq Scan on ")[1].split()[0] for step in steps.split("\n") if "Seq Scan on" in step
            }
            assert read_whole <= set(whole), (name, steps)
            assert "Join" not in steps, (name, steps)
            assert "Index Cond" in steps, (name, steps)


def test_what_no_index_orders_is_no_range():
    for text in (*PROBES[:3], "params.x like '1%'", "params.x in ('a', 1)", "params.x > 'a'"):
        assert range_of(condition_of(text)) is None, text
    assert all(range_of(condition) for text in RANGES for condition in conditions_of(condition_of(text)))
    assert STARTED.kind == ATTRIBUTE
