"""Words, numbers and times as a person reads them, and lines that fit a width. Pure."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from modeltrail_schemas.names import EntityRef
from rich.cells import cell_len
from rich.text import Text

from modeltrail_server.cli.rendering.folding import columns, cut
from modeltrail_server.queries.display import display

LABEL_WIDTH = 8
SHORT_RUN_CHARACTERS = 13
UUID_GROUPS = (SHORT_RUN_CHARACTERS, 18, 23, 36)
SHORT_COMMIT_CHARACTERS = 7
SHORT_DIGITS = 8
MAX_VALUE_CHARACTERS = 60

STATE_STYLES = {"COMPLETE": "green", "FAIL": "bold red", "ABORT": "red", "RUNNING": "yellow", "START": "yellow"}
STATE_WORDS = {"START": "RUNNING", "": "unknown"}
_ALGORITHM = re.compile(r"\bsha\d+:(?=[0-9a-f]{40})")
_HEXADECIMAL = re.compile(r"\b([0-9a-f]{40,128})\b")
Part = str | tuple[str, str] | Text


def line(*parts: Part) -> Text:
    """Return one line made of plain and (text, style) parts."""
    return Text.assemble(*parts)


def labelled(label: str, parts: Sequence[Part], *, width: int, separator: str = "  ") -> list[Text]:
    """Return ``parts`` after a label, on as many lines as ``width`` asks for; what is longer goes on below.

    A part without text takes no place.
    """
    lines: list[Text] = []
    current = Text.assemble((label.ljust(LABEL_WIDTH), "dim"))
    empty = True
    for part in parts:
        text = part if isinstance(part, Text) else Text.assemble(part)
        if not text.plain:
            continue
        if not empty and current.cell_len + len(separator) + text.cell_len > width:
            lines.append(current)
            current, empty = Text(" " * LABEL_WIDTH), True
        if not empty:
            current.append(separator)
        first, *rest = cut(text, width - current.cell_len, width - LABEL_WIDTH)
        current.append_text(first)
        for more in rest:
            lines.append(current)
            current = Text(" " * LABEL_WIDTH).append_text(more)
        empty = False
    return [*lines, current]


def table(
    rows: Iterable[Sequence[Part]], *, header: Sequence[str] = (), right: Sequence[int] = (), width: int | None
) -> list[Text]:
    """Return rows in columns that fit ``width``; a cell too long for its column goes on below. None: any width."""
    cells = [[part if isinstance(part, Text) else Text.assemble(part) for part in row] for row in rows]
    head = [[Text(word, style="dim") for word in header]] if header else []
    return columns([*head, *cells], right=right, width=width)


def wrapped(text: str, *, width: int, indent: int = 0) -> list[str]:
    """Return ``text`` in lines of at most ``width`` cells, broken at spaces; a longer word stays whole."""
    lines, current = [], ""
    for word in text.split():
        if current and cell_len(current) + 1 + cell_len(word) > width - indent:
            lines.append(" " * indent + current)
            current = word
        else:
            current = f"{current} {word}" if current else word
    return [*lines, " " * indent + current] if current else lines


def when(time_ns: int, *, seconds: bool = False) -> str:
    """Return a time as ``2026-03-03 14:05Z``."""
    try:
        moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time_ns} ns"
    return f"{moment:%Y-%m-%d %H:%M:%S}Z" if seconds else f"{moment:%Y-%m-%d %H:%M}Z"


def span(start_ns: int, end_ns: int | None) -> str:
    """Return from when to when; the beginning alone where no end is known."""
    return when(start_ns) if end_ns is None else f"{when(start_ns)} to {when(end_ns)}"


def duration(seconds: float) -> str:
    """Return a time span in its two greatest units."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest_s} s"


def count(number: int, one: str) -> str:
    """Return 1234567 of what ``one`` names as ``1.23M rows``."""
    return f"{_scaled(number, 1000, ('', 'k', 'M', 'G', 'T'), '')} {one if number == 1 else one + 's'}"


def size(number: int) -> str:
    """Return a number of bytes as ``3.1 GB`` (powers of 1000)."""
    return _scaled(number, 1000, ("B", "kB", "MB", "GB", "TB", "PB"), " ")


def number(value: float) -> str:
    """Return a metric's value in at most six digits."""
    return f"{value:.6g}"


def value_text(text: str, *, limit: int = MAX_VALUE_CHARACTERS) -> str:
    """Return a parameter's JSON text as it is read: strings without quotes, long ones cut at ``limit`` characters."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    shown = printable(value if isinstance(value, str) else text)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def short_value(text: str, *, limit: int = MAX_VALUE_CHARACTERS) -> str:
    """Return a compared value: digests and commits by their beginning, anything else as value_text does."""
    return value_text(short_digests(text), limit=limit)


def short_digests(text: str) -> str:
    """Return ``text`` with the digests and commits in it by their beginning."""
    return _HEXADECIMAL.sub(lambda match: match[1][:SHORT_DIGITS], _ALGORITHM.sub("", text))


def printable(text: str) -> str:
    """Return ``text`` with what would move the cursor or hide as ``·``: names may be any string."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "·" for c in text)


def name(ref: EntityRef) -> str:
    """Return the name of a thing; a version that is a digest by its first digits, which name it too."""
    algorithm, colon, digits = ref.identity.partition(":")
    if colon and algorithm.startswith("sha") and len(digits) > 2 * SHORT_DIGITS:
        return printable(display(EntityRef(ref.kind, ref.namespace, ref.name, digits[:SHORT_DIGITS])))
    return printable(display(ref))


def state(word: str) -> Text:
    """Return the state of a run in its colour."""
    shown = STATE_WORDS.get(word, word)
    return Text(shown, style=STATE_STYLES.get(word, ""))


def short_run(run_id: str, characters: int = SHORT_RUN_CHARACTERS) -> str:
    """Return the beginning of a run's id; the whole where it is no UUID."""
    return run_id[:characters] if _is_uuid(run_id) else printable(run_id)


def telling_apart(run_ids: Iterable[str]) -> int:
    """Return how many characters tell these runs apart, whole groups of a UUID: many begin in one millisecond."""
    ids = {run_id for run_id in run_ids if _is_uuid(run_id)}
    return next(count for count in UUID_GROUPS if count == 36 or len({each[:count] for each in ids}) == len(ids))


def _is_uuid(run_id: str) -> bool:
    return len(run_id) == 36 and run_id.count("-") == 4


def _scaled(number: int, base: int, units: Sequence[str], gap: str) -> str:
    scaled = float(number)
    for unit in units[:-1]:
        if abs(scaled) < base:
            return f"{scaled:.3g}{gap}{unit}"
        scaled /= base
    return f"{scaled:.3g}{gap}{units[-1]}"
