"""A column of codes: what 8,192 runs have under one key, a byte each. Pure; knows no comparison.

A code stands for one text, or for an interval of numbers. So many runs are read at once, and compared at once (see
masks.py); what a run's value is exactly, the rows of the index tell.
"""

import math
import struct
import sys
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

RUNS_A_COLUMN = 8_192
NO_VALUE, ANY_VALUE = 0, 255
MAX_INTERVALS = 160
RUNS_AN_INTERVAL = RUNS_A_COLUMN // MAX_INTERVALS
FIRST_SHARED, SHARED_CODES = 201, 54
"""Texts that are not listed share these codes: each has one, by where it stands among texts, and by its hash."""
MAX_TEXT_EDGES = 17
MIN_TEXTS_AN_EDGE = 4
"""Of fewer different texts, all will be listed."""
MAX_AN_END = 64
"""So many of the least and of the largest numbers are listed: there a search for the best looks."""
MAX_PLANES = 6
MAX_LISTED_BYTES = 120
SPARSE = 8
"""Where fewer than one run in so many has a value, codes are compressed."""
_BEGINS = b"\0"
_VERSION_BYTES, _LENGTH_BYTES = 8, 4
_END = struct.Struct("=Hd")


class PackedColumn(NamedTuple):
    """A column as it is stored. ``least`` and ``largest`` bound its numbers; None where they have no codes.

    ``version`` is 64 bits of a hash of all the rest, signed: whoever has a column of this version has this column.
    """

    version: int
    least: float | None
    largest: float | None
    edges: bytes
    texts: bytes
    text_edges: bytes
    ends: bytes
    planes: int
    codes: bytes


@dataclass(slots=True)
class End:
    """The least numbers of a column, or the largest: all beyond ``bound``, in order, with the places of their runs.

    By default none are listed.
    """

    bound: float
    numbers: "array[float]" = field(default_factory=lambda: array("d"))
    places: "array[int]" = field(default_factory=lambda: array("H"))

    def insert(self, number: float, place: int, *, largest: bool) -> None:
        """List a number that is beyond the bound; with too many, the bound moves to the innermost of them."""
        at = bisect_right(self.numbers, number)
        self.numbers.insert(at, number)
        self.places.insert(at, place)
        if len(self.numbers) > MAX_AN_END:
            self.bound = self.numbers.pop(0 if largest else -1)
            self.places.pop(0 if largest else -1)

    def remove(self, place: int) -> None:
        """List no number of the run at ``place``."""
        while place in self.places:
            at = self.places.index(place)
            self.places.pop(at)
            self.numbers.pop(at)


