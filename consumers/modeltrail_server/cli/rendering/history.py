"""What ``modeltrail history`` prints: versions with what changed, or the events of a run. Pure."""

from rich.text import Text

from modeltrail_server.cli.rendering.comparison import compared_value
from modeltrail_server.cli.rendering.style import (
    Part,
    labelled,
    line,
    name,
    printable,
    short_run,
    state,
    table,
    when,
)
from modeltrail_server.queries.comparison import Row
from modeltrail_server.queries.history import EventEntry, NameHistory, RunHistory, VersionEntry
from modeltrail_server.queries.records import Step

MAX_CHANGES = 12


def render_history(found: NameHistory | RunHistory, *, width: int, everything: bool = False) -> list[Text]:
    """Return a history in lines, oldest first. Without ``everything``, at most twelve changes are shown a version."""
    if isinstance(found, RunHistory):
        lines = table([_event_cells(entry) for entry in found.events], width=width)
        return [*lines, line(("there are more events", "yellow"))] if found.later else lines
    lines = [line((f"{printable(name(found.name))}", "bold"))]
    lines += [line(("there are earlier versions: --limit shows more", "yellow"))] if found.earlier else []
    told = [(entry.first_ns, 0, _version_lines(entry, width, everything)) for entry in found.versions]
    told += [(note.time_ns, 1, _note_lines(entry, note, width)) for entry in found.versions for note in entry.notes]
    told += [(step.time_ns, 1, _step_lines(step)) for step in found.steps if step.type != "DESCRIBED"]
    for _, _, own in sorted(told, key=lambda item: item[:2]):
        lines += own
    return lines if found.versions or found.steps else [*lines, Text("no version of it is recorded")]


def _version_lines(entry: VersionEntry, width: int, everything: bool) -> list[Text]:
    version = name(entry.version).rpartition("@")[2]
    heading: list[Part] = [when(entry.first_ns), (version, "bold")]
    heading += [f"run {short_run(run)}" for run in entry.runs]
    if entry.runs:
        heading.append(state(entry.state))
    heading += [(printable(step.value), "bold green") for step in entry.lifecycle.aliases]
    heading += [(f"deployed {printable(step.value)}".strip(), "green") for step in entry.lifecycle.deployed]
    heading += [("RETRACTED", "bold red")] if entry.retracted else []
    heading += [("RETIRED", "bold red")] if entry.lifecycle.retired else []
    lines = [Text("  ").join(part if isinstance(part, Text) else Text.assemble(part) for part in heading)]
    limit = len(entry.changes) if everything else MAX_CHANGES
    changes: list[Part] = [_change(change) for change in entry.changes[:limit]]
    hidden = len(entry.changes) - limit
    changes += [(f"(+{hidden})", "dim")] if hidden > 0 else []
    return [*lines, *(labelled("", changes, width=width) if changes else [])]


def _change(row: Row) -> Text:
    label = row.name if row.section in ("metrics", "params") else f"{row.section} {row.name}"
    old, new = ("–" if value is None else compared_value(row, value) for value in row.values)
    text = Text(f"{printable(label)} {old} → {new}")
    if row.delta is not None:
        text.append(f" {row.delta:+.6g}", style="cyan")
    return text


def _step_lines(step: Step) -> list[Text]:
    version = name(step.subject).rpartition("@")[2] if step.subject.version else "all versions"
    words = f"{step.type.lower()} {printable(step.value)}".strip()
    style = "bold red" if step.type in ("RETRACTED", "RETIRED") else "green"
    parts: list[Part] = [when(step.time_ns), (version, "bold"), (words, style)]
    if step.by:
        parts.append(f"by {printable(step.by)}" + (f" ({printable(step.assurance)})" if step.assurance else ""))
    parts += [printable(word) for word in (step.text, step.why) if word]
    heading = [part if isinstance(part, Text) else Text.assemble(part) for part in parts]
    return [Text("  ").join(heading)]


def _note_lines(entry: VersionEntry, note: Step, width: int) -> list[Text]:
    """Return what was said later about the run that made a version."""
    version = name(entry.version).rpartition("@")[2]
    words = note.type.lower() if note.type in ("CORRECTED", "ANNOTATED") else "withdrawn"
    said = [word for word in (note.text, f"by {note.by}" if note.by else "", note.why) if word]
    heading = line(f"{when(note.time_ns)}  ", (version, "bold"), "  ", (f"its run {words}", "yellow"))
    parts: list[Part] = [printable(word) for word in said]
    one_line = Text("  ").join([heading, *map(Text, map(str, parts))])
    return [one_line] if one_line.cell_len <= width else [heading, *labelled("", parts, width=width)]


def _event_cells(entry: EventEntry) -> list[Part]:
    what = Text(entry.type or entry.kind, style="strike" if entry.withdrawn else "")
    told = ", ".join(entry.told)
    if entry.step:
        said = entry.step
        told = " ".join(word for word in (told, said.text, f"by {said.by}" if said.by else "", said.why) if word)
    if entry.withdrawn:
        told = f"withdrawn: {entry.withdrawn}  {told}"
    rank = f"rank {entry.rank}" if entry.rank else ""
    return [when(entry.time_ns, seconds=True), what, f"#{entry.partition}:{entry.offset}", rank, printable(told)]
