"""What a search found, as frozen values. Pure, and light to import."""

from dataclasses import dataclass

from modeltrail_server.queries.records import RunLine

MIN_FOLDED = 2


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
    """The answer. ``complete`` is false where there may be more: the limit or the bound of the search was reached."""

    ordering: Ordering
    hits: tuple[Hit, ...]
    complete: bool = True
    looked_at: int = 0

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
