"""Which runs of a column a meaning may mean, or surely does: all of them compared at once. Pure.

A comparison is a table of 256 bytes, one for each code, looked up for all runs of a column by one ``translate``; what
must all hold is one ``&`` of two integers. A *mask* is such an integer: a byte for each run, 255 where the run is in.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from sys import getsizeof
from typing import NamedTuple

from modeltrail_server.search.columns import (
    ANY_VALUE,
    FIRST_SHARED,
    NO_VALUE,
    RUNS_A_COLUMN,
    SHARED_CODES,
    PackedColumn,
    edges_of,
    encoded,
    interval_of,
    planes_of,
    shared_code,
    texts_of,
)
from modeltrail_server.search.expression import Value
from modeltrail_server.search.meaning import Condition, Conjunction, Meaning, Negation, Test, satisfying_texts
from modeltrail_server.search.rows import Key, number_of

EVERY_RUN = int.from_bytes(b"\xff" * RUNS_A_COLUMN, "little")
COLUMN_BYTES, ENTRY_BYTES = 512, 64
"""About what a column, and the entry of a text in it, take beside what they hold."""
_CODES = 256
_NOTHING = bytes([NO_VALUE])


class Codes(NamedTuple):
    """Sets of codes, 255 in the byte of each: those a comparison may hold for, and those it surely holds for."""

    possible: int
    sure: int


NO_CODE = Codes(0, 0)


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A stored column, as a search reads it."""

    edges: "array[float]"
    texts: Mapping[str, int]
    planes: Sequence[bytes]

    @property
    def size_bytes(self) -> int:
        """Return about how much memory it takes."""
        texts = sum(map(getsizeof, self.texts)) + ENTRY_BYTES * len(self.texts)
        return COLUMN_BYTES + sum(map(getsizeof, self.planes)) + self.edges.itemsize * len(self.edges) + texts


def read(packed: PackedColumn) -> ReadColumn:
    """Return what was stored."""
    edges = edges_of(packed)
    return ReadColumn(edges, texts_of(packed, edges), planes_of(packed))


class Comparing:
    """Compares columns with the conditions of one search, remembering which texts satisfy which."""

    def __init__(self) -> None:
        self._texts: dict[Condition, tuple[set[str], set[str]]] = {}  # those known, and of these the right ones
        self._equal: dict[Condition, list[str]] = {}
        self._others: dict[Condition, int] = {}

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
        possible, sure = _EVERY_CODE, _EVERY_CODE
        for test in condition.tests:
            found = _of_numbers(condition.key, test, column.edges)
            possible, sure = possible & found.possible, sure & found.sure
        texts = self._of_texts(condition, column) if column.texts else 0
        return Codes(possible | texts | self._of_others(condition), sure | texts)

    def _of_others(self, condition: Condition) -> int:
        """Return the codes of values that are not told apart: one of them may satisfy."""
        if condition not in self._others:
            shared = reduce(and_, map(_of_unlisted, condition.tests))
            self._others[condition] = shared | _between(ANY_VALUE, ANY_VALUE)
        return self._others[condition]

    def _of_texts(self, condition: Condition, column: ReadColumn) -> int:
        """Return the codes of the texts that satisfy: of thousands of columns the texts are the same."""
        texts = column.texts
        if all(test.operator in ("=", "in") for test in condition.tests):
            right: Iterable[str] = [text for text in self._equal_texts(condition) if text in texts]
        else:
            known, satisfying = self._texts.setdefault(condition, (set(), set()))
            if new := texts.keys() - known:
                known |= new
                satisfying |= satisfying_texts(condition.tests, new)
            right = texts.keys() & satisfying
        table = bytearray(_CODES)
        for text in right:
            table[texts[text]] = ANY_VALUE
        return int.from_bytes(table, "little")

    def _equal_texts(self, condition: Condition) -> list[str]:
        if condition not in self._equal:
            values = {value for test in condition.tests for value in test.values if isinstance(value, str)}
            self._equal[condition] = list(satisfying_texts(condition.tests, values))
        return self._equal[condition]


def by_bound(mask: int, column: ReadColumn, *, descending: bool) -> Iterator[tuple[float, list[int]]]:
    """Yield the runs of ``mask`` that have a number in ``column``, the best first, by places in the column.

    They come in groups, each with what no number in it, or in one that follows, is better than. A run with several
    numbers may come several times.
    """
    edges, masked = column.edges, [(mask & int.from_bytes(plane, "little")) for plane in column.planes]
    planes = [plane.to_bytes(RUNS_A_COLUMN, "little") for plane in masked if plane]
    there = {code for plane in planes for code in set(plane.translate(None, _NOTHING))}
    numbers = sorted((code for code in there if code < len(edges)), reverse=descending)
    best = float("inf" if descending else "-inf")
    for code in (ANY_VALUE, *numbers) if ANY_VALUE in there else numbers:
        bound = best if code == ANY_VALUE else edges[code if descending else code - 1]
        yield bound, [place for plane in planes for place in _places_of(code, plane)]


def _places_of(code: int, plane: bytes) -> Iterator[int]:
    place = plane.find(code)
    while place >= 0:
        yield place
        place = plane.find(code, place + 1)


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


def _between(first: int, last: int) -> int:
    """Return the codes from ``first`` to ``last``."""
    return _BELOW[last + 1] ^ _BELOW[first] if last >= first else 0


_BELOW = [(1 << 8 * code) - 1 for code in range(_CODES + 1)]
_EVERY_CODE = _BELOW[_CODES]
_SHARED = _between(FIRST_SHARED, FIRST_SHARED + SHARED_CODES - 1)
