"""Which runs of a column a meaning may mean, or surely does: all of them compared at once. Pure.

A comparison is a table of 256 bytes, one for each code, looked up for all runs of a column by one ``translate``; what
must all hold is one ``&`` of two integers. A *mask* is such an integer: a byte for each run, 255 where the run is in.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import NamedTuple

from modeltrail_server.search.columns import (
    ANY_VALUE,
    FIRST_SHARED,
    RUNS_A_COLUMN,
    SHARED_CODES,
    PackedColumn,
    decoded,
    edges_of,
    encoded,
    first_text_code,
    interval_of,
    planes_of,
    shared_code,
    texts_of,
)
from modeltrail_server.search.expression import Value
from modeltrail_server.search.meaning import Condition, Conjunction, Meaning, Negation, Test, holds
from modeltrail_server.search.rows import Key, number_of

EVERY_RUN = int.from_bytes(b"\xff" * RUNS_A_COLUMN, "little")
_CODES = 256


class Codes(NamedTuple):
    """Sets of codes, 255 in the byte of each: those a comparison may hold for, and those it surely holds for."""

    possible: int
    sure: int


NO_CODE = Codes(0, 0)


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A stored column, as a search reads it."""

    edges: "array[float]"
    texts: Sequence[bytes]
    planes: Sequence[bytes]


def read(packed: PackedColumn) -> ReadColumn:
    """Return what was stored."""
    return ReadColumn(edges_of(packed), texts_of(packed), planes_of(packed))


class Comparing:
    """Compares columns with the conditions of one search, remembering which texts satisfy which."""

    def __init__(self) -> None:
        self._texts: dict[Condition, tuple[set[bytes], set[bytes]]] = {}  # those known, and of these the right ones
        self._equal: dict[Condition, list[bytes]] = {}

    def mask(self, meaning: Meaning, columns: Mapping[Key, ReadColumn | None], *, possible: bool = True) -> int:
        """Return the runs that may satisfy ``meaning``, or those that surely do.

        ``columns``: None under a key that no run has; a key that is not in it was not read.
        """
        if isinstance(meaning, Condition):
            return self._condition(meaning, columns, possible=possible)
        if isinstance(meaning, Negation):
            return EVERY_RUN ^ self.mask(meaning.operand, columns, possible=not possible)
        masks = (self.mask(operand, columns, possible=possible) for operand in meaning.operands)
        if not isinstance(meaning, Conjunction):
            return reduce(or_, masks, 0)
        mask = EVERY_RUN
        while mask and (operand := next(masks, None)) is not None:
            mask &= operand
        return mask

    def _condition(self, condition: Condition, columns: Mapping[Key, ReadColumn | None], *, possible: bool) -> int:
        if condition.key not in columns:
            return EVERY_RUN if possible else 0
        column = columns[condition.key]
        if column is None:
            return 0
        codes = self.codes(condition, column)
        table = (codes.possible if possible else codes.sure).to_bytes(_CODES, "little")
        return reduce(or_, (int.from_bytes(plane.translate(table), "little") for plane in column.planes))

    def codes(self, condition: Condition, column: ReadColumn) -> Codes:
        """Return for which codes of a column a condition may hold, and for which it surely does."""
        found = _all_of([_of_numbers(condition.key, test, column.edges) for test in condition.tests])
        texts = self._of_texts(condition, column)
        others = reduce(and_, (_of_unlisted(test) for test in condition.tests))
        return Codes(found.possible | texts | others | _between(ANY_VALUE, ANY_VALUE), found.sure | texts)

    def _of_texts(self, condition: Condition, column: ReadColumn) -> int:
        """Return the codes of the texts that satisfy: of thousands of columns the texts are the same."""
        if all(test.operator in ("=", "in") for test in condition.tests):
            return self._of_equal_texts(condition, column)
        known, right = self._texts.setdefault(condition, (set(), set()))
        for listed in [listed for listed in column.texts if listed not in known]:
            text = decoded(listed)
            known.add(listed)
            if all(holds(test, text, None) for test in condition.tests):
                right.add(listed)
        table = bytearray(_CODES)
        for code in [code for code, text in enumerate(column.texts, first_text_code(column.edges)) if text in right]:
            table[code] = ANY_VALUE
        return int.from_bytes(table, "little")

    def _of_equal_texts(self, condition: Condition, column: ReadColumn) -> int:
        if condition not in self._equal:
            values = {value for test in condition.tests for value in test.values if isinstance(value, str)}
            right = (value for value in values if all(holds(test, value, None) for test in condition.tests))
            self._equal[condition] = [encoded(value) for value in right]
        first, texts = first_text_code(column.edges), column.texts
        codes = (first + texts.index(listed) for listed in self._equal[condition] if listed in texts)
        return reduce(or_, (_between(code, code) for code in codes), 0)


