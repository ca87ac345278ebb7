"""Columns are kept in a bound of memory, and given only in the version that is asked for."""

import tracemalloc
from array import array
from concurrent.futures import ThreadPoolExecutor
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from modeltrail_server.search.columns import End
from modeltrail_server.search.keeping import KeptColumns, Place, Versioned
from modeltrail_server.search.masks import ReadColumn

PLACES = st.builds(Place, st.integers(1, 3), st.integers(0, 3))
STEPS = st.lists(st.dictionaries(PLACES, st.integers(1, 3), min_size=1, max_size=4), max_size=30)


def column_of(number, size_bytes=1_000):
    """Return a column that no other number makes."""
    texts = {f"text {number} {place}": place for place in range(1, 5)}
    end = End(0, array("d", range(5)), array("H", range(5)))
    planes = [number.to_bytes(2, "big") * (size_bytes // 2)]
    return ReadColumn(array("d", range(10)), texts, ("k",), end, end, planes)


@given(steps=STEPS, room=st.integers(0, 6))
def test_what_is_given_is_what_was_kept_last_in_that_version_and_there_is_never_more_than_fits(steps, room):
    kept, told = KeptColumns(room * column_of(0).size_bytes), dict[Place, int]()
    for step in steps:
        there = kept.of_versions(step)
        assert all(told[place] == step[place] for place in there)
        assert all(column == column_of(step[place]) for place, column in there.items())
        new = {place: Versioned(version, column_of(version)) for place, version in step.items() if place not in there}
        kept.keep(new)
        told |= step
        assert kept.size_bytes <= room * column_of(0).size_bytes
    if steps and room >= len(steps[-1]):
        assert kept.of_versions(steps[-1]).keys() == steps[-1].keys()


def test_those_that_were_longest_not_asked_for_go_first():
    kept, places = KeptColumns(3 * column_of(0).size_bytes), [Place(1, number) for number in range(4)]
    for place in places[:3]:
        kept.keep({place: Versioned(1, column_of(1))})
    kept.of_versions({places[0]: 1})
    kept.keep({places[3]: Versioned(1, column_of(1))})

    assert set(kept.of_versions(dict.fromkeys(places, 1))) == {places[0], places[2], places[3]}


def test_the_bound_is_about_what_the_columns_take():
    max_bytes = 2_000_000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = KeptColumns(max_bytes)
        for number in range(1_000):
            kept.keep({Place(1, number): Versioned(number, column_of(number, size_bytes=8_192))})
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
            wanted = {Place(1, random.randrange(30)): random.randrange(1, 3) for _ in range(5)}
            there = kept.of_versions(wanted)
            assert all(column == column_of(wanted[place]) for place, column in there.items())
            kept.keep({place: Versioned(version, column_of(version)) for place, version in wanted.items()})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(share, range(4)))
    everywhere = [{Place(1, number): version for number in range(30)} for version in (1, 2)]
    there = [column for wanted in everywhere for column in kept.of_versions(wanted).values()]
    assert kept.size_bytes == sum(column.size_bytes for column in there)
