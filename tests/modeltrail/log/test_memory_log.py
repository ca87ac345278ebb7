"""What the memory log has besides: several partitions, groups, and the merged order over them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail.log import Outgoing, Position, merged, read
from modeltrail.log.memory import MemoryLog


def drain(readers):
    """Position at 0 what waits, and return the (partition, offset) that each reader gave until none had more."""
    given_out = [set() for _ in readers]
    idle = 0
    while idle < 2 * len(readers):
        for reader, seen in zip(readers, given_out, strict=True):
            for partition in reader.unpositioned():
                reader.seek(partition, 0)
            polled = reader.poll(max_records=3, wait_ms=0)
            idle = 0 if polled else idle + 1
            seen |= {(record.partition, record.offset) for records in polled.values() for record in records}
    return given_out


def test_a_key_stays_in_one_partition_and_keyless_records_take_turns():
    log = MemoryLog(partitions=3)
    assert len({partition for partition, _ in log.append([Outgoing(b"", b"k")] * 9)}) == 1
    assert {partition for partition, _ in log.append([Outgoing(b"")] * 3)} == {0, 1, 2}


def test_a_partition_that_is_not_there_is_refused_and_nothing_appended():
    log = MemoryLog(partitions=2)
    with pytest.raises(ValueError, match="partition 2 of a log with 2"):
        log.append([Outgoing(b"", partition=0), Outgoing(b"", partition=2)])
    assert log.end() == Position()


@given(members=st.integers(1, 5), partitions=st.integers(1, 5))
def test_the_members_of_a_group_share_all_partitions_without_overlap(members, partitions):
    log = MemoryLog(partitions)
    log.append([Outgoing(b"") for _ in range(4 * partitions)])
    readers = [log.reader(group="g") for _ in range(members)]
    shares = drain(readers)
    assert sum(map(len, shares)) == len(set().union(*shares)) == 4 * partitions
    held = [reader.assignment() for reader in readers]
    assert sorted(itertools.chain(*held)) == list(range(partitions))


def test_who_leaves_a_group_leaves_its_partitions_to_the_others_who_position_them_anew():
    log = MemoryLog(partitions=2)
    one, two = log.reader(group="g"), log.reader(group="g")
    drain([one, two])
    two.close()
    assert not one.poll(max_records=1, wait_ms=60_000)
    assert one.assignment() == {0, 1}
    assert one.unpositioned() == {1}


def test_a_small_poll_starves_no_partition():
    log = MemoryLog(partitions=3)
    log.append([Outgoing(b"", partition=n % 3) for n in range(30)])
    reader = log.reader()
    for partition in range(3):
        reader.seek(partition, 0)
    polled = [set(reader.poll(max_records=1, wait_ms=0)) for _ in range(6)]
    assert polled == [{0}, {1}, {2}] * 2


class StampedLog(MemoryLog):
    """A log whose records have the times given, as a topic with CreateTime has."""

    def stamp(self, times_by_partition):
        from dataclasses import replace

        for records, times in zip(self._records, times_by_partition, strict=True):
            records[:] = [replace(record, timestamp_ms=ms) for record, ms in zip(records, times, strict=True)]


TIMES = st.lists(st.lists(st.integers(0, 20), max_size=8), min_size=1, max_size=4)


@given(TIMES, st.data())
def test_merging_orders_by_running_maximum_of_time_then_partition_then_offset(times, data):
    log = StampedLog(len(times))
    log.append([Outgoing(b"", partition=p) for p, stamps in enumerate(times) for _ in stamps])
    log.stamp(times)
    start = Position(tuple(data.draw(st.integers(0, len(stamps))) for stamps in times))
    expected = sorted(
        (max(stamps[start[partition] : offset + 1]), partition, offset)
        for partition, stamps in enumerate(times)
        for offset in range(start[partition], len(stamps))
    )
    found = [(r.partition, r.offset) for r in merged(log, start, log.end())]
    assert found == [(partition, offset) for _, partition, offset in expected]
    assert sorted(found) == sorted((r.partition, r.offset) for r in read(log, start, log.end()))


def test_merging_that_is_given_up_halfway_closes_its_readers():
    log = MemoryLog(partitions=2)
    log.append([Outgoing(b"") for _ in range(10)])
    records = merged(log, log.start(), log.end())
    next(records)
    records.close()
    assert list(records) == []
