"""A column says of no run that it cannot satisfy what it does, and of none that it surely does what it does not."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail_server.search import columns, masks
from modeltrail_server.search import meaning as meanings
from modeltrail_server.search.columns import RUNS_A_COLUMN, Column, column_for, pack, unpack
from modeltrail_server.search.masks import by_bound, comparing, read
from modeltrail_server.search.meaning import Condition, Conjunction, Disjunction, Negation, satisfies
from modeltrail_server.search.rows import Key, number_of

a_test = meanings.Test  # pytest would take the name for a class of tests
KEY, OTHER = Key("param", "lr"), Key("param", "depth")
NUMBERS = st.one_of(st.integers(-3, 12).map(lambda number: number / 4), st.floats(allow_nan=False, width=32))
TEXTS = st.one_of(st.sampled_from(("", "adam", "sgd", "sgd 50%", "0.5", "0.50", "-1", "nul\0", "x" * 300)), st.text())
VALUES = st.one_of(
    NUMBERS.map(lambda number: (repr(number), number)), TEXTS.map(lambda text: (text, number_of(KEY, text)))
)
RUNS = st.lists(st.lists(VALUES, max_size=8), max_size=40)
TESTS = st.one_of(
    st.builds(a_test, st.sampled_from(("=", "!=", "<", "<=", ">", ">=")), NUMBERS.map(lambda number: (number,))),
    st.builds(a_test, st.sampled_from(("=", "!=", "<", ">=")), TEXTS.map(lambda text: (text,))),
    st.builds(a_test, st.just("in"), st.lists(st.one_of(NUMBERS, TEXTS), min_size=1, max_size=4).map(tuple)),
    st.builds(
        a_test,
        st.sampled_from(("like", "ilike")),
        st.sampled_from(("a%", "S_d%", "%", "0.5", "0%", "sgd%", "sgd 50_")).map(lambda x: (x,)),
    ),
    st.builds(a_test, st.just(meanings.BEGINS), TEXTS.map(lambda text: (text[:2],))),
)
CONDITIONS = st.builds(Condition, st.sampled_from((KEY, OTHER)), st.lists(TESTS, min_size=1, max_size=2).map(tuple))
MEANINGS = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        inner.map(Negation),
        st.lists(inner, min_size=1, max_size=3).map(tuple).map(Conjunction),
        st.lists(inner, min_size=1, max_size=3).map(tuple).map(Disjunction),
    ),
    max_leaves=5,
)


def column_of(runs, sample, texts=(), *, full=False):
    """Return the column of these runs' values, as stored; ``full``: it lists no more texts."""
    column = column_for(sample, texts)
    for number in range(200 if full else 0):
        column.put(0, [(f"text {number}", None)])
    column.clear(0)
    for place, values in enumerate(runs):
        if values:
            column.put(place, values)
    return pack(column)


def places(mask):
    """Return the places of a mask."""
    return {place for place, byte in enumerate(mask.to_bytes(RUNS_A_COLUMN, "little")) if byte}


@given(
    runs=RUNS,
    others=RUNS,
    sample=st.lists(NUMBERS, max_size=30),
    texts=st.lists(TEXTS),
    meaning=MEANINGS,
    listed=st.booleans(),
)
def test_what_may_and_what_surely_satisfies_enclose_what_does(runs, others, sample, texts, meaning, listed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "MIN_TEXTS_AN_EDGE", 1)
        patch.setattr(columns, "MAX_TEXT_EDGES", 3)
        read_columns = {
            KEY: read(column_of(runs, sample, texts, full=not listed)),
            OTHER: read(column_of(others, sample, full=not listed)),
        }
    count = max(len(runs), len(others))
    told = [
        {
            KEY: runs[place] if place < len(runs) else [],
            OTHER: others[place] if place < len(others) else [],
        }
        for place in range(count)
    ]
    do = {place for place in range(count) if satisfies(meaning, told[place])}

    may = places(comparing(meaning).mask(read_columns))
    surely = places(comparing(meaning).mask(read_columns, possible=False)) & set(range(count))

    assert surely <= do <= may


@given(condition=CONDITIONS)
def test_a_column_that_was_not_read_leaves_all_open_and_one_that_is_not_there_nothing(condition):
    assert places(comparing(condition).mask({})) == set(range(RUNS_A_COLUMN))
    assert places(comparing(condition).mask({}, possible=False)) == set()
    assert places(comparing(condition).mask({condition.key: None})) == set()


@given(runs=RUNS, sample=st.lists(NUMBERS, max_size=30), descending=st.booleans())
def test_runs_come_in_groups_none_of_which_has_a_better_number_than_its_bound(runs, sample, descending):
    column = read(column_of(runs, sample))
    left = {place: [number for _, number in values if number is not None] for place, values in enumerate(runs)}
    left = {place: numbers for place, numbers in left.items() if numbers}
    best, is_worse = (max, float.__le__) if descending else (min, float.__ge__)

    for bound, group in by_bound(masks.EVERY_RUN, column, descending=descending):
        assert all(is_worse(float(best(numbers)), bound) for numbers in left.values())
        left = {place: numbers for place, numbers in left.items() if place not in group}
    assert not left


