"""What a search found: runs, a line each, a sweep as one line; or things, by a word. Pure."""

from collections.abc import Sequence

from modeltrail_schemas.counting import counted
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
    wrapped,
)
from modeltrail_server.search.results import Found, Hit, Sweep
from modeltrail_server.search.words import Mentioned

MAX_VALUE_CHARACTERS = 24
MAX_RUN_CHARACTERS, MIN_RUN_CHARACTERS = 28, 12
MAX_JOB_CHARACTERS, MIN_JOB_CHARACTERS = 40, 16
GAP = 2


def render_found(found: Found, *, folded: bool, width: int, limit: int) -> list[Text]:
    """Return the runs found, in the order of the answer, with the values they were asked about; nothing for none.

    ``limit`` is how many lines of runs; where not all columns of values fit, the last are left out, and named.
    """
    everything: Sequence[Hit | Sweep] = found.folded if folded else found.hits
    shown = everything[:limit]
    if not shown:
        return []
    names = list(dict.fromkeys(key for each in shown for key in _first(each).values))
    rows = [_row(each, names, MAX_RUN_CHARACTERS, MAX_JOB_CHARACTERS) for each in shown]
    header = ("run", "state", "began", "job", *(_cut(printable(key.partition(".")[2] or key)) for key in names))
    lines = table(rows, header=header, width=None)
    if max(each.cell_len for each in lines) > width:
        rows = [_row(each, names, MIN_RUN_CHARACTERS, MIN_JOB_CHARACTERS) for each in shown]
        lines = table(rows, header=header, width=None)
    fixed, left_out = len(header) - len(names), 0
    while max(each.cell_len for each in lines) > width and len(header) > fixed + 1:
        rows, header, left_out = [row[:-1] for row in rows], header[:-1], left_out + 1
        lines = table(rows, header=header, width=None)
    if left_out:
        unseen = ", ".join(printable(key) for key in names[-left_out:])
        lines += [line((text, "dim")) for text in wrapped(f"not shown for want of width: {unseen}", width=width)]
    return lines + _remarks(shown, complete=found.complete and len(shown) == len(everything))


def render_nothing(found: Found, expression: str, *, width: int, then: bool) -> list[Text]:
    """Return that nothing was found, why, and what can be done."""
    if not found.complete:
        looked_at = counted(found.looked_at, "run")
        what = f"none of the {looked_at} looked at {'satisfied' if then else 'satisfies'} it"
        remedy = "name a job, or the runs: started >= '2026-03-03'" if then else "ask for less: name a job, or a time"
        return [line((f"{what}, and there are more", "yellow")), line((f"→ {remedy}", "dim"))]
    said = [f"no run {'satisfied' if then else 'satisfies'} {printable(expression)}"]
    lines = [line(text) for text in wrapped(said[0], width=width)]
    for hint in found.hints:
        first, *more = wrapped(printable(hint), width=width - GAP)
        lines += [line((f"→ {first}", "dim")), *(line((f"  {text}", "dim")) for text in more)]
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


def _remarks(shown: Sequence[Hit | Sweep], *, complete: bool) -> list[Text]:
    lines = []
    if any(isinstance(each, Sweep) for each in shown):
        lines.append(line(("×: the runs of one sweep, by its first; --all shows each", "dim")))
    if not complete:
        lines.append(line((f"the first {len(shown)}: there may be more, raise --limit or ask for less", "yellow")))
    return lines


def _first(each: Hit | Sweep) -> Hit:
    return each.hits[0] if isinstance(each, Sweep) else each


def _row(each: Hit | Sweep, names: Sequence[str], run_characters: int, job_characters: int) -> tuple[Part, ...]:
    best, what = _first(each), short_run(_first(each).run.run_id)
    if isinstance(each, Sweep):
        what = f"{short_run(each.parent_run_id)} ×{len(each.hits)}"
    values = [_value(best.values.get(key)) for key in names]
    job = _cut(name(best.run.job), job_characters) if best.run.job.name else ""
    return (
        _cut(what, run_characters),
        state(best.run.state),
        (when(best.run.started_ns)[:10], "dim"),
        job,
        *values,
    )


def _value(value: str | float | None) -> str:
    if value is None:
        return ""
    return _cut(number(value) if isinstance(value, float) else printable(value))


def _cut(text: str, characters: int = MAX_VALUE_CHARACTERS) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"