@dataclass(slots=True)
class Column:
    """The codes of some runs' values under one key, by the runs' places in the column.

    Code n stands for numbers from ``edges[n - 1]`` to below ``edges[n]``, the last of these codes for its upper edge
    too; each code after these for one of ``texts``, and each of the last for many others, between two of
    ``text_edges``. A run with several values has one in each of several ``planes``. Numbers where there are no edges,
    and values too many, are ANY_VALUE.
    """

    edges: "array[float]" = field(default_factory=lambda: array("d"))
    texts: dict[str, int] = field(default_factory=dict)
    text_edges: tuple[str, ...] = ()
    least: End = field(default_factory=lambda: End(-math.inf))
    largest: End = field(default_factory=lambda: End(math.inf))
    planes: list[bytearray] = field(default_factory=lambda: [bytearray(RUNS_A_COLUMN)])
    is_changed: bool = False

    def put(self, place: int, values: Sequence[tuple[str, float | None]]) -> None:
        """Let the run at ``place``, which has none, have these values (text, number)."""
        self.is_changed = True
        for _, number in values:
            if number is not None:
                if number < self.least.bound:
                    self.least.insert(number, place, largest=False)
                if number > self.largest.bound:
                    self.largest.insert(number, place, largest=True)
        if len(values) == len(self.planes) == 1:
            self.planes[0][place] = self._code(*values[0])
            return
        codes = list(dict.fromkeys(self._code(text, number) for text, number in values))
        if len(codes) > MAX_PLANES:
            codes = [ANY_VALUE]
        while len(self.planes) < len(codes):
            self.planes.append(bytearray(RUNS_A_COLUMN))
        for number, plane in enumerate(self.planes):
            plane[place] = codes[number] if number < len(codes) else NO_VALUE

    def clear(self, place: int) -> None:
        """Let the run at ``place`` have no value."""
        for plane in self.planes:
            self.is_changed = self.is_changed or plane[place] != NO_VALUE
            plane[place] = NO_VALUE
        self.least.remove(place)
        self.largest.remove(place)

    def extend(self, numbers: Iterable[float]) -> None:
        """Make intervals for numbers beyond those there are, one for every few, while there is room.

        For times, which rise as a column fills: no numbers told at first would tell what they will be.
        """
        beyond = sorted(number for number in numbers if not self.edges or number > self.edges[-1])
        room = MAX_INTERVALS - max(0, len(self.edges) - 1)
        if not beyond or room <= 0 or self.texts:
            return
        if self.edges:
            self.edges[-1] = math.nextafter(self.edges[-1], math.inf)  # what was the last is below it, not on it
        else:
            self.edges.append(beyond[0])
        between = (number for number in beyond[RUNS_AN_INTERVAL::RUNS_AN_INTERVAL] if number > self.edges[-1])
        self.edges.extend([*list(dict.fromkeys(between))[: room - 1], beyond[-1]])

    def _code(self, text: str, number: float | None) -> int:
        if number is not None:
            return self._interval(number)
        code = self.texts.get(text)
        if code is None:
            code = first_text_code(self.edges) + len(self.texts)
            if code >= FIRST_SHARED or not _can_be_listed(text):
                return shared_code(text, self.text_edges)
            self.texts[text] = code
        return code

    def _interval(self, number: float) -> int:
        edges = self.edges
        if not edges:
            return ANY_VALUE
        if number < edges[0]:
            edges[0] = number
        elif number > edges[-1]:
            edges[-1] = number
        return interval_of(edges, number)


def interval_of(edges: "array[float]", number: float) -> int:
    """Return the code of a number that is no less than the first edge and no more than the last."""
    return min(bisect_right(edges, number), len(edges) - 1)


def first_text_code(edges: "array[float]") -> int:
    """Return the code of the first text: those before it stand for numbers."""
    return max(1, len(edges))


def shared_code(text: str, text_edges: Sequence[str]) -> int:
    """Return the code of a text that is not listed."""
    codes = shared_codes(text, text, text_edges)
    return codes[zlib.crc32(encoded(text)) % len(codes)]


def shared_codes(low: str, high: str | None, text_edges: Sequence[str]) -> range:
    """Return the codes of all texts from ``low`` to ``high`` (None: to the last) that are not listed."""
    last = len(text_edges) if high is None else bisect_right(text_edges, high)
    return _shared_codes(bisect_right(text_edges, low), last, text_edges)


def shared_codes_beginning(prefix: str, text_edges: Sequence[str]) -> range:
    """Return the codes of all texts that begin with ``prefix`` and are not listed."""
    last = bisect_right(text_edges, prefix, key=lambda edge: edge[: len(prefix)])
    return _shared_codes(bisect_right(text_edges, prefix), last, text_edges)


def _shared_codes(first: int, last: int, text_edges: Sequence[str]) -> range:
    each = SHARED_CODES // (len(text_edges) + 1)
    return range(FIRST_SHARED + first * each, FIRST_SHARED + (last + 1) * each)


def encoded(text: str) -> bytes:
    """Return a text as a column lists it."""
    return text.encode("utf-8", "surrogatepass")


def decoded(listed: bytes) -> str:
    """Return the text that was encoded."""
    return listed.decode("utf-8", "surrogatepass")


