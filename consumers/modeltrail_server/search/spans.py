"""From where to where in the log, and from when to when, a run is told of: what its values are good for. Pure.

A run of which nothing was told since a time has now the values that it had then. The index holds where each run was
last told of, in each partition, and the last time that was told: so a search as of a time may take from the index
what it holds of all runs that *end* before. Of those that end later some were *begun* before: these are looked for
among runs no longer than so and so that end so soon. So runs that are long stand under how long they are, too.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.rows import Stored
from modeltrail_server.search.meaning import Condition, Disjunction, Meaning, Negation, Test
from modeltrail_server.search.rows import ENDED, SPAN, STARTED, Key, ValuesByKey

SHORT_RECORDS_BITS, SHORT_NS_BITS = 6, 38
"""A run is short within 64 records of a partition, or 4.6 minutes."""
LAST_RECORDS_BITS, LAST_NS_BITS = 40, 62
ROUNDING_NS = 4_096
"""Numbers of the index are 64-bit floats: a time is rounded to some hundreds of nanoseconds."""
PARTITIONS_FORESEEN = 64
_SIGN = 1 << 63

TOLD_LATER = Key(SPAN, "told later")
"""The last time that was told of a run, where that is not when it ended."""
LONG = Key(SPAN, "long")
SPREAD = Key(SPAN, "spread")
"""In how many partitions a run was told of, where that is not one."""


def last_offset(partition: int) -> Key:
    """Return the key of the offset at which a run was last told of in a partition."""
    return Key(SPAN, f"last offset in {partition}")


def long_in(partition: int) -> Key:
    """Return the key of runs that are long in a partition."""
    return Key(SPAN, f"long in {partition}")


RISING = frozenset(key.id for key in (TOLD_LATER, *map(last_offset, range(PARTITIONS_FORESEEN))))
"""Keys whose numbers rise from run to run; of more partitions the columns tell less."""
NOT_COMPARED = frozenset(key.id for key in (LONG, SPREAD, *map(long_in, range(PARTITIONS_FORESEEN))))
"""Keys that no column need tell of."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What counts lies before ``at``, an offset or a time. The keys tell where a run ends, and where it begins."""

    at: int
    ends: tuple[Key, ...]
    long_key: Key
    short_bits: int
    last_bits: int
    begins: Key | None = None
    rounding: int = 0

    @property
    def is_the_beginning(self) -> bool:
        """Return whether nothing can lie before."""
        return self.at == 0 and self.rounding == 0

    @property
    def latest_start_ns(self) -> float:
        """Return when at the latest a run began that is told of before, as far as the bound tells."""
        return math.inf if self.begins is None else self.at - 1

    @property
    def short(self) -> tuple[float, float]:
        """Return from where to where short runs end that end at the bound or after it, and may begin before."""
        return float(self.at), float(self.at + (1 << self.short_bits))

    @property
    def long(self) -> list[tuple[str, str]]:
        """Return the same of long runs, a range of texts for each length."""
        least = self.at - self.rounding
        ends = [(bits, self.at + (1 << bits)) for bits in range(self.short_bits + 1, self.last_bits)]
        ends.append((self.last_bits, _SIGN))
        return [(_written(bits, least), _written(bits, greatest)) for bits, greatest in ends]


def bounds_of(as_of: AsOf, partitions: Iterable[int]) -> tuple[Bound, ...]:
    """Return the bounds of ``as_of``, given all partitions in which anything is told; a record time is none."""
    found: list[Bound] = []
    if as_of.position is not None:
        offsets = dict(enumerate(as_of.position.offsets))
        found += (
            Bound(
                offsets.get(partition, 0),
                (last_offset(partition),),
                long_in(partition),
                SHORT_RECORDS_BITS,
                LAST_RECORDS_BITS,
            )
            for partition in partitions
        )
    if as_of.event_time_ns is not None:
        times = (SHORT_NS_BITS, LAST_NS_BITS, STARTED, ROUNDING_NS)
        found.append(Bound(as_of.event_time_ns + 1, (ENDED, TOLD_LATER), LONG, *times))
    return tuple(found)


def told_since(bounds: Iterable[Bound]) -> Disjunction:
    """Return what all runs satisfy that anything beyond the bounds is told of."""
    return Disjunction(
        tuple(Condition(key, (Test(">=", (float(bound.at),)),)) for bound in bounds for key in bound.ends)
    )


def settled_before(bounds: Sequence[Bound]) -> Iterator[Meaning]:
    """Yield what all runs satisfy that nothing beyond the bounds is told of."""
    for bound in bounds:
        if bound.begins is not None:
            yield Condition(bound.begins, (Test("<=", (float(bound.at),)),))  # a range, which is looked up
    yield Negation(told_since(bounds))


def span_of(stored: Iterable[Stored], by_key: ValuesByKey) -> ValuesByKey:
    """Return what the index holds of the span of a run: ``stored`` tell of it, of which it has these values."""
    found, offsets, times = ValuesByKey(), dict[int, list[int]](), list[int]()
    for each in stored:
        offsets.setdefault(each.partition, []).append(each.offset)
        times.append(each.event.event_time_ns)
    for partition, own in offsets.items():
        found[last_offset(partition)] = [("", float(max(own)))]
        found |= _long(long_in(partition), own, SHORT_RECORDS_BITS, LAST_RECORDS_BITS)
    if by_key.get(ENDED) != [("", float(max(times)))]:
        found[TOLD_LATER] = [("", float(max(times)))]
    if len(offsets) > 1:
        found[SPREAD] = [("", float(len(offsets)))]
    return found | _long(LONG, times, SHORT_NS_BITS, LAST_NS_BITS)


def _long(key: Key, told: Sequence[int], short_bits: int, last_bits: int) -> ValuesByKey:
    first, last = min(told), max(told)
    bits = min((last - first).bit_length(), last_bits)
    return {key: [(_written(bits, last), None)]} if bits > short_bits else {}


def _written(bits: int, last: int) -> str:
    """Return where a run stands that ends at ``last`` and is shorter than two to the power of ``bits``."""
    return f"{bits:02}{min(max(last + _SIGN, 0), 2 * _SIGN - 1):016x}"
