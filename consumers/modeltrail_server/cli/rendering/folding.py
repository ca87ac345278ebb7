"""Lines and columns brought to a width: what is too long goes on below, nothing is cut off. Pure."""

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.text import Text

MIN_COLUMN_CELLS = 8
GAP_CELLS = 2
HANGING_CELLS = 2
# A line is broken at a space in its last part, or else behind what names are made of.
KEPT_SHARE = 0.45
_LEAD = re.compile(r"[ │├└]*(?:\[\d+\] *|- |# )?")
_BELOW = str.maketrans("├└", "│ ")
_BREAKS = frozenset("/.,:;@=-_?&|")


def folded(text: Text, width: int) -> list[Text]:
    """Return ``text`` in lines of at most ``width`` cells, those below the first indented as its branch is.

    A text that says ``no_wrap`` stays whole: a command, or a token, that somebody copies.
    """
    if text.cell_len <= width or text.no_wrap:
        return [text]
    lead = _LEAD.match(text.plain)
    drawn = lead[0] if lead else ""
    below = re.sub(r"[^│ ]", " ", drawn.translate(_BELOW)) + " " * HANGING_CELLS
    if cell_len(below) > width // 2:
        below = " " * HANGING_CELLS
    first, *rest = cut(text, width, width - cell_len(below), keep=len(drawn))
    return [first, *(Text.assemble((below, "dim"), line) for line in rest)]


def cut(text: Text, first: int, others: int, *, keep: int = 0) -> list[Text]:
    """Return ``text`` in pieces: of at most ``first`` cells, then of ``others``; none ends in its first ``keep``."""
    pieces, limit = [], first
    while text.cell_len > limit:
        at = max(_place(text.plain, limit, keep), keep + 1)
        piece, text, keep, limit = text[:at], text[at:], 0, others
        piece.rstrip()
        pieces.append(piece)
        text = text[len(text.plain) - len(text.plain.lstrip(" ")) :]
    return [*pieces, text] if text.plain or not pieces else pieces


def columns(rows: Iterable[Sequence[Text]], *, right: Sequence[int], width: int | None) -> list[Text]:
    """Return rows in columns as wide as their widest cell, the widest narrowed until all fit ``width``, if any."""
    cells = [list(row) for row in rows]
    if not cells:
        return []
    widths = [max(row[column].cell_len for row in cells) for column in range(len(cells[0]))]
    widths = widths if width is None else _fitting(widths, width)
    return [line for row in cells for line in _row(row, widths, right)]


def _row(row: Sequence[Text], widths: Sequence[int], right: Sequence[int]) -> list[Text]:
    """Return a row of a table in as many lines as its tallest cell has."""
    stacks = [_stacked(cell, width) for cell, width in zip(row, widths, strict=True)]
    lines = []
    for number in range(max(map(len, stacks))):
        text = Text()
        for column, (stack, width) in enumerate(zip(stacks, widths, strict=True)):
            cell = stack[number] if number < len(stack) else Text()
            padding = " " * (width - cell.cell_len)
            text.append(padding if column in right else "")
            text.append_text(cell)
            text.append(" " * GAP_CELLS if column in right else padding + " " * GAP_CELLS)
        text.rstrip()
        lines.append(text)
    return lines


def _stacked(cell: Text, width: int) -> list[Text]:
    """Return a cell in lines, those below the first a step further in, so that rows are told apart."""
    first, *rest = cut(cell, width, width - 1)
    return [first, *(Text(" ").append_text(more) for more in rest)]


def _fitting(widths: list[int], width: int) -> list[int]:
    """Return widths that fit: the widest column gives way first, none below eight cells."""
    excess = sum(widths) + GAP_CELLS * (len(widths) - 1) - width
    while excess > 0:
        widest = max(widths)
        column = len(widths) - 1 - widths[::-1].index(widest)
        second = max((other for other in widths if other < widest), default=0)
        if widest <= MIN_COLUMN_CELLS:
            break
        taken = min(excess, max(1, (widest - max(second, MIN_COLUMN_CELLS)) // widths.count(widest)))
        widths[column] -= taken
        excess -= taken
    return widths


def _place(plain: str, limit: int, keep: int) -> int:
    """Return how many characters go before the break."""
    end = _characters(plain, limit)
    least = keep + int((end - keep) * KEPT_SHARE)
    space = plain.rfind(" ", least, end + 1)
    if space > 0:
        return space
    mark = next((at for at in range(end, least, -1) if plain[at - 1] in _BREAKS), 0)
    return mark or max(plain.rfind(" ", keep, end + 1), 0) or end


def _characters(plain: str, limit: int) -> int:
    """Return how many of the first characters fill no more than ``limit`` cells, at least one."""
    filled = 0
    for at, character in enumerate(plain):
        filled += cell_len(character)
        if filled > limit:
            return max(at, 1)
    return len(plain)
