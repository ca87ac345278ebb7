"""What ``modeltrail compare`` prints: a column for each, the differences only unless all is asked for. Pure."""

from collections.abc import Sequence

from rich.text import Text

from modeltrail_server.cli.rendering.style import Part, printable, short_value, table
from modeltrail_server.queries.comparison import Comparison, Row


def render_comparison(comparison: Comparison, *, everything: bool = False) -> list[Text]:
    """Return the rows under the subjects' names; a value that is one digest is shown by its first digits."""
    rows = comparison.rows if everything else comparison.differences
    if not rows:
        return [
            Text("no differences in what is recorded" if comparison.rows else "nothing is recorded of these runs")
        ]
    header = ("", *_headings(comparison.subjects), "")
    return table([_cells(row) for row in rows], header=header)


def _headings(subjects: Sequence[str]) -> list[str]:
    """Return what tells the subjects apart: versions alone where all are of one model."""
    names = [subject.partition(":")[2] for subject in subjects]
    versions = [name.rpartition("@") for name in names]
    if len({before for before, at, _ in versions if at}) == 1 and all(at for _, at, _ in versions):
        return [printable(version) for _, _, version in versions]
    return [printable(name) for name in names]


def _cells(row: Row) -> list[Part]:
    label = row.name if row.section in ("metrics", "params") else f"{row.section} {row.name}"
    cells = [Text("–", style="dim") if value is None else Text(short_value(value)) for value in row.values]
    delta = "" if row.delta is None else f"{row.delta:+.6g}"
    return [
        Text(printable(label), style="bold" if row.section == "metrics" else ""),
        *cells,
        Text(delta, style="cyan"),
    ]