def column_for(sample: Iterable[float], texts: Iterable[str] = ()) -> Column:
    """Return an empty column for numbers and texts like these: about as many of them between any two edges."""
    numbers = sorted(sample)
    column = Column(text_edges=_text_edges(texts), least=End(math.inf), largest=End(-math.inf))
    if not numbers:
        return column
    evenly = (numbers[place * len(numbers) // MAX_INTERVALS] for place in range(MAX_INTERVALS))
    edges = sorted({*evenly, numbers[-1]})
    column.edges.extend(edges if len(edges) > 1 else edges * 2)
    return column


def _text_edges(texts: Iterable[str]) -> tuple[str, ...]:
    different = sorted(text for text in set(texts) if _can_be_listed(text))
    count = MAX_TEXT_EDGES + 1
    if len(different) < MIN_TEXTS_AN_EDGE * count:
        return ()
    return tuple(different[place * len(different) // count] for place in range(1, count))


def _can_be_listed(text: str) -> bool:
    listed = encoded(text)
    return _BEGINS not in listed and len(listed) <= MAX_LISTED_BYTES


def pack(column: Column) -> PackedColumn:
    """Return ``column`` as bytes."""
    codes = b"".join(column.planes)
    if len(codes) - codes.count(NO_VALUE) < len(codes) // SPARSE:
        codes = zlib.compress(codes, 1)
    least, largest = (column.edges[0], column.edges[-1]) if column.edges else (None, None)
    edges, texts, text_edges = column.edges.tobytes(), _joined(column.texts), _joined(column.text_edges)
    ends = _pack_end(column.least) + _pack_end(column.largest)
    version = _version_of(edges, texts, text_edges, ends, codes)
    return PackedColumn(version, least, largest, edges, texts, text_edges, ends, len(column.planes), codes)


def _pack_end(end: End) -> bytes:
    return _END.pack(len(end.numbers), end.bound) + end.numbers.tobytes() + end.places.tobytes()


def _joined(texts: Iterable[str]) -> bytes:
    return b"".join(_BEGINS + encoded(text) for text in texts)


def _version_of(*parts: bytes) -> int:
    hashed = blake2b(digest_size=_VERSION_BYTES)
    for part in parts:
        hashed.update(len(part).to_bytes(_LENGTH_BYTES))
        hashed.update(part)
    return int.from_bytes(hashed.digest(), signed=True)


def unpack(packed: PackedColumn) -> Column:
    """Return the column that was packed."""
    edges = edges_of(packed)
    planes = [bytearray(plane) for plane in planes_of(packed)]
    return Column(edges, texts_of(packed, edges), text_edges_of(packed), *ends_of(packed), planes)


def edges_of(packed: PackedColumn) -> "array[float]":
    """Return the edges of a packed column's intervals."""
    edges = array("d")
    edges.frombytes(packed.edges)
    return edges


def texts_of(packed: PackedColumn, edges: "array[float]") -> dict[str, int]:
    """Return the texts that a packed column with these edges lists, with their codes."""
    texts = map(sys.intern, _split(packed.texts))  # of thousands of columns they are the same
    return {text: code for code, text in enumerate(texts, first_text_code(edges))}


def text_edges_of(packed: PackedColumn) -> tuple[str, ...]:
    """Return the texts between which those that a packed column does not list have their codes."""
    return tuple(_split(packed.text_edges))


def ends_of(packed: PackedColumn) -> tuple[End, End]:
    """Return the least and the largest numbers that a packed column lists."""
    ends, at = list[End](), 0
    for _ in range(2):
        count, bound = _END.unpack_from(packed.ends, at)
        end = End(bound)
        middle = at + _END.size + count * end.numbers.itemsize
        end.numbers.frombytes(packed.ends[at + _END.size : middle])
        at = middle + count * end.places.itemsize
        end.places.frombytes(packed.ends[middle:at])
        ends.append(end)
    return ends[0], ends[1]


def _split(listed: bytes) -> Iterator[str]:
    return map(decoded, listed.split(_BEGINS)[1:])


def planes_of(packed: PackedColumn) -> list[bytes]:
    """Return the planes of a packed column."""
    codes = packed.codes
    if len(codes) != packed.planes * RUNS_A_COLUMN:
        codes = zlib.decompress(codes)
    return [codes[at : at + RUNS_A_COLUMN] for at in range(0, len(codes), RUNS_A_COLUMN)]
