"""Columns are kept in a bound of memory, and given only in the version that is asked for."""

import tracemalloc
from array import array
from concurrent.futures import ThreadPoolExecutor
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from modeltrail_server.search.columns import End
from modeltrail_server.search.keeping import KeptColumns, Versioned
from modeltrail_server.search.masks import ReadColumn

STEPS = st.lists(
    st.tuples(st.integers(1, 3), st.dictionaries(st.integers(0, 3), st.integers(1, 3), min_size=1)), max_size=30
)
"""Keys, each with numbers of columns and their versions."""


def column_of(number, size_bytes=1_000):
    """Return a column that no other number makes."""
    texts = {f"text {number} {place}": place for place in range(1, 5)}
    end = End(0, array("d", range(5)), array("H", range(5)))
    planes = [number.to_bytes(2, "big") * (size_bytes // 2)]
    return ReadColumn(array("d", range(10)), texts, ("k",), end, end, planes)


@given(steps=STEPS, room=st.integers(0, 12))
def test_what_is_given_is_what_was_kept_last_in_that_version_and_there_is_never_more_than_fits(steps, room):
    kept, told = KeptColumns(room * column_of(0).size_bytes), dict[tuple[int, int], int]()
    for key, wanted in steps:
        there = kept.of_versions(key, wanted)
        assert all(told[key, number] == wanted[number] for number in there)
        assert all(column == column_of(wanted[number]) for number, column in there.items())
        missing = wanted.keys() - there.keys()
        kept.keep(key, {number: Versioned(wanted[number], column_of(wanted[number])) for number in missing})
        told |= {(key, number): version for number, version in wanted.items()}
        assert kept.size_bytes <= room * column_of(0).size_bytes
    if len(told) <= room:
        assert all(kept.of_versions(key, {number: version}) for (key, number), version in told.items())


def test_those_of_the_key_that_was_longest_not_asked_for_go_first():
    kept = KeptColumns(3 * column_of(0).size_bytes)
    for key in (1, 2, 3):
        kept.keep(key, {0: Versioned(1, column_of(1))})
    kept.of_versions(1, {0: 1})
    kept.keep(4, {0: Versioned(1, column_of(1))})

    assert [key for key in (1, 2, 3, 4) if kept.of_versions(key, {0: 1})] == [1, 3, 4]


def test_the_bound_is_about_what_the_columns_take():
    max_bytes = 2_000_000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = KeptColumns(max_bytes)
        for number in range(1_000):
            kept.keep(1, {number: Versioned(number, column_of(number, size_bytes=8_192))})
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert max_bytes * 0.9 < kept.size_bytes <= max_bytes
    assert after - before < max_bytes * 1.2


def test_many_threads_share_what_is_kept():
    kept = KeptColumns(20 * column_of(0).size_bytes)

    def share(seed):
        random = Random(seed)
        for _ in range(500):
            key, wanted = random.randrange(3), {random.randrange(10): random.randrange(1, 3) for _ in range(5)}
            there = kept.of_versions(key, wanted)
            assert all(column == column_of(wanted[number]) for number, column in there.items())
            kept.keep(key, {number: Versioned(version, column_of(version)) for number, version in wanted.items()})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(share, range(4)))
    everything = [(key, dict.fromkeys(range(10), version)) for key in range(3) for version in (1, 2)]
    there = [column for key, wanted in everything for column in kept.of_versions(key, wanted).values()]
    assert kept.size_bytes == sum(column.size_bytes for column in there)
