"""The culprits among records are found, each, and nothing else; in few attempts."""

import math

from event_cases import as_records
from hypothesis import given
from hypothesis import strategies as st
from modeltrail_server.projection.isolation import MAX_REFUSED_AT_ONCE, Isolation


@given(st.integers(1, 300), st.data())
def test_culprits_become_dead_letters_and_all_others_are_written_in_order(count: int, data: st.DataObject) -> None:
    records = as_records([b""] * count, start=7)
    culprits = data.draw(st.sets(st.integers(7, 6 + count)) | st.just(set(range(7, 7 + count))))
    isolation, written, dead, attempts = Isolation(records), [], {}, 0
    while part := isolation.part:
        attempts += 1
        assert len(isolation.reasons) <= MAX_REFUSED_AT_ONCE
        if {record.offset for record in part} & culprits - isolation.reasons.keys():
            assert isolation.refused(f"at most {part[-1].offset}")
        else:
            written += [record.offset for record in part]
            dead |= isolation.reasons
            isolation.written()
    assert written == [record.offset for record in records]
    assert dead == {offset: f"at most {offset}" for offset in culprits}
    # Each is found alone; before and after those in a row the parts get smaller, and larger again.
    rows = sum(1 for offset in culprits if offset - 1 not in culprits)
    assert attempts <= 2 + len(culprits) * (1 + 1 / MAX_REFUSED_AT_ONCE) + rows * (4 + 4 * math.log2(count))


def test_dead_letters_that_are_refused_too_are_nobody_s_fault_to_find() -> None:
    isolation = Isolation(as_records([b""]))
    assert isolation.refused("the record")
    assert isolation.part
    assert not isolation.refused("the dead letter")
