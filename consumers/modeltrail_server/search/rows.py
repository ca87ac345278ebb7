"""What the search index holds of a run: a function of what is recorded of it, and so of the set of its events. Pure.

Rows are bounded in number and size, for an index holds them; whoever wants all of a run asks to be shown it.
"""

import json
import math
from itertools import islice
from typing import NamedTuple

from modeltrail_server.queries.records import RunView

MAX_ROWS_OF_A_KIND = 1_000
MAX_INDEXED_CHARACTERS = 300


class ParameterRow(NamedTuple):
    """The standing value of a parameter: as text without quotes, and as a number where it is one."""

    run_key: bytes
    name: str
    text: str
    number: float | None
    started_ns: int


class MetricRow(NamedTuple):
    """The last value of a metric on a dataset; None for what is not a number."""

    run_key: bytes
    name: str
    dataset: str
    value: float | None
    started_ns: int


class TagRow(NamedTuple):
    """The last value of a tag."""

    run_key: bytes
    name: str
    text: str
    started_ns: int


class SearchRows(NamedTuple):
    """The rows of one run, or of several."""

    parameters: list[ParameterRow]
    metrics: list[MetricRow]
    tags: list[TagRow]


def rows_of(run_key: bytes, run: RunView) -> SearchRows:
    """Return what the index holds of ``run``."""
    begun = run.started_ns
    parameters = {_cut(each.name): _plain(each.value) for each in islice(run.parameters, MAX_ROWS_OF_A_KIND)}
    metrics: dict[tuple[str, str], float] = {}
    for curve in sorted(run.metrics, key=lambda curve: curve.rank):
        metrics.setdefault((_cut(curve.name), _cut(curve.dataset.format())), curve.value)
    tags = {_cut(name): _cut(text) for name, text in islice(run.tags.items(), MAX_ROWS_OF_A_KIND)}
    return SearchRows(
        [ParameterRow(run_key, name, *value, begun) for name, value in parameters.items()],
        [
            MetricRow(run_key, *key, None if math.isnan(value) else value, begun)
            for key, value in islice(metrics.items(), MAX_ROWS_OF_A_KIND)
        ],
        [TagRow(run_key, name, text, begun) for name, text in tags.items()],
    )


def _plain(json_text: str) -> tuple[str, float | None]:
    """Return a parameter's JSON text as a person would write it, and as a number."""
    try:
        value = json.loads(json_text)
    except ValueError:
        return _cut(json_text), None
    if isinstance(value, str):
        return _cut(value), None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    number = float(value) if is_number and abs(value) < 1e300 else None
    return _cut(json_text), number if number is None or math.isfinite(number) else None


def _cut(text: str) -> str:
    return text[:MAX_INDEXED_CHARACTERS]
