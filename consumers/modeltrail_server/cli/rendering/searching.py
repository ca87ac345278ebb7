"""What a search found: runs, a line each, a sweep as one line; or things, by a word. Pure."""

from collections.abc import Sequence

from rich.text import Text

from modeltrail_server.cli.rendering.style import (
    SHORT_COMMIT_CHARACTERS,
    Part,
    line,
    name,
    number,
    printable,
    short_run,
    state,
    table,
    when,
)
from modeltrail_server.search.results import Found, Hit, Sweep
from modeltrail_server.search.words import Mentioned

MAX_VALUE_CHARACTERS = 24


def render_found(found: Found, *, folded: bool, width: int) -> list[Text]:
    """Return the runs found, in the order of the answer, with the values they were asked about."""
    shown: Sequence[Hit | Sweep] = found.folded if folded else found.hits
    names = list(dict.fromkeys(key for hit in found.hits for key in hit.values))
    header = ("run", "state", "began", "job", *(printable(key.partition(".")[2]) for key in names))
    lines = table([_row(each, names) for each in shown], header=header, width=width) if shown else []
    if not found.complete:
        more = f"looked at {found.looked_at:,} runs" if len(found.hits) == 0 else f"the first {len(found.hits)}"
        lines.append(line((f"{more}: there may be more, raise --limit or ask for less", "yellow")))
    return lines


def render_mentioned(found: Sequence[Mentioned], *, width: int) -> list[Text]:
    """Return things that a word found."""
    rows: list[tuple[Part, ...]] = []
    for each in found:
        if each.entity.kind == "commit":
            shown = each.entity.name[:SHORT_COMMIT_CHARACTERS]
            rows.append(((each.entity.kind, "dim"), (shown, "bold"), ("by its beginning", "dim")))
        else:
            rows.append(((each.entity.kind, "dim"), (name(each.entity), "bold"), (f"by {each.by}", "dim")))
    return table(rows, width=width)


def _row(each: Hit | Sweep, names: Sequence[str]) -> tuple[Part, ...]:
    if isinstance(each, Sweep):
        best, what = each.hits[0], f"{short_run(each.parent_run_id)} ×{len(each.hits)}"
    else:
        best, what = each, short_run(each.run.run_id)
    values = [_value(best.values.get(key)) for key in names]
    job = name(best.run.job) if best.run.job.name else ""
    return (what, state(best.run.state), (when(best.run.started_ns)[:10], "dim"), job, *values)


def _value(value: str | float | None) -> str:
    if value is None:
        return ""
    text = number(value) if isinstance(value, float) else printable(value)
    return text if len(text) <= MAX_VALUE_CHARACTERS else text[: MAX_VALUE_CHARACTERS - 1] + "…"
