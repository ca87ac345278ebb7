"""Which runs of a column a meaning may mean, or surely does: all of them compared at once. Pure.

A comparison is a table of 256 bytes, one for each code, looked up for all runs of a column by one ``translate``; what
must all hold is one ``&`` of two integers. A *mask* is such an integer: a byte for each run, 255 where the run is in.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from sys import getsizeof
from typing import Protocol

from modeltrail_server.search.columns import (
    ANY_VALUE,
    FIRST_SHARED,
    NO_VALUE,
    RUNS_A_COLUMN,
    SHARED_CODES,
    End,
    PackedColumn,
    edges_of,
    ends_of,
    interval_of,
    planes_of,
    shared_code,
    shared_codes,
    shared_codes_beginning,
    text_edges_of,
    texts_of,
)
from modeltrail_server.search.expression import ORDERED, Value
from modeltrail_server.search.meaning import (
    Condition,
    Conjunction,
    Meaning,
    Negation,
    Test,
    prefix_of,
    satisfying_texts,
)
from modeltrail_server.search.rows import Key, number_of

EVERY_RUN = int.from_bytes(b"\xff" * RUNS_A_COLUMN, "little")
COLUMN_BYTES, ENTRY_BYTES = 512, 64
"""About what a column, and the entry of a text in it, take beside what they hold."""
_CODES = 256
_NOTHING = bytes([NO_VALUE])


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A stored column, as a search reads it."""

    edges: "array[float]"
    texts: Mapping[str, int]
    text_edges: Sequence[str]
    least: End
    largest: End
    planes: Sequence[bytes]

    @property
    def size_bytes(self) -> int:
        """Return about how much memory it takes."""
        parts = (self.edges, *self.texts, *self.text_edges, *self.planes)
        parts += (self.least.numbers, self.least.places, self.largest.numbers, self.largest.places)
        return COLUMN_BYTES + sum(map(getsizeof, parts)) + ENTRY_BYTES * len(self.texts)


def read(packed: PackedColumn) -> ReadColumn:
    """Return what was stored."""
    edges = edges_of(packed)
    return ReadColumn(edges, texts_of(packed, edges), text_edges_of(packed), *ends_of(packed), planes_of(packed))


Columns = Mapping[Key, ReadColumn | None]
"""Columns of one number: None under a key that no run has; a key that is not in it was not read."""


class Comparing(Protocol):
    """Compares columns with one meaning."""

    def mask(self, columns: Columns, *, possible: bool = True) -> int:
        """Return the runs that may satisfy, or those that surely do."""
        ...


def comparing(meaning: Meaning) -> Comparing:
    """Return what compares columns with ``meaning``; it remembers what it finds out of texts."""
    if isinstance(meaning, Condition):
        return _ComparingOne(meaning)
    if isinstance(meaning, Negation):
        return _ComparingOpposite(comparing(meaning.operand))
    operands = [comparing(operand) for operand in meaning.operands]
    return _ComparingAll(operands) if isinstance(meaning, Conjunction) else _ComparingAny(operands)


class _ComparingAll:
    def __init__(self, operands: Sequence[Comparing]) -> None:
        self._operands = operands

    def mask(self, columns: Columns, *, possible: bool = True) -> int:
        mask = EVERY_RUN
        for operand in self._operands:
            mask &= operand.mask(columns, possible=possible)
            if not mask:
                break
        return mask


class _ComparingAny:
    def __init__(self, operands: Sequence[Comparing]) -> None:
        self._operands = operands

    def mask(self, columns: Columns, *, possible: bool = True) -> int:
        return reduce(or_, (operand.mask(columns, possible=possible) for operand in self._operands), 0)


class _ComparingOpposite:
    def __init__(self, operand: Comparing) -> None:
        self._operand = operand

    def mask(self, columns: Columns, *, possible: bool = True) -> int:
        return EVERY_RUN ^ self._operand.mask(columns, possible=not possible)


class _ComparingOne:
    """Compares with one condition. Of thousands of columns the texts are the same: each is tested once."""

    def __init__(self, condition: Condition) -> None:
        self._key, self._tests = condition.key, condition.tests
        self._equal: set[str] | None = None
        if all(test.operator in ("=", "in") for test in self._tests):
            values = {value for test in self._tests for value in test.values if isinstance(value, str)}
            self._equal = satisfying_texts(self._tests, values)
        self._known: dict[str, int] = {}
        """Which texts satisfy, of those seen: 255, else 0."""

    def mask(self, columns: Columns, *, possible: bool = True) -> int:
        if self._key not in columns:
            return EVERY_RUN if possible else 0
        column = columns[self._key]
        if column is None:
            return 0
        table = self._codes(column, possible=possible).to_bytes(_CODES, "little")
        masks = [int.from_bytes(plane.translate(table), "little") for plane in column.planes]
        return masks[0] if len(masks) == 1 else reduce(or_, masks)

    def _codes(self, column: ReadColumn, *, possible: bool) -> int:
        """Return for which codes of a column the condition may hold, or for which it surely does."""
        codes, others = _EVERY_CODE, _SHARED
        for test in self._tests:
            codes &= _of_numbers(self._key, test, column.edges, possible=possible)
            if possible and others:
                others &= _of_unlisted(test, column.text_edges)
        if column.texts:
            codes |= self._of_texts(column.texts)
        return codes | others | _ANY if possible else codes

    def _of_texts(self, texts: Mapping[str, int]) -> int:
        """Return the codes of those of ``texts`` that satisfy."""
        if self._equal is not None:
            return reduce(or_, (_between(texts[text], texts[text]) for text in self._equal if text in texts), 0)
        if not texts.keys() <= self._known.keys():
            new = [text for text in texts if text not in self._known]
            self._known |= dict.fromkeys(new, 0) | dict.fromkeys(satisfying_texts(self._tests, new), ANY_VALUE)
        in_order = bytes(map(self._known.__getitem__, texts))
        return int.from_bytes(in_order, "little") << 8 * next(iter(texts.values()))


