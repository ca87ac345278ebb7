"""A result: the plain value, and how text, a notebook and pandas see it. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from modeltrail_schemas.errors import ModeltrailError
from rich.text import Text

from modeltrail_server.cli.rendering.as_json import row_values, to_json, to_plain
from modeltrail_server.cli.rendering.folding import folded
from modeltrail_server.cli.rendering.html.drawing import draw
from modeltrail_server.cli.rendering.html.page import text
from modeltrail_server.queries.changes import Changes
from modeltrail_server.queries.columns import ColumnLineage
from modeltrail_server.queries.comparison import Comparison
from modeltrail_server.queries.completeness import Report
from modeltrail_server.queries.contents import Identified
from modeltrail_server.queries.graph import Graph
from modeltrail_server.queries.history import NameHistory, RunHistory
from modeltrail_server.queries.holdings import Holdings
from modeltrail_server.queries.impact import Impact
from modeltrail_server.queries.listing import Page
from modeltrail_server.queries.paths import Path
from modeltrail_server.queries.records import ModelVersionView, RunView
from modeltrail_server.reproduction.recipe import Recipe
from modeltrail_server.search.results import Found

WIDTH = 100
SHOWN_IN_NOTEBOOK = 20
FENCE = "```"
_STYLE = (
    "<style>.modeltrail svg text{fill:currentColor;font:12px sans-serif}.modeltrail svg rect,.modeltrail svg path"
    "{fill:none;stroke:currentColor;stroke-opacity:.45}.modeltrail .scroll{overflow-x:auto}"
    ".modeltrail svg .f{fill:#c0392b}.modeltrail pre{white-space:pre}</style>"
)
# Of these answers, the part of which a table is made.
_LISTED: Mapping[type, str] = {
    Changes: "versions",
    ColumnLineage: "edges",
    Holdings: "holdings",
    Identified: "known",
    Impact: "models",
    Path: "edges",
    Recipe: "data",
}
T = TypeVar("T")


class PandasMissingError(ModeltrailError):
    """A table was asked for where pandas is not installed."""


@dataclass(frozen=True)
class Result(Generic[T]):
    """One answer. ``value`` is plain and frozen; ``print`` shows what the command line would.

    ``remarks`` are what is told beside it: that a dataset was asked for by another name of it.
    """

    value: T
    lines: Sequence[Text]
    remarks: Sequence[str] = ()

    def __str__(self) -> str:
        """Return what the command line prints, remarks first."""
        return "\n".join(each.plain for line in self._all_lines for each in folded(line, WIDTH))

    @property
    def _all_lines(self) -> list[Text]:
        return [*map(Text, self.remarks), *self.lines]

    def __repr__(self) -> str:
        """Return the text, since that is what somebody at a prompt wants to see."""
        return str(self)

    def to_json(self) -> str:
        """Return the value as JSON text."""
        return to_json(self.value, remarks=self.remarks)

    def to_pandas(self) -> Any:
        """Return the value as a DataFrame. Raises PandasMissingError."""
        return frame_of(rows_of(self.value))

    def _repr_html_(self) -> str:
        if isinstance(self.value, Graph):
            drawn = "".join(f"<p>{text(remark)}</p>" for remark in self.remarks) + draw(self.value)
        else:
            drawn = f"<pre>{_escaped(self._all_lines)}</pre>"
        return f'<div class="modeltrail">{_STYLE}{drawn}</div>'

    def _repr_markdown_(self) -> str:
        return fenced(str(self))


class Listing(Generic[T]):
    """Many answers, fetched a page at a time while they are iterated over; each iteration begins anew."""

    def __init__(self, fetch: Callable[[str | None], Page[T]], render: Callable[..., list[Text]]) -> None:
        self._fetch, self._render = fetch, render

    def __iter__(self) -> Iterator[T]:
        """Yield each; a page is fetched when it is reached."""
        token: str | None = None
        while True:
            page = self._fetch(token)
            yield from page.items
            token = page.next
            if token is None:
                return

    def __str__(self) -> str:
        """Return the first twenty as the command line prints them."""
        return "\n".join(line.plain for line in self._first())

    def __repr__(self) -> str:
        """Return the text."""
        return str(self)

    def to_pandas(self, *, limit: int | None = None) -> Any:
        """Return all, or the first ``limit``, as a DataFrame. Raises PandasMissingError."""
        return frame_of([_row(item) for item in islice(self, limit)])

    def _first(self) -> list[Text]:
        items = tuple(islice(self, SHOWN_IN_NOTEBOOK))
        return self._render(Page(items), width=WIDTH) or [Text("none")]

    def _repr_html_(self) -> str:
        return f'<div class="modeltrail">{_STYLE}<pre>{_escaped(self._first())}</pre></div>'

    def _repr_markdown_(self) -> str:
        return fenced(str(self))


def rows_of(value: object) -> list[dict[str, Any]]:
    """Return what of ``value`` makes a table: a row for each finding, edge, difference, step, hit, or named value."""
    if isinstance(value, Report):
        return [_row(finding) for finding in value.findings]
    listed = next((name for kind, name in _LISTED.items() if isinstance(value, kind)), "")
    if listed:
        return [_row(item) for item in getattr(value, listed)]
    if isinstance(value, tuple):
        return [_row(item) for item in value]
    if isinstance(value, Graph):
        return [_row(edge) for edge in value.edges]
    if isinstance(value, Comparison):
        return [
            {
                "section": row.section,
                "name": row.name,
                "differs": row.differs,
                **dict(zip(value.subjects, row_values(row), strict=True)),
            }
            for row in value.rows
        ]
    if isinstance(value, NameHistory):
        return [_row(step) for step in value.steps]
    if isinstance(value, RunHistory):
        return [_row(event) for event in value.events]
    if isinstance(value, Found):
        return [{**_row(hit.run), **hit.values} for hit in value.hits]
    runs = value.made_by if isinstance(value, ModelVersionView) else (value,) if isinstance(value, RunView) else ()
    if runs:
        return [row for run in runs for row in _named_values(run)]
    return [_row(value)]


def frame_of(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return ``rows`` as a DataFrame. Raises PandasMissingError."""
    try:
        import pandas as pd
    except ImportError as error:
        raise PandasMissingError("pandas is not installed", remedy="pip install pandas") from error
    return pd.DataFrame.from_records(list(rows))


def fenced(shown: str) -> str:
    """Return text as a fenced block of Markdown, whatever it holds."""
    fence = FENCE
    while fence in shown:
        fence += "`"
    return f"{fence}text\n{shown}\n{fence}"


def _named_values(run: RunView) -> Iterator[dict[str, Any]]:
    for item in run.parameters:
        yield {"run": run.run_id, "kind": "parameter", "name": item.name, "value": item.value}
    for curve in run.metrics:
        yield {"run": run.run_id, "kind": "metric", "name": curve.name, "value": curve.value}
    for use in (*run.inputs, *run.outputs):
        yield {"run": run.run_id, "kind": use.entity.kind, "name": use.entity.name, "value": use.entity.version}


def _row(value: object) -> dict[str, Any]:
    plain = to_plain(value)
    return plain if isinstance(plain, dict) and not isinstance(value, Mapping) else {"value": plain}


def _escaped(lines: Sequence[Text]) -> str:
    return "\n".join(text(line.plain) for line in lines)
