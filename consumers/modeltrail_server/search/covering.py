"""Which few ranges of the index hold all runs that an expression asks for. Pure: counts are given."""

from collections.abc import Mapping
from typing import NamedTuple

from modeltrail_server.search.meaning import Condition, Conjunction, Disjunction, Meaning


class Cover(NamedTuple):
    """Conditions of which each run that is asked for satisfies one, and how many rows they mean together."""

    rows: int
    conditions: tuple[Condition, ...]


def smallest_cover(meaning: Meaning, counts: Mapping[Meaning, int]) -> Cover | None:
    """Return the cover of ``meaning`` with the fewest rows; None without one that is counted."""
    if isinstance(meaning, Condition):
        return Cover(counts[meaning], (meaning,)) if meaning in counts else None
    if isinstance(meaning, Conjunction):
        covers = [cover for each in meaning.operands if (cover := smallest_cover(each, counts)) is not None]
        return min(covers, default=None, key=lambda cover: cover.rows)
    if isinstance(meaning, Disjunction):
        parts = [smallest_cover(each, counts) for each in meaning.operands]
        if any(part is None for part in parts):
            return None
        each_once = dict.fromkeys(condition for part in parts if part for condition in part.conditions)
        return Cover(sum(counts[condition] for condition in each_once), tuple(each_once))
    return None
