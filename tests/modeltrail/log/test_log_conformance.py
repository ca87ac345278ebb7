"""What every log must do, whoever implements it. Each property is stated once and holds for all of them."""

import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modeltrail.errors import OffsetOutOfRangeError, RecordTooLargeError
from modeltrail.log import Log, Outgoing, Position, Reader, Record
from modeltrail.log.reading import read

WAIT_MS = 60_000
MEGABYTE = 1_000_000


def values(*texts: str) -> list[Outgoing]:
    return [Outgoing(text.encode()) for text in texts]


def take(reader: Reader, count: int) -> list[Record]:
    """Poll until ``count`` records came, or none for WAIT_MS."""
    taken: list[Record] = []
    while len(taken) < count:
        polled = reader.poll(max_records=count - len(taken), wait_ms=WAIT_MS)
        assert polled, f"{len(taken)} of {count} records came"
        for records in polled.values():
            taken += records
    return taken


def positioned(log: Log, offset: int = 0) -> Reader:
    reader = log.reader()
    reader.seek(0, offset)
    return reader


def all_values(log: Log) -> list[bytes]:
    return [record.value for record in read(log, log.start(), log.end())]


def test_it_is_a_log(log):
    assert isinstance(log, Log)
    assert log.partitions() == 1


def test_a_new_log_is_empty_from_start_to_end(log):
    assert log.start() == log.end() == Position()
    assert all_values(log) == []


def test_append_returns_the_positions_it_wrote_densely_from_zero(log):
    assert log.append(values("a", "b")) == [(0, 0), (0, 1)]
    assert log.append(values("c")) == [(0, 2)]
    assert log.end() == Position((3,))


def test_appending_nothing_writes_nothing(log):
    assert log.append([]) == []
    assert log.end() == Position()


def test_records_come_back_in_the_order_appended_with_their_offsets(log):
    log.append(values("a", "b", "c"))
    records = list(read(log, log.start(), log.end()))
    assert [(r.partition, r.offset, r.value) for r in records] == [(0, 0, b"a"), (0, 1, b"b"), (0, 2, b"c")]


def test_what_was_appended_is_there_after_reopening(place):
    with place.open() as first:
        first.append(values("a", "b"))
    with place.open() as second:
        second.append(values("c"))
        assert all_values(second) == [b"a", b"b", b"c"]


def test_two_open_logs_see_what_the_other_wrote(place):
    one, two = place.open(), place.open()
    one.append(values("a"))
    two.append(values("b"))
    one.append(values("c"))
    assert all_values(one) == all_values(two) == [b"a", b"b", b"c"]


def test_timestamps_are_the_logs_own_and_never_run_backwards(log):
    before_ms = time.time_ns() // 1_000_000
    for _ in range(5):
        log.append(values("a", "b"))
    times = [record.timestamp_ms for record in read(log, log.start(), log.end())]
    assert times == sorted(times)
    assert before_ms <= times[0]
    assert times[-1] <= time.time_ns() // 1_000_000


def test_bytes_come_back_as_they_were(log):
    keys = [None, b"", b"k", bytes(range(256))]
    contents = [b"", b"v", bytes(range(256))]
    headers = [(), (("h", b""),), (("h", b"\x00\xff"), ("h", b"again"), ("Überschrift", b"x"))]
    written = [Outgoing(content, key, tags) for content in contents for key in keys for tags in headers]
    log.append(written)
    records = list(read(log, log.start(), log.end()))
    assert [Outgoing(r.value, r.key, r.headers) for r in records] == written


OUTGOING = st.builds(
    Outgoing,
    value=st.binary(max_size=200),
    key=st.none() | st.binary(max_size=40),
    headers=st.lists(
        st.tuples(st.text(st.characters(codec="utf-8"), max_size=8), st.binary(max_size=20)), max_size=3
    ).map(tuple),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(OUTGOING, max_size=6), max_size=4))
def test_any_batches_read_back_as_one_sequence(log, batches):
    start = log.end()
    for batch in batches:
        log.append(batch)
    expected = [(o.key, o.value, o.headers) for batch in batches for o in batch]
    assert [(r.key, r.value, r.headers) for r in read(log, start, log.end())] == expected


def test_a_record_of_a_megabyte_passes(log):
    log.append([Outgoing(bytes(MEGABYTE))])
    (record,) = read(log, log.start(), log.end())
    assert len(record.value) == MEGABYTE


def test_a_record_that_can_never_be_taken_is_refused_by_its_size(log):
    with pytest.raises(RecordTooLargeError, match=r"[0-9],[0-9]{3}") as refused:
        log.append([Outgoing(b"small"), Outgoing(bytes(9 * MEGABYTE))])
    assert refused.value.remedy
    assert log.end() == Position()


def test_a_reader_starts_at_any_offset(log):
    log.append(values("a", "b", "c", "d"))
    for offset in range(4):
        reader = positioned(log, offset)
        assert [r.offset for r in take(reader, 4 - offset)] == list(range(offset, 4))
        reader.close()


def test_a_reader_delivers_nothing_before_it_is_positioned(log):
    log.append(values("a"))
    reader = log.reader()
    assert reader.assignment() == reader.unpositioned() == frozenset({0})
    assert not reader.poll(max_records=10, wait_ms=200)
    reader.seek(0, 0)
    assert reader.unpositioned() == frozenset()
    assert [r.value for r in take(reader, 1)] == [b"a"]
    reader.close()


