"""Writing to the terminal: lines, a progress line while something takes long, and a reader that went away."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from modeltrail_schemas.errors import ModeltrailError
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from modeltrail_server.projection.projector import BatchStats

SILENT_S = 0.7
REFRESH_S = 0.2


def print_lines(lines: Iterable[Text]) -> None:
    """Write lines to standard output at once, never wrapped, coloured on a terminal only."""
    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        for line in lines:
            console.print(line, soft_wrap=True)
    else:  # as text, so that a reader that goes away is noticed by quiet_pipe
        sys.stdout.writelines(f"{line.plain}\n" for line in lines)
    sys.stdout.flush()


def say(text: str) -> None:
    """Write a remark to standard error, so that it is no part of what is piped on."""
    sys.stderr.write(text + "\n")


def write_page(file: Path, markup: str) -> None:
    """Write a page of HTML to ``file`` and say so."""
    file.write_text(markup, encoding="utf-8")
    say(f"written: {file}")


@contextmanager
def quiet_pipe() -> Iterator[None]:
    """End the command quietly where the reader of standard output went away (``| head``)."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


class ProgressLine:
    """One line on a terminal's standard error once something takes longer than SILENT_S: how much, how fast."""

    def __init__(self, what: str, *, total: int | None = None) -> None:
        self._what, self._total = what, total
        self._started_s = self._drawn_s = time.monotonic()
        self._shown = False

    def __enter__(self) -> "ProgressLine":
        """Return itself; the line is taken away on leaving."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def update(self, done: int, *, total: int | None = None) -> None:
        """Show that ``done`` of ``total`` (None: as before) are done."""
        self._total = total or self._total
        now_s = time.monotonic()
        if now_s - self._started_s < SILENT_S or now_s - self._drawn_s < REFRESH_S or not sys.stderr.isatty():
            return
        self._drawn_s, self._shown = now_s, True
        rate = done / (now_s - self._started_s)
        left = f", {max(0, self._total - done) / rate:,.0f} s left" if self._total and rate else ""
        of = f" of {self._total:,}" if self._total else ""
        sys.stderr.write(f"\r\x1b[K{done:,}{of} {self._what}, {rate:,.0f}/s{left}")
        sys.stderr.flush()


class ProjectionProgress:
    """Shows on a progress line how projecting goes, and says what it waits for."""

    def __init__(self, line: ProgressLine) -> None:
        self._line, self._records = line, 0

    def batch_written(self, stats: "BatchStats") -> None:
        """Show how many records were read."""
        self._records += stats.records
        self._line.update(self._records)

    def retrying(self, error: ModeltrailError, delay_s: float) -> None:
        """Say what is waited for."""
        say(f"waiting: {error}; trying again in {delay_s:.0f} s")
