"""What ``modeltrail compare`` prints: a column for each, the differences only unless all is asked for. Pure."""

from collections.abc import Sequence

from rich.text import Text

from modeltrail_server.cli.rendering.style import (
    MAX_VALUE_CHARACTERS,
    SHORT_COMMIT_CHARACTERS,
    Part,
    number,
    printable,
    short_run,
    short_value,
    table,
    telling_apart,
    when,
)
from modeltrail_server.queries.comparison import CommitLine, CommitsBetween, Comparison, Row

MIN_COLUMN = 12
DELTA_WIDTH = 10
TWO = 2
PACKAGE = "package "
CUT_SECTIONS = frozenset({"params", "env", "run"})


def render_comparison(comparison: Comparison, *, width: int, everything: bool = False) -> list[Text]:
    """Return the rows under the subjects' names, long values cut to their share of ``width``: no names or ids.

    The commits between follow.
    """
    rows = comparison.rows if everything else told_together(comparison.differences)
    commits = render_commits(comparison.commits, width=width)
    if not rows:
        return [
            Text("no differences in what is recorded" if comparison.rows else "nothing is recorded of these runs")
        ]
    header = ("", *headings(comparison.subjects), "")
    labels = max(len(_label(row)) for row in rows)
    limit = max(MIN_COLUMN, (width - labels - DELTA_WIDTH) // len(comparison.subjects) - 2)
    return [
        *table([_cells(row, limit, len(comparison.subjects)) for row in rows], header=header, width=width),
        *commits,
    ]


def render_commits(steps: Sequence[CommitsBetween], *, width: int) -> list[Text]:
    """Return the commits between the subjects, a line each; or where to ask, if no repository at hand has them."""
    lines: list[Text] = []
    for step in steps:
        old, new = (printable(commit[:SHORT_COMMIT_CHARACTERS]) for commit in (step.old, step.new))
        lines.append(Text(f"commits between {old} and {new}", style="dim"))
        if step.unknown:
            lines.append(Text(f"  {step.unknown}: ask in a clone of the code, or name one with --repository"))
        rows = [_commit_cells(commit, "") for commit in step.added]
        rows += [_commit_cells(commit, "left out") for commit in step.left_out]
        lines += [Text("  ").append_text(row) for row in table(rows, width=width - 2)]
        if step.cut:
            lines.append(Text(f"  and more: git log {old}...{new}", style="dim", no_wrap=True))
    return lines


def _commit_cells(commit: CommitLine, remark: str) -> list[Part]:
    subject = f"{remark}: {commit.subject}" if remark else commit.subject
    day, _, _ = when(commit.date_ns).partition(" ")
    told = Text.assemble(printable(subject), (f"  {printable(commit.author)}", "dim"))
    return [printable(commit.sha[:SHORT_COMMIT_CHARACTERS]), day, told]


def told_together(rows: Sequence[Row]) -> list[Row]:
    """Return ``rows`` with all packages as one, where one of the subjects recorded none: that is no difference."""
    packages = [row for row in rows if row.section == "env" and row.name.startswith(PACKAGE)]
    known = [sum(value is not None for value in told) for told in zip(*(row.values for row in packages), strict=True)]
    if all(known):
        return list(rows)
    one = Row("env", "packages", tuple(str(count) if count else None for count in known))
    place = rows.index(packages[0])
    others = [row for row in rows if row not in packages]
    return [*others[:place], one, *others[place:]]


def headings(subjects: Sequence[str]) -> list[str]:
    """Return what tells the subjects apart: versions alone where all are of one model, of run ids the beginning."""
    ids = [subject.removeprefix("run:") for subject in subjects if subject.startswith("run:")]
    characters = telling_apart(ids)
    names = [
        short_run(subject.removeprefix("run:"), characters)
        if subject.startswith("run:")
        else subject.partition(":")[2]
        for subject in subjects
    ]
    versions = [name.rpartition("@") for name in names]
    if len({before for before, at, _ in versions if at}) == 1 and all(at for _, at, _ in versions):
        return [printable(version) for _, _, version in versions]
    return [printable(name) for name in names]


def _cells(row: Row, limit: int, subjects: int) -> list[Part]:
    cut = limit if row.section in CUT_SECTIONS else MAX_VALUE_CHARACTERS
    shown = ["–" if value is None else compared_value(row, value, limit=cut) for value in row.values]
    cells = [Text(text, style="dim" if text == "–" else "") for text in shown]
    delta = "" if row.delta is None or subjects != TWO else f"{row.delta:+.6g}"
    return [Text(_label(row), style="bold" if row.section == "metrics" else ""), *cells, Text(delta, style="cyan")]


def compared_value(row: Row, value: str, *, limit: int = MAX_VALUE_CHARACTERS) -> str:
    """Return a value of ``row`` as it is read: a metric in six digits, else as short_value does."""
    is_metric = row.section == "curves" or (row.section == "metrics" and not row.name.endswith(" on"))
    return number(float(value)) if is_metric else short_value(value, limit=limit)


def _label(row: Row) -> str:
    return printable(row.name if row.section in ("metrics", "curves", "params") else f"{row.section} {row.name}")