@given(runs=RUNS, sample=st.lists(NUMBERS, max_size=30), data=st.data())
def test_a_column_is_packed_and_unpacked_and_goes_on_as_before(runs, sample, data):
    packed = column_of(runs, sample)
    again = unpack(packed)
    assert pack(again) == packed

    gone = data.draw(st.sets(st.integers(0, max(0, len(runs) - 1))))
    for place in gone:
        again.clear(place)
    there = {place for plane in read(pack(again)).planes for place, code in enumerate(plane) if code}
    assert there == {place for place, values in enumerate(runs) if values} - gone
    assert again.is_changed == bool(gone & {place for place, values in enumerate(runs) if values})


def test_numbers_spread_over_the_codes_as_they_are_and_what_is_outside_widens_the_ends():
    column = column_for(number / 1_000 for number in range(1_000))
    for place in range(1_000):
        column.put(place, [("", place / 1_000)])
    column.put(1_000, [("", 5.0)])
    column.put(1_001, [("", -5.0)])

    (plane,) = column.planes
    intervals = len(set(plane[:1_000]))
    assert columns.MAX_INTERVALS - 10 < intervals <= columns.MAX_INTERVALS
    sizes = [plane[:1_000].count(code) for code in range(1, intervals + 1)]
    assert max(sizes) <= 1_000 // columns.MAX_INTERVALS + 2
    assert (pack(column).least, pack(column).largest) == (-5.0, 5.0)
    assert plane[1_000] == intervals
    assert plane[1_001] == 1


@given(
    batches=st.lists(st.lists(st.floats(-100, 100), max_size=20), max_size=8),
    number=st.floats(-100, 100),
    sign=st.sampled_from(("<", "<=", "=", ">=", ">", "!=")),
)
def test_a_column_that_is_extended_as_it_fills_still_encloses_what_satisfies(batches, number, sign):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "RUNS_AN_INTERVAL", 3)
        patch.setattr(columns, "MAX_INTERVALS", 6)
        column, told = Column(), []
        for numbers in batches:
            column.extend(numbers)
            for each in numbers:
                column.put(len(told), [("", each)])
                told.append(each)
    condition = Condition(KEY, (a_test(sign, (number,)),))
    do = {place for place, each in enumerate(told) if satisfies(condition, {KEY: [("", each)]})}
    stored = {KEY: read(pack(column))}

    assert len(column.edges) <= 7
    assert places(comparing(condition).mask(stored, possible=False)) <= do
    assert do <= places(comparing(condition).mask(stored))


@given(
    steps=st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(-3, 3).map(float), max_size=3))),
    descending=st.booleans(),
)
def test_the_best_come_one_by_one_with_their_numbers_whatever_changed(steps, descending):
    column, told = column_for(()), dict[int, list[float]]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "MAX_AN_END", 3)
        for place, numbers in steps:
            column.clear(place)
            column.put(place, [("", number) for number in numbers])
            told[place] = numbers
    end = read(pack(column)).largest if descending else read(pack(column)).least
    listed = sorted(zip(end.numbers, end.places, strict=True), reverse=descending)

    is_beyond = float.__gt__ if descending else float.__lt__
    beyond = {
        (number, place) for place, numbers in told.items() for number in numbers if is_beyond(number, end.bound)
    }
    assert len(listed) <= 3
    assert beyond <= set(listed) <= {(number, place) for place, numbers in told.items() for number in numbers}
    come = list(by_bound(masks.EVERY_RUN, read(pack(column)), descending=descending))
    assert [bound for bound, _ in come[: len(listed)]] == [number for number, _ in listed]


def test_texts_too_many_share_codes_and_a_number_without_edges_is_of_the_code_for_all():
    column = Column()
    for place in range(300):
        column.put(place, [(f"text {place}", None)])
    column.put(300, [("", 1.0)])
    column.put(301, [(f"text {number}", None) for number in range(9)])
    column.put(302, [("", math.inf), ("text 7", None)])

    plane = column.planes[0]
    assert (plane[199], plane[300], plane[301]) == (200, columns.ANY_VALUE, columns.ANY_VALUE)
    assert 201 <= min(plane[200:300]) < max(plane[200:300]) <= 254
    assert sorted(plane[302] for plane in column.planes) == [8, 255]


def test_a_text_that_is_not_listed_shares_its_code_with_few_and_with_those_beside_it():
    texts = [f"team{number % 12}/train-{number}" for number in range(4_000)]
    column = column_for((), texts[:400])
    for place, text in enumerate(texts):
        column.put(place, [(text, None)])
    stored = {KEY: read(pack(column))}
    unlisted = set(range(columns.FIRST_SHARED - 1, len(texts)))

    equal = places(comparing(Condition(KEY, (a_test("=", (texts[3_000],)),))).mask(stored))
    begins = places(comparing(Condition(KEY, (a_test("like", ("team3/%",)),))).mask(stored))

    assert 3_000 in equal
    assert len(equal) < 2 * len(texts) // columns.SHARED_CODES
    assert {place for place, text in enumerate(texts) if text.startswith("team3/")} <= begins
    assert len(begins & unlisted) < len(unlisted) // 4


@pytest.mark.parametrize("runs", [1, 50, RUNS_A_COLUMN])
def test_a_column_of_few_runs_takes_few_bytes(runs):
    column = Column()
    for place in range(runs):
        column.put(place * (RUNS_A_COLUMN // runs), [("adam", None)])

    assert len(pack(column).codes) < min(100 + 4 * runs, RUNS_A_COLUMN + 1)
