"""What a search found, as frozen values. Pure, and light to import."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from modeltrail_schemas.identity import run_key

from modeltrail_server.queries.records import RunLine
from modeltrail_server.search.expression import Term
from modeltrail_server.search.rows import ATTRIBUTE, METRIC, Key

MIN_FOLDED = 2
_PREFIXES = {"metric": "metrics.", "param": "params.", "tag": "tags."}
_ALWAYS_SHOWN = frozenset({"state", "job", "run", "started"})


@dataclass(frozen=True, slots=True)
class Ordering:
    """Best first by a metric; without one (``metric`` empty), the last to begin first."""

    metric: str = ""
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Hit:
    """A run that satisfies the expression, with the values it was asked about (``metrics.auc``: 0.91)."""

    run: RunLine
    values: dict[str, str | float]
    parent_run_id: str = ""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Found runs of one parent, in the order of the answer: the first is the best."""

    parent_run_id: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The answer. ``complete`` is false where there may be more: the limit or the bound of the search was reached.

    ``hints``: why nothing was found.
    """

    ordering: Ordering
    hits: tuple[Hit, ...]
    complete: bool = True
    looked_at: int = 0
    hints: tuple[str, ...] = ()

    @property
    def folded(self) -> tuple[Hit | Sweep, ...]:
        """Return the hits, those of one parent as one sweep where its first hit stands."""
        of_parent: dict[str, list[Hit]] = {}
        for hit in self.hits:
            of_parent.setdefault(hit.parent_run_id, []).append(hit)
        shown: list[Hit | Sweep] = []
        for hit in self.hits:
            siblings = of_parent[hit.parent_run_id]
            if not hit.parent_run_id or len(siblings) < MIN_FOLDED:
                shown.append(hit)
            elif siblings[0] is hit:
                shown.append(Sweep(hit.parent_run_id, tuple(siblings)))
        return tuple(shown)


def place_of(hit: Hit, ordering: Ordering) -> tuple[float, int, bytes]:
    """Return what a hit of an answer in this order is ordered by."""
    number = hit.values[_PREFIXES[METRIC] + ordering.metric] if ordering.metric else 0
    return float(number), hit.run.started_ns, run_key(hit.run.run_id)


def shown_keys(terms: Iterable[Term], ordering: Ordering) -> list[Key]:
    """Return the keys whose values an answer shows: what it is ordered by and asked about, if not shown anyway."""
    asked = [Key(METRIC, ordering.metric)] if ordering.metric else []
    asked += [Key(term.kind, term.name) for term in terms]
    return list(dict.fromkeys(key for key in asked if not (key.kind == ATTRIBUTE and key.name in _ALWAYS_SHOWN)))


def shown_values(
    keys: Sequence[Key], values: Mapping[Key, Sequence[tuple[str, float | None]]], ordering: Ordering
) -> dict[str, str | float]:
    """Return what a hit shows of a run with these values (text, number), by key as an expression writes it."""
    shown: dict[str, str | float] = {}
    for key in keys:
        if told := values.get(key):
            shown[_PREFIXES.get(key.kind, "") + key.name] = _shown(key, told, ordering)
    return shown


def _shown(key: Key, told: Sequence[tuple[str, float | None]], ordering: Ordering) -> str | float:
    if key.kind == METRIC:
        numbers = [number for _, number in told if number is not None]
        if numbers and key.name == ordering.metric:
            return max(numbers) if ordering.descending else min(numbers)
        return math.nan if told[0][1] is None else told[0][1]
    text, number = told[0]
    if key.kind != ATTRIBUTE:
        return text
    if number is not None:
        return number
    texts = [text for text, _ in told]
    return ", ".join(text for text in texts if not any(other.startswith(f"{text}@") for other in texts))
