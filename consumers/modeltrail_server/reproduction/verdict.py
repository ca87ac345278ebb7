"""Whether a run made again came out the same: its metrics within a tolerance, and its outcome. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modeltrail_server.queries.display import display
from modeltrail_server.queries.records import RunView

DEFAULT_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class MetricCompared:
    """A metric then and now; ``now`` is None where it was not recorded again."""

    name: str
    then: float
    now: float | None
    within: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reproduced``, or the ``reasons`` why not. ``remarks`` are worth knowing, and decide nothing."""

    original: str
    repeated: str
    tolerance: float
    metrics: tuple[MetricCompared, ...] = ()
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def reproduced(self) -> bool:
        """Return the answer."""
        return not self.reasons


def judge(then: RunView, now: RunView, *, tolerance: float, doubts: Sequence[str] = ()) -> Verdict:
    """Return whether ``now`` is ``then`` again: each metric within ``tolerance``, relative or absolute.

    ``doubts`` are what could explain a difference; they become remarks.
    """
    compared = tuple(_compared(then, now, tolerance))
    reasons = (
        [] if now.state == then.state else [f"it ended with {now.state or 'nothing'}, and then with {then.state}"]
    )
    if not then.metrics:
        reasons.append("no metrics are recorded to compare with")
    for metric in compared:
        if metric.now is None:
            reasons.append(f"{metric.name} was not measured again")
        elif not metric.within:
            reasons.append(f"{metric.name} is {metric.now:.6g}, was {metric.then:.6g}")
    remarks = [*(doubts if reasons else ()), *_models(then, now)]
    return Verdict(then.run_id, now.run_id, tolerance, compared, tuple(reasons), tuple(remarks))


def _compared(then: RunView, now: RunView, tolerance: float) -> Iterator[MetricCompared]:
    again = {(curve.name, curve.dataset.unversioned, curve.rank): curve.value for curve in now.metrics}
    for curve in then.metrics:
        value = again.get((curve.name, curve.dataset.unversioned, curve.rank))
        same = value is not None and (
            math.isclose(value, curve.value, rel_tol=tolerance, abs_tol=tolerance)
            or (math.isnan(value) and math.isnan(curve.value))
        )
        on = f" on {display(curve.dataset.unversioned)}" if curve.dataset.name else ""
        yield MetricCompared(f"{curve.name}{on}", curve.value, value, same)


def _models(then: RunView, now: RunView) -> Iterator[str]:
    """Yield whether each model came out with the same bytes: formats may hold times, so this decides nothing."""
    made = {use.entity.unversioned: set(use.digests) for use in now.outputs if use.entity.kind == "model"}
    for use in then.outputs:
        digests = made.get(use.entity.unversioned)
        if use.entity.kind == "model" and digests and use.digests:
            same = bool(digests & set(use.digests))
            yield f"{display(use.entity)} has {'the same' if same else 'other'} bytes"
