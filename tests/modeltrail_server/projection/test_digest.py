"""The digest covers every value of the state: change one, wherever, and it is another."""

from typing import Any

import pytest
from event_cases import NASTY, history, outgoing
from hypothesis import given
from hypothesis import strategies as st
from modeltrail.log.memory import MemoryLog
from modeltrail_server.projection.digest import compute_digest, encode_row, encode_rows, encoder_of
from modeltrail_server.projection.engine import writing
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.projection.tables import AnyText, Tables, escape_text, tables_of
from sqlalchemy import BigInteger, Boolean, Column, Engine, LargeBinary, delete, select, update

STATE = ("run", "entity", "link", "content", "event")
# How an event came, which is no state, and by what it is found, which the payload says.
ARRIVAL = {("event", name) for name in ("partition", "offset", "recorded_ms", "run_key", "job_key")}


_values = {
    AnyText: st.sampled_from(NASTY) | st.text(max_size=5),
    LargeBinary: st.binary(max_size=20) | st.binary(min_size=16, max_size=16),
    BigInteger: st.integers(-(2**63), 2**63 - 1),
    Boolean: st.booleans(),
}


@given(st.data())
def test_rows_encoded_by_columns_are_the_rows_encoded_one_by_one(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(list(_values)), min_size=1, max_size=5))
    # Texts and booleans are never missing; a database without booleans has 0 and 1.
    values = [_values[kind] | st.none() if kind in (LargeBinary, BigInteger) else _values[kind] for kind in kinds]
    rows = data.draw(st.lists(st.tuples(*values), max_size=6))
    encoders = [encoder_of(Column("any", kind)) for kind in kinds]
    stored = [
        tuple(
            escape_text(value) if isinstance(value, str) else int(value) if isinstance(value, bool) else value
            for value in row
        )
        for row in rows
    ]
    assert encode_rows(stored, encoders) == b"".join(map(encode_row, rows))


@pytest.fixture
def tables(sqlite_engine: Engine) -> Tables:
    log = MemoryLog()
    log.append(outgoing(history(2)))
    catch_up(log, sqlite_engine)
    return tables_of(1)


def _other(column: Any) -> Any:
    if isinstance(column.type, Boolean):
        return False
    if isinstance(column.type, LargeBinary):
        return b"\x00" * 16
    return "other" if isinstance(column.type, AnyText) else 7


@pytest.mark.parametrize("name", STATE)
def test_each_column_and_each_row_counts(name: str, sqlite_engine: Engine, tables: Tables) -> None:
    table, before = getattr(tables, name), compute_digest(sqlite_engine).hex
    key = table.primary_key.columns
    for column in table.columns:
        with writing(sqlite_engine) as connection:
            row = connection.execute(select(*table.columns).order_by(*key)).first()
            assert row is not None
            is_row = [each == row._mapping[each] for each in key]
            connection.execute(update(table).where(*is_row).values({column.name: _other(column)}))
        changed = compute_digest(sqlite_engine).hex
        assert (changed == before) == ((name, column.name) in ARRIVAL), column.name
        with writing(sqlite_engine) as connection:
            is_row = [each == (_other(column) if each is column else row._mapping[each]) for each in key]
            connection.execute(update(table).where(*is_row).values({column.name: row._mapping[column]}))
        assert compute_digest(sqlite_engine).hex == before
    with writing(sqlite_engine) as connection:
        connection.execute(delete(table).where(*[each == row._mapping[each] for each in key]))
    assert compute_digest(sqlite_engine).hex != before
