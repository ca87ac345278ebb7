"""Mending what a losing payload said costs what it touched, however many events there are."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from event_cases import history, outgoing
from faults.states import undisturbed
from modeltrail.log.memory import MemoryLog
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.names import EntityRef, JobName
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.engine import writing
from modeltrail_server.projection.projector import catch_up
from sqlalchemy import Engine, event

RIVALS = 20
GROWING = ("event", "run", "entity", "link", "content")


def _rivals(number: int) -> list[bytes]:
    """Return payloads of one event id, which name everything that an event can; the one that stands is the last."""
    payloads = [
        encode(
            LineageEvent(
                number.to_bytes(16, "big"), "run", "START", number, f"r-{word}", parent_run_id="p",
                job=JobName("risk", f"job-{word}"), commit=f"c-{word}", environment_digest=f"sha256:{word:02x}",
                inputs=(EntityRef("dataset", "risk", "tx", f"{word}", f"sha256:{word:02x}"),),
                outputs=(EntityRef("model", "risk", f"m-{word}"),),
            )
        )
        for word in range(RIVALS)
    ]  # fmt: skip
    return sorted(payloads, key=lambda payload: hashlib.sha256(payload).digest(), reverse=True)


@contextmanager
def _told(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Give the statements that are run meanwhile, those that read or change what is there."""
    statements: list[tuple[str, Any]] = []

    def hear(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if not many and statement.startswith(("SELECT", "UPDATE", "DELETE")):
            statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", hear)
    yield statements
    event.remove(engine, "before_cursor_execute", hear)


def _plan(engine: Engine, statement: str, parameters: Any) -> str:
    is_postgresql = engine.dialect.name == "postgresql"
    with writing(engine) as connection:
        if is_postgresql:
            # A few rows are read quicker from end to end: is there a way that is not?
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN" if is_postgresql else "EXPLAIN QUERY PLAN"
        return "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters))


@pytest.mark.parametrize("at_once", [True, False])
def test_no_statement_that_mends_reads_a_table_from_end_to_end(at_once: bool, engine: Engine) -> None:
    log, rivals = MemoryLog(), _rivals(3)
    first = [*history(10), rivals[0]]
    log.append(outgoing(first))
    catch_up(log, engine)
    with _told(engine) as statements:
        for part in [rivals[1:]] if at_once else [[rival] for rival in rivals[1:]]:
            log.append(outgoing(part))
            catch_up(log, engine)
    assert compute_digest(engine).hex == undisturbed([*first, *rivals]).hex
    plans = {statement: _plan(engine, statement, parameters) for statement, parameters in statements}
    assert sum("job_key =" in statement for statement in plans) > 0
    for statement, plan in plans.items():
        for table in GROWING:
            assert f"SCAN g1_{table}" not in plan, (statement, plan)
            assert f"Seq Scan on g1_{table}" not in plan, (statement, plan)
