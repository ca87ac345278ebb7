"""What ``modeltrail what-changed`` and ``modeltrail history --on`` print. Pure."""

from collections.abc import Sequence

from modeltrail_schemas.counting import counted
from rich.text import Text

from modeltrail_server.cli.rendering.style import Part, line, name, printable, short_run, table, when, wrapped
from modeltrail_server.queries.changes import Changes, Failed, NewVersion, Said
from modeltrail_server.queries.holdings import Holding, Holdings
from modeltrail_server.queries.records import Step

NS_PER_MS = 1_000_000
MAX_SHOWN = 20
MAX_ERROR_CHARACTERS = 140
_BAD = frozenset({"RETRACTED", "RETIRED", "CORRECTED"})


def render_changes(found: Changes, *, width: int, everything: bool = False) -> list[Text]:
    """Return what is new, most telling first: what was declared, what failed, what appeared.

    It is in the order in which it was recorded; the times shown are when it happened.
    """
    since = when(found.since_ms * NS_PER_MS, seconds=True)
    if not found.records:
        return [Text(f"nothing was recorded since {since}")]
    states = ", ".join(f"{count} {state}" for state, count in sorted(found.runs.items()))
    lines = [line(f"recorded since {since}: {counted(found.records, 'event')}")]
    lines += [line((f"runs: {states}", "dim"))] if states else []
    limit = None if everything else MAX_SHOWN
    lines += _section("declared", [_said_cells(said) for said in found.said], limit, width)
    lines += _failures(found.failed, limit, width)
    for kind in ("model", "dataset"):
        new = [_new_cells(version) for version in found.versions if version.version.kind == kind]
        lines += _section(f"new {kind} versions", new, limit, width)
    if found.lost_events:
        lines.append(
            line((f"{counted(found.lost_events, 'event was', 'events were')} lost by their emitters", "yellow"))
        )
    if found.next_ms is not None:
        then = when(found.next_ms * NS_PER_MS, seconds=True)
        lines.append(line((f"there is more: ask again with --since {then.replace(' ', 'T')}", "yellow")))
    return lines


def _section(title: str, rows: Sequence[tuple[Part, ...]], limit: int | None, width: int) -> list[Text]:
    if not rows:
        return []
    return [Text(""), _heading(title, len(rows)), *table(rows[:limit], width=width), *_rest(len(rows), limit)]


def _said_cells(said: Said) -> tuple[Part, ...]:
    step = said.step
    about = f"run {short_run(said.run_id)}" if said.run_id else name(step.subject)
    words = " ".join(word for word in (step.type.lower(), step.value, *said.what, step.text) if word)
    style = "bold red" if step.type in _BAD else "green"
    return (
        ("  " + when(step.time_ns), "dim"),
        (about, "bold"),
        Text.assemble((printable(words), style), "  ", printable(_who(step))),
    )


def _who(step: Step) -> str:
    by = f"by {step.by}" + (f" ({step.assurance})" if step.assurance else "") if step.by else ""
    return ": ".join(word for word in (by, step.why) if word)


def _failures(failed: Sequence[Failed], limit: int | None, width: int) -> list[Text]:
    """Return the runs that failed, each with the beginning of its error below it."""
    if not failed:
        return []
    lines = [Text(""), _heading("failed", len(failed))]
    for run in failed[:limit]:
        job = f"  {name(run.job)}" if run.job.name else ""
        lines.append(line(("  " + when(run.time_ns), "dim"), f"  run {short_run(run.run_id)}  {run.state}{job}"))
        error = run.error if len(run.error) <= MAX_ERROR_CHARACTERS else run.error[: MAX_ERROR_CHARACTERS - 1] + "…"
        lines += [Text(text, style="red") for text in wrapped(printable(error), width=width, indent=4)]
    return lines + _rest(len(failed), limit)


def _heading(title: str, count: int) -> Text:
    return line((title, "bold"), (f"  {count}" if count > 1 else "", "dim"))


def _rest(count: int, limit: int | None) -> list[Text]:
    more = count - limit if limit else 0
    return [line((f"… and {more} more: --all shows them", "dim"))] if more > 0 else []


def _new_cells(new: NewVersion) -> tuple[Part, ...]:
    how = {"output": "made by", "input": "first read by"}.get(new.relation, "")
    who = f"{how} run {short_run(new.run_id)}" if new.run_id and how else ""
    return (
        ("  " + when(new.time_ns), "dim"),
        (name(new.version), "bold"),
        who,
    )


def render_holdings(found: Holdings, *, width: int, asked: str = "") -> list[Text]:
    """Return which version had which word in a time, with who gave it and when it ended."""
    span = when(found.since_ns) if found.since_ns == found.until_ns else when(found.since_ns)[:10]
    lines = [line((name(found.model), "bold"), f"  {span}")]
    if not found.holdings:
        what = f"no version had {printable(asked)}" if asked else "no version had an alias, and none was deployed,"
        lines.append(line((f"{what} then", "yellow")))
        lines += [line((f"what there was: {', '.join(map(printable, found.words))}", "dim"))] if found.words else []
        return lines
    return [*lines, *table([_holding_cells(holding, found) for holding in found.holdings], width=width)]


def _holding_cells(holding: Holding, found: Holdings) -> tuple[Part, ...]:
    what = holding.word if holding.kind != "target" else f"deployed {holding.word}".strip()
    version = name(holding.version).rpartition("@")[2]
    span = f"since {when(holding.step.time_ns)}"
    if holding.ended_by is not None and holding.ended_by.time_ns <= found.until_ns:
        span += f", until {when(holding.ended_by.time_ns)}"
    else:
        span += f" {_who(holding.step)}"
    return (printable(what), "green"), (version, "bold"), printable(span)
