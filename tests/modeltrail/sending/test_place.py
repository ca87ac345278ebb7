"""There is one sender for a home and log, it is found as long as it is there, and it is not missed when it goes."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from modeltrail.sending.place import MAX_NOTICES, SenderState, SendingPlace
from modeltrail.spool.acknowledgement import NOWHERE, decode_place, encode_place

offsets = st.integers(min_value=0, max_value=2**64 - 1)


def test_a_place_has_one_sender_at_a_time(tmp_path: Path) -> None:
    place = SendingPlace.of(tmp_path, "a log")
    post = place.take(wait_s=0)
    assert post is not None
    assert place.take(wait_s=0) is None
    post.close()
    second = place.take(wait_s=0)
    assert second is not None
    second.close()


def test_each_log_of_a_home_has_a_place_of_its_own(tmp_path: Path) -> None:
    assert SendingPlace.of(tmp_path, "a log") != SendingPlace.of(tmp_path, "another log")


def test_a_sender_is_found_exactly_while_it_listens(tmp_path: Path) -> None:
    place = SendingPlace.of(tmp_path, "a log")
    assert not place.is_served()
    post = place.take(wait_s=0)
    assert post is not None
    assert not place.is_served()
    post.listen()
    assert place.is_served()
    assert int(place.lock_file.read_text()) == os.getpid()
    post.unlisten()
    assert not place.is_served()
    assert not place.ring()
    post.close()


def test_a_sender_hears_the_bell_and_nothing_else(tmp_path: Path) -> None:
    post = SendingPlace.of(tmp_path, "a log").take(wait_s=0)
    assert post is not None
    post.listen()
    assert not post.wait(0)
    assert post.place.is_served()
    assert not post.wait(0)
    for _ in range(100_000):  # more than a FIFO holds
        assert post.place.ring()
    assert post.wait(0)
    while post.wait(0):
        pass
    post.close()


def test_what_a_sender_tells_is_heard_and_the_next_begins_anew(tmp_path: Path) -> None:
    place = SendingPlace.of(tmp_path, "a log")
    assert place.state() == SenderState()
    post = place.take(wait_s=0)
    assert post is not None
    post.listen()
    post.tell_fault("no broker answers")
    for number in range(2 * MAX_NOTICES):
        post.tell_notice(str(number))
    state = place.state()
    assert (state.fault, state.process_id) == ("no broker answers", os.getpid())
    assert [notice.text for notice in state.notices] == [str(n) for n in range(MAX_NOTICES, 2 * MAX_NOTICES)]
    post.tell_fault("")
    assert not place.state().fault
    post.close()
    second = place.take(wait_s=0)
    assert place.state() == SenderState()
    assert second is not None
    second.close()


def test_a_state_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    place = SendingPlace.of(tmp_path, "a log")
    place.folder.mkdir(parents=True)
    for text in ("", "{", "[]", '{"process_id": 1}', '{"notices": [{"text": 1}]}', '{"notices": 3}'):
        place.state_file.write_text(text)
        assert place.state() == SenderState()


@given(offsets, offsets)
def test_a_place_in_a_spool_is_told_as_it_is(segment: int, offset: int) -> None:
    assert decode_place(encode_place((segment, offset))) == (segment, offset)


@given(st.tuples(offsets, offsets), st.tuples(offsets, offsets), st.integers(min_value=0, max_value=20))
def test_a_place_read_while_it_is_written_is_one_of_both_or_none(
    before: tuple[int, int], after: tuple[int, int], cut: int
) -> None:
    mixed = encode_place(after)[:cut] + encode_place(before)[cut:]
    assert decode_place(mixed) in (before, after, NOWHERE)
