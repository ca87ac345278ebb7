"""How to make a run again, and whether it came out the same. Pure."""

import shlex
from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from modeltrail_server.cli.rendering.style import line, number, printable, table, wrapped
from modeltrail_server.reproduction.recipe import Recipe, Step
from modeltrail_server.reproduction.verdict import Verdict

INDENT = 4


def render_recipe(recipe: Recipe, steps: tuple[Step, ...], *, width: int) -> list[Text]:
    """Return the steps to take, then what stands in the way or may make a difference."""
    lines, count = [], 0
    for step in steps:
        if step.why:
            count += 1
            first, *rest = wrapped(f"{count}. {printable(step.why)}", width=width, indent=INDENT)
            lines += [Text(f"# {first.strip()}", style="dim"), *(Text(f"#{more[1:]}", style="dim") for more in rest)]
        if step.command:
            lines += _typed(step.command, width)
    lines += [line(("cannot be reproduced: ", "bold red"), printable(each)) for each in recipe.obstacles]
    for doubt in recipe.doubts:
        lines += [Text(text, style="yellow") for text in wrapped(f"mind: {printable(doubt)}", width=width)]
    return lines


def _typed(command: Sequence[str], width: int) -> list[Text]:
    """Return a command as it is typed, over several lines where it is long, as a shell takes it."""
    lines, current = [], " "
    for word in (printable(shlex.quote(part)) for part in command):
        if current.strip() and cell_len(f"{current} {word} \\") > width:
            lines.append(Text(f"{current} \\", no_wrap=True))
            current = " " * INDENT + word
        else:
            current = f"{current} {word}"
    return [*lines, Text(current, no_wrap=True)]


def render_verdict(verdict: Verdict, *, width: int) -> list[Text]:
    """Return then and now, and the answer."""
    rows = [
        (
            printable(metric.name),
            number(metric.then),
            "" if metric.now is None else number(metric.now),
            ("same", "green") if metric.within else ("differs", "bold red"),
        )
        for metric in verdict.metrics
    ]
    lines = table(rows, header=("metric", "then", "now", ""), right=(1, 2), width=width) if rows else []
    for remark in verdict.remarks:
        lines += [Text(text, style="dim") for text in wrapped(printable(remark), width=width)]
    if verdict.reproduced:
        return [
            *lines,
            line(("reproduced", "bold green"), f": run:{verdict.repeated}"),
            Text(f"  is run:{verdict.original} again"),
        ]
    lines.append(line(("not reproduced", "bold red"), ":"))
    for reason in verdict.reasons:
        lines += [Text(text) for text in wrapped(printable(reason), width=width, indent=INDENT)]
    return lines
