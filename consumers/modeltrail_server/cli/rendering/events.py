"""Events in one line each, and what became of an import. Pure."""

from collections.abc import Mapping

from modeltrail.log.protocol import Record
from modeltrail_schemas.counting import counted
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.names import display_name
from rich.cells import cell_len
from rich.text import Text

from modeltrail_server.cli.rendering.folding import folded
from modeltrail_server.cli.rendering.style import STATE_STYLES, printable, when
from modeltrail_server.events.importing import Import

MAX_REFUSALS_SHOWN = 20
MAX_FILES_SHOWN = 10
SHORT_ID_CHARACTERS = 13
# What goes on below stands under the time.
HANGING_CELLS = 10


def render_event(record: Record, event: LineageEvent | None, *, width: int | None = None) -> list[Text]:
    """Return position, time, what happened, to what: in one line, or folded to ``width`` cells between its parts."""
    head = Text.assemble((f"{record.partition}:{record.offset}".ljust(9), "dim"))
    if event is None:
        return [head.append(f" not an event: {counted(len(record.value), 'byte')}", style="red")]
    head.append(f" {when(event.event_time_ns, seconds=True)} ")
    head.append(f" {event.type or event.kind.upper():<10}", style=STATE_STYLES.get(event.type, "cyan"))
    lines = [head]
    for part in _parts(event):
        if width is not None and lines[-1].cell_len + 1 + cell_len(part) > width and lines[-1].plain.strip():
            lines.append(Text(" " * (HANGING_CELLS - 1)))
        lines[-1].append(f" {part}")
    return lines if width is None else [each for line in lines for each in folded(line, width)]


def _parts(event: LineageEvent) -> list[str]:
    """Return what an event is about, each part as it is read whole."""
    words = [event.job.format(), event.run_id[:SHORT_ID_CHARACTERS]]
    words += [f"← {display_name(ref)}" for ref in event.inputs]
    words += [f"→ {display_name(ref)}" for ref in event.outputs]
    words += [display_name(ref) for ref in event.subjects]
    said = event.statement
    words += [said.alias, said.stage, said.target] if said else []
    words += [f"{metric.name} {metric.value:.6g}" for metric in event.metrics[:3]]
    words += [f"{counted(event.gap.lost_events, 'event')} lost: {event.gap.reason}"] if event.gap else []
    return [printable(word) for word in words if word]


def render_imports(results: Mapping[str, Import]) -> list[Text]:
    """Return a line for each file (of many files, for each that had a refusal), refusals below it, and the sum."""
    is_short = len(results) <= MAX_FILES_SHOWN
    lines = [
        line
        for name, result in results.items()
        if is_short or result.refusals
        for line in render_import(name, result)
    ]
    if len(results) > 1:
        accepted = sum(result.accepted for result in results.values())
        lines.append(Text(f"{counted(accepted, 'event')} of {counted(len(results), 'file')} imported"))
    return lines


def render_import(name: str, result: Import) -> list[Text]:
    """Return how many events of a file were taken, and each that was not with its place and reason."""
    lines = [Text(f"{printable(name)}: {counted(result.accepted, 'event')} imported", no_wrap=True)]
    if not result.accepted and not result.refusals:
        lines[0].append(": there is no event in it", style="yellow")
    if result.refusals:
        lines[0].append(f", {len(result.refusals):,} refused", style="bold red")
    for refusal in result.refusals[:MAX_REFUSALS_SHOWN]:
        place = f"  line {refusal.line}" + (f", column {refusal.column}" if refusal.column else "")
        lines.append(Text.assemble((place, "red"), f": {refusal.reason}"))
    if len(result.refusals) > MAX_REFUSALS_SHOWN:
        lines.append(Text(f"  and {len(result.refusals) - MAX_REFUSALS_SHOWN:,} more: --json names them all"))
    return lines