def test_a_reader_goes_on_where_it_stopped_and_delivers_nothing_twice(log):
    log.append(values("a", "b"))
    reader = positioned(log)
    assert [r.value for r in take(reader, 1)] == [b"a"]
    log.append(values("c"))
    assert [r.value for r in take(reader, 2)] == [b"b", b"c"]
    assert not reader.poll(max_records=10, wait_ms=50)
    reader.close()


def test_seeking_back_delivers_again_and_seeking_forward_passes_over(log):
    log.append(values("a", "b", "c"))
    reader = positioned(log)
    take(reader, 2)
    reader.seek(0, 0)
    assert [r.offset for r in take(reader, 1)] == [0]
    reader.seek(0, 2)
    assert [r.offset for r in take(reader, 1)] == [2]
    reader.close()


def test_seeking_a_partition_that_is_not_assigned_is_ignored(log):
    log.append(values("a"))
    reader = log.reader()
    reader.seek(7, 3)
    assert reader.unpositioned() == reader.assignment() == frozenset({0})
    reader.close()


def test_a_reader_says_what_it_reads_next(log):
    log.append(values("a", "b", "c"))
    reader = log.reader()
    assert reader.position(0) == 0
    reader.seek(0, 1)
    assert reader.position(0) == 1
    take(reader, 1)
    assert reader.position(0) == 2
    take(reader, 1)
    assert reader.position(0) == 3 == log.end()[0]
    reader.seek(0, 0)
    assert reader.position(0) == 0
    reader.close()


def test_a_poll_returns_at_most_what_was_asked_for(log):
    log.append(values(*map(str, range(25))))
    reader = positioned(log)
    sizes = []
    while sum(sizes) < 25:
        polled = reader.poll(max_records=10, wait_ms=WAIT_MS)
        sizes.append(sum(map(len, polled.values())))
    assert max(sizes) <= 10
    reader.close()


def test_a_waiting_poll_wakes_when_something_is_appended(place):
    log, writer = place.open(), place.open()
    reader = positioned(log)
    reader.poll(max_records=1, wait_ms=0)
    appending = threading.Timer(0.2, writer.append, [values("late")])
    appending.start()
    records = take(reader, 1)
    appending.join()
    assert [r.value for r in records] == [b"late"]
    reader.close()


def test_a_poll_of_a_log_without_news_comes_back_empty(log):
    reader = positioned(log)
    assert not reader.poll(max_records=10, wait_ms=0)
    assert not reader.poll(max_records=10, wait_ms=60)
    reader.close()


def test_a_position_past_the_end_names_itself_the_bounds_and_the_ways_out(log):
    log.append(values("a", "b"))
    reader = positioned(log, 12)
    with pytest.raises(OffsetOutOfRangeError, match=r"offset 12 of partition 0 .* 0 up to 2") as out:
        take(reader, 1)
    assert "rebuild" in out.value.remedy
    assert "replay" in out.value.remedy
    reader.close()


def test_a_position_before_the_start_is_out_of_range_too(place):
    log = place.open()
    log.append(values("a", "b", "c"))
    place.forget(2)
    assert log.start() == Position((2,))
    reader = positioned(log, 1)
    with pytest.raises(OffsetOutOfRangeError, match=r"offset 1 of partition 0 .* 2 up to 3"):
        take(reader, 1)
    reader.seek(0, 2)
    assert [r.value for r in take(reader, 1)] == [b"c"]
    reader.close()


def test_a_reader_at_the_end_waits_there(log):
    log.append(values("a"))
    reader = positioned(log, 1)
    assert not reader.poll(max_records=1, wait_ms=50)
    log.append(values("b"))
    assert [r.offset for r in take(reader, 1)] == [1]
    reader.close()


def test_a_bounded_read_ends_where_it_was_told(log):
    log.append(values("a", "b", "c", "d"))
    assert [r.value for r in read(log, Position((1,)), Position((3,)))] == [b"b", b"c"]
    assert list(read(log, Position((3,)), Position((3,)))) == []
    assert list(read(log, Position((4,)), Position((3,)))) == []


def test_the_identity_stays_over_reopening(place):
    with place.open() as first, place.open() as second:
        assert first.identity == second.identity
        assert first.identity.topic_id


def test_a_log_made_anew_under_the_same_name_is_another_log(place):
    with place.open() as first:
        before = first.identity
    place.recreate()
    with place.open() as second:
        assert second.identity.name == before.name
        assert second.identity.topic_id != before.topic_id


def test_closing_twice_is_closing_once(place):
    log = place.open()
    reader = log.reader()
    reader.close()
    reader.close()
    log.close()
    log.close()


def test_threads_that_append_at_once_lose_nothing_and_share_no_offset(place):
    log = place.open()
    positions: list[tuple[int, int]] = []

    def append(writer: int) -> None:
        for number in range(5):
            positions.extend(log.append(values(f"{writer}-{number}-a", f"{writer}-{number}-b")))

    threads = [threading.Thread(target=append, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(positions) == [(0, offset) for offset in range(40)]
    assert len(set(all_values(log))) == 40
