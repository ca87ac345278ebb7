"""How to make a run again, and whether it came out the same. Pure."""

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
            lines.append(line((f"# {count}. {printable(step.why)}", "dim")))
        if step.command:
            lines.append(Text(f"  {printable(step.line)}"))
    lines += [line(("cannot be reproduced: ", "bold red"), printable(each)) for each in recipe.obstacles]
    for doubt in recipe.doubts:
        lines += [Text(text, style="yellow") for text in wrapped(f"mind: {printable(doubt)}", width=width)]
    return lines


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
    lines = table(rows, header=("metric", "then", "now", ""), right=(1, 2)) if rows else []
    for remark in verdict.remarks:
        lines += [Text(text, style="dim") for text in wrapped(printable(remark), width=width)]
    if verdict.reproduced:
        return [
            *lines,
            line(("reproduced", "bold green"), f": run:{verdict.repeated} is run:{verdict.original} again"),
        ]
    lines.append(line(("not reproduced", "bold red"), ":"))
    for reason in verdict.reasons:
        lines += [Text(text) for text in wrapped(printable(reason), width=width, indent=INDENT)]
    return lines
