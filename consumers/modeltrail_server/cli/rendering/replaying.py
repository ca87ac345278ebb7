"""What a replay did, or would do, and dead letters, in lines. Pure."""

from collections.abc import Sequence

from modeltrail_schemas.counting import counted
from rich.text import Text

from modeltrail_server.cli.rendering.style import duration, line, printable, size, when
from modeltrail_server.cli.rendering.system import render_digest
from modeltrail_server.projection.batches import DeadLetterRow
from modeltrail_server.replay.replaying import DryRun, Replayed, ReplayProgress

MAX_REASON_CHARACTERS = 120
BYTES_A_LINE = 16
MAX_BYTES_SHOWN = 512
MS = 1_000_000


def render_replayed(done: Replayed) -> list[Text]:
    """Return how much was replayed, and the digest of the state it led to."""
    return [_amount(done.progress, "replayed"), *(render_digest(done.digest) if done.digest else ())]


def render_republished(done: ReplayProgress, target: str) -> list[Text]:
    """Return how much went to which log."""
    return [_amount(done, f"appended to {target}")]


def render_dry_run(found: DryRun) -> list[Text]:
    """Return what a replay would read: counts by kind and type."""
    records = counted(found.records, "record holds", "records hold")
    lines = [line(f"{records} {counted(found.events, 'different event')}, up to {found.position.format()}")]
    lines += [line(f"  {kind.ljust(24)} {number:>12,}") for kind, number in found.kinds.items()]
    invalid = counted(found.invalid, "record is no event", "records are no events")
    return lines + ([line((f"  {invalid}", "red"))] if found.invalid else [])


def render_dead_letters(letters: Sequence[DeadLetterRow]) -> list[Text]:
    """Return a line for each: position, time, size, reason."""
    return [
        line(
            (f"{one.partition}:{one.offset}".ljust(9), "dim"),
            f" {when(one.recorded_ms * MS, seconds=True)}  {size(len(one.value)):>8}  ",
            (printable(one.reason)[:MAX_REASON_CHARACTERS], "red"),
        )
        for one in letters
    ]


def render_dead_letter(letter: DeadLetterRow) -> list[Text]:
    """Return everything about one, its first bytes in hexadecimal and as characters."""
    shown = letter.value[:MAX_BYTES_SHOWN]
    lines = [
        line((f"{letter.partition}:{letter.offset}", "bold"), f"  {when(letter.recorded_ms * MS, seconds=True)}"),
        line((printable(letter.reason), "red")),
        line(f"key {letter.key!r}, {counted(len(letter.value), 'byte')}"),
    ]
    for at in range(0, len(shown), BYTES_A_LINE):
        part = shown[at : at + BYTES_A_LINE]
        characters = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in part)
        lines.append(line((f"{at:06x}  ", "dim"), f"{part.hex(' '):<{BYTES_A_LINE * 3}} {characters}"))
    if len(shown) < len(letter.value):
        lines.append(
            line((f"and {counted(len(letter.value) - len(shown), 'byte')} more: --raw writes them all", "dim"))
        )
    return lines


def _amount(progress: ReplayProgress, what: str) -> Text:
    rate = f" in {duration(progress.seconds)}, {progress.records_per_second:,.0f}/s" if progress.records else ""
    return line(f"{counted(progress.records, 'record')} {what}{rate}")