def by_bound(mask: int, column: ReadColumn, *, descending: bool) -> Iterator[tuple[float, list[int]]]:
    """Yield the runs of ``mask`` that have a number in ``column``, the best first, by places in the column.

    They come in groups, each with what no number in it, or in one that follows, is better than: first those that are
    listed, one by one. A run with several numbers may come several times.
    """
    edges, end = column.edges, column.largest if descending else column.least
    left = bytearray(mask.to_bytes(RUNS_A_COLUMN, "little"))
    come = list(_places_of(ANY_VALUE, bytes(map(left.__getitem__, end.places))))
    for at in reversed(come) if descending else come:
        yield end.numbers[at], [end.places[at]]
        left[end.places[at]] = NO_VALUE
    mask = int.from_bytes(left, "little") if come else mask
    masked = [(mask & int.from_bytes(plane, "little")) for plane in column.planes]
    planes = [plane.to_bytes(RUNS_A_COLUMN, "little") for plane in masked if plane]
    there = {code for plane in planes for code in set(plane.translate(None, _NOTHING))}
    numbers = sorted((code for code in there if code < len(edges)), reverse=descending)
    worse = min if descending else max
    for code in (ANY_VALUE, *numbers) if ANY_VALUE in there else numbers:
        bound = end.bound if code == ANY_VALUE else worse(end.bound, edges[code if descending else code - 1])
        yield bound, [place for plane in planes for place in _places_of(code, plane)]


def _places_of(code: int, plane: bytes) -> Iterator[int]:
    place = plane.find(code)
    while place >= 0:
        yield place
        place = plane.find(code, place + 1)


def _of_unlisted(test: Test, text_edges: Sequence[str]) -> int:
    """Return the codes of texts that are not listed for which a test may hold."""
    texts = [value for value in test.values if isinstance(value, str)]
    if not texts:
        return 0
    if test.operator in ("=", "in"):
        codes = (shared_code(text, text_edges) for text in texts)
        return reduce(or_, (_between(code, code) for code in codes), 0)
    if not text_edges:
        return _SHARED
    if prefix := prefix_of(test):
        return _of_range(shared_codes_beginning(prefix, text_edges))
    if test.operator in ORDERED:
        below = test.operator in ("<", "<=")
        return _of_range(
            shared_codes("", texts[0], text_edges) if below else shared_codes(texts[0], None, text_edges)
        )
    return _SHARED


def _of_range(codes: range) -> int:
    return _between(codes.start, codes.stop - 1)


def _of_numbers(key: Key, test: Test, edges: "array[float]", *, possible: bool) -> int:
    """Return the codes of intervals that have numbers for which a test may hold, or surely holds."""
    if not edges:
        return 0
    every, value = _between(1, len(edges) - 1), test.values[0]
    if test.operator in ("=", "in"):
        return reduce(or_, (_equal(key, each, edges, possible=possible) for each in test.values))
    if isinstance(value, str):
        return every if possible else 0
    if test.operator == "!=":
        return every ^ _equal(key, value, edges, possible=not possible)
    if test.operator in ("<", "<="):
        return _below(edges, value, or_same=test.operator == "<=", possible=possible)
    return every ^ _below(edges, value, or_same=test.operator == ">", possible=not possible)


def _below(edges: "array[float]", number: float, *, or_same: bool, possible: bool) -> int:
    """Return the codes of intervals with numbers below this one, or the same: with some, or with no others."""
    last = len(edges) - 1
    if possible:
        return _between(1, (bisect_right if or_same else bisect_left)(edges, number, 0, last))
    whole = bisect_right(edges, number, 1, last) - 1
    whole += whole == last - 1 and (edges[last] < number or (or_same and edges[last] == number))
    return _between(1, whole)


def _equal(key: Key, value: Value, edges: "array[float]", *, possible: bool) -> int:
    """Return the interval of a number, or of the number that a text writes: another text may write it, too."""
    number = number_of(key, value) if isinstance(value, str) else value
    if number is None or not edges[0] <= number <= edges[-1]:
        return 0
    code = interval_of(edges, number)
    is_sure = edges[code - 1] == edges[code] and not isinstance(value, str)
    return _between(code, code) if possible or is_sure else 0


def _between(first: int, last: int) -> int:
    """Return the codes from ``first`` to ``last``."""
    return _BELOW[last + 1] ^ _BELOW[first] if last >= first else 0


_BELOW = [(1 << 8 * code) - 1 for code in range(_CODES + 1)]
_EVERY_CODE = _BELOW[_CODES]
_SHARED = _between(FIRST_SHARED, FIRST_SHARED + SHARED_CODES - 1)
_ANY = _between(ANY_VALUE, ANY_VALUE)
