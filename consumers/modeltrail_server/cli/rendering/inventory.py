"""All models at once: a report a line, an inventory a line or as CSV; and what a file at hand is. Pure."""

import csv
import io
from collections.abc import Sequence

from rich.text import Text

from modeltrail_server.cli.rendering.lineage import render_lineage
from modeltrail_server.cli.rendering.show import LEVEL_STYLES
from modeltrail_server.cli.rendering.style import (
    LABEL_WIDTH,
    labelled,
    line,
    name,
    printable,
    size,
    table,
    when,
    wrapped,
)
from modeltrail_server.queries.completeness import InventoryLine, Level
from modeltrail_server.queries.contents import Identified
from modeltrail_server.queries.display import display
from modeltrail_server.queries.listing import Page

INDENT = 2
CSV_HEADER = ("model", "version", "owners", "purpose", "risk", "deployed", "latest", "passed", "score", "refusals")
_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")


def render_reports(page: Page[InventoryLine], *, width: int) -> list[Text]:
    """Return the verdict on each version, a line each, then how many pass."""
    rows = [(_verdict(entry), _score(entry), (name(entry.model), "bold"), _troubles(entry)) for entry in page.items]
    passed = sum(entry.passed for entry in page.items)
    lines = table(rows, header=("", "score", "model", ""), right=(1,), width=width) if rows else []
    return [*lines, *_more(page.next), line(f"{passed} of {len(page.items)} pass")]


def render_inventory(page: Page[InventoryLine], *, width: int) -> list[Text]:
    """Return each version with what it is for, whose it is, and where it runs."""
    lines: list[Text] = []
    for entry in page.items:
        lines.append(line((name(entry.model), "bold"), "  ", _verdict(entry), f" {_score(entry)}".rstrip()))
        about = [f"owner {', '.join(map(printable, entry.owners))}" if entry.owners else "no owner"]
        about += [f"risk {printable(entry.risk)}" if entry.risk else "risk not stated"]
        about += [f"on {printable(step.value)}" if step.value else "deployed" for step in entry.deployed]
        about += [] if entry.deployed else ["not deployed"]
        lines += [Text(text) for text in wrapped(", ".join(about), width=width, indent=INDENT)]
        purpose = printable(" ".join(entry.purpose.split()))
        lines += [Text(text, style="dim") for text in wrapped(purpose, width=width, indent=INDENT)]
    return [*lines, *_more(page.next)]


def inventory_csv(entries: Sequence[InventoryLine]) -> str:
    """Return the inventory as CSV (RFC 4180); what a spreadsheet would run as a formula begins with an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(CSV_HEADER)
    for entry in entries:
        report = entry.report
        cells = (
            display(entry.model.unversioned),
            entry.model.identity,
            ", ".join(entry.owners),
            entry.purpose,
            entry.risk,
            ", ".join(step.value or "deployed" for step in entry.deployed),
            "yes" if entry.latest else "no",
            "yes" if entry.passed else "no",
            "" if report is None else str(report.score),
            "no version" if report is None else "; ".join(report.refusals),
        )
        writer.writerow(["'" + cell if cell.startswith(_FORMULA_BEGINS) else cell for cell in cells])
    return buffer.getvalue()


def render_identified(found: Identified, *, width: int) -> list[Text]:
    """Return each version that a file at hand is, with its lineage; or what to do when nobody recorded it."""
    about = [found.digest, *([size(found.bytes)] if found.bytes is not None else [])]
    lines = labelled("content", about, width=width)
    for known in found.known:
        kind = Text.assemble((known.entity.kind.ljust(LABEL_WIDTH), "dim"))
        lines.append(
            kind.append_text(line((name(known.entity), "bold"), (f"  first seen {when(known.first_ns)}", "dim")))
        )
        lines += render_lineage(known.lineage, width=width)[1:]
    if found.known_later:
        lines += [
            line(("not known then", "bold yellow"), ": a version that has this content was recorded later"),
            Text("→ ask without --as-of and --at, or as of a later time"),
        ]
    elif not found.known:
        lines += [
            line(("not known", "bold yellow"), ": no recorded version has this content"),
            Text("→ it may have changed since it was recorded, or come from elsewhere. Record it where it is used:"),
            Text(f'  run.use_dataset(path="{printable(found.path)}")', no_wrap=True),
            Text(f'  run.log_model("NAME", path="{printable(found.path)}")', no_wrap=True),
        ]
    return lines


def _verdict(entry: InventoryLine) -> Text:
    if entry.report is None:
        return line(("no version", "dim"))
    return line(("pass", "green")) if entry.passed else line(("FAIL", "bold red"))


def _score(entry: InventoryLine) -> str:
    return "" if entry.report is None else str(entry.report.score)


def _troubles(entry: InventoryLine) -> Text:
    if entry.report is None:
        return Text("no version is recorded", style="dim")
    counts = [(level, entry.report.count(level)) for level in Level if level != Level.OK]
    words = [line((f"{count} {level.lower()}", LEVEL_STYLES[level])) for level, count in counts if count]
    return Text(", ").join(words)


def _more(token: str | None) -> list[Text]:
    return [Text(f"more: --page {token}", style="dim", no_wrap=True)] if token else []
