"""Ids: where they come from, and that they sort."""

import uuid

from hypothesis import given
from hypothesis import strategies as st
from modeltrail_schemas.identity import canonical_run_id, hashed_id, job_key, new_event_id, run_key
from schemas.strategies import ANY_TEXT

TIMES_NS = st.integers(0, 1 << 62)


@given(TIMES_NS, st.binary(min_size=8, max_size=8))
def test_an_event_id_is_a_version_7_uuid_of_its_time(time_ns: int, random: bytes) -> None:
    made = uuid.UUID(bytes=new_event_id(time_ns, random))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == time_ns // 1_000_000


@given(TIMES_NS, st.integers(245, 1 << 40), st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_ids_of_times_245_ns_apart_sort_as_the_times_do(time_ns: int, later_ns: int, a: bytes, b: bytes) -> None:
    assert new_event_id(time_ns, a) < new_event_id(time_ns + later_ns, b)


@given(st.binary())
def test_a_hashed_id_is_a_version_8_uuid_and_a_function_of_the_bytes(data: bytes) -> None:
    made = uuid.UUID(bytes=hashed_id(data))
    assert (made.version, made.variant) == (8, uuid.RFC_4122)
    assert hashed_id(data) == made.bytes


@given(st.uuids())
def test_a_uuid_is_one_run_in_any_case(run: uuid.UUID) -> None:
    assert canonical_run_id(str(run).upper()) == str(run)
    assert run_key(str(run).upper()) == run.bytes


@given(ANY_TEXT)
def test_any_other_run_id_is_itself(run_id: str) -> None:
    assert canonical_run_id(run_id) == run_id
    assert len(run_key(run_id)) == 16


def test_parts_of_a_key_do_not_run_into_each_other() -> None:
    assert job_key("a", "bc") != job_key("ab", "c")