def by_bound(mask: int, column: ReadColumn, *, descending: bool) -> Iterator[tuple[float, list[int]]]:
    """Yield the runs of ``mask`` that have a number in ``column``, the best first, by places in the column.

    They come in groups, each with what no number in it, or in one that follows, is better than. A run with several
    numbers may come several times.
    """
    edges, masked = column.edges, [(mask & int.from_bytes(plane, "little")) for plane in column.planes]
    planes = [plane.to_bytes(RUNS_A_COLUMN, "little") for plane in masked if plane]
    codes = range(1, len(edges))
    best = float("inf" if descending else "-inf")
    for code in (ANY_VALUE, *(reversed(codes) if descending else codes)):
        if not any(code in plane for plane in planes):
            continue
        bound = best if code == ANY_VALUE else edges[code if descending else code - 1]
        written = re.compile(re.escape(bytes([code])))
        yield bound, [match.start() for plane in planes for match in written.finditer(plane)]


def _of_unlisted(test: Test) -> int:
    """Return the codes of texts that are not listed for which a test may hold."""
    if test.operator not in ("=", "in"):
        return _SHARED
    codes = {shared_code(encoded(value)) for value in test.values if isinstance(value, str)}
    return reduce(or_, (_between(code, code) for code in codes), 0)


def _of_numbers(key: Key, test: Test, edges: "array[float]") -> Codes:
    """Return the codes of intervals that have numbers for which a test may hold, or surely holds."""
    every = _between(1, len(edges) - 1)
    if not every:
        return NO_CODE
    if test.operator in ("=", "in"):
        parts = [_equal(key, value, edges) for value in test.values]
        return Codes(reduce(or_, (part.possible for part in parts)), reduce(or_, (part.sure for part in parts)))
    value = test.values[0]
    if isinstance(value, str):
        return Codes(every, 0)
    if test.operator == "!=":
        return _other(every, _equal(key, value, edges))
    if test.operator == "<":
        return _below(edges, value)
    if test.operator == "<=":
        return _up_to(edges, value)
    return _other(every, _up_to(edges, value) if test.operator == ">" else _below(edges, value))


def _below(edges: "array[float]", number: float) -> Codes:
    last = len(edges) - 1
    whole = bisect_right(edges, number, 1, last) - 1
    whole += whole == last - 1 and edges[last] < number
    return Codes(_between(1, bisect_left(edges, number, 0, last)), _between(1, whole))


def _up_to(edges: "array[float]", number: float) -> Codes:
    last = len(edges) - 1
    whole = bisect_right(edges, number, 1, last) - 1
    whole += whole == last - 1 and edges[last] <= number
    return Codes(_between(1, bisect_right(edges, number, 0, last)), _between(1, whole))


def _equal(key: Key, value: Value, edges: "array[float]") -> Codes:
    """Return the interval of a number, or of the number that a text writes: another text may write it, too."""
    number = number_of(key, value) if isinstance(value, str) else value
    if number is None or not edges[0] <= number <= edges[-1]:
        return NO_CODE
    code = interval_of(edges, number)
    is_sure = edges[code - 1] == edges[code] and not isinstance(value, str)
    return Codes(_between(code, code), _between(code, code) if is_sure else 0)


def _other(every: int, codes: Codes) -> Codes:
    """Return where the opposite may hold, or surely holds."""
    return Codes(every ^ codes.sure, every ^ codes.possible)


def _all_of(each: Sequence[Codes]) -> Codes:
    return Codes(reduce(and_, (codes.possible for codes in each)), reduce(and_, (codes.sure for codes in each)))


def _between(first: int, last: int) -> int:
    """Return the codes from ``first`` to ``last``."""
    return ((1 << 8 * (last + 1)) - (1 << 8 * first)) if last >= first else 0


_SHARED = _between(FIRST_SHARED, FIRST_SHARED + SHARED_CODES - 1)
