"""The audit log's state and what verifying it found, in lines. Pure."""

import base64

from modeltrail_schemas.counting import counted
from rich.text import Text

from modeltrail_server.audit import PartitionReport, Report, Status, layout
from modeltrail_server.audit.checkpoint import Checkpoint
from modeltrail_server.cli.rendering.style import size

ROOT_CHARACTERS = 16
NOTHING_YET = "nothing audited yet: modeltrail audit follow --once"


def short_root(head: Checkpoint) -> str:
    """Return the beginning of a root in base64, as the checkpoint writes it."""
    return base64.b64encode(head.root).decode()[:ROOT_CHARACTERS] + "…"


def render_status(status: Status) -> list[Text]:
    """Return one line a partition."""
    lines = [Text(f"audit log {status.folder}"), Text(f"verifier key {status.verifier_key}")]
    for one in status.partitions:
        line = Text(
            f"partition {one.partition}: {counted(one.head.size, 'record')} signed, root {short_root(one.head)}"
        )
        if one.behind:
            line.append(f", {one.behind:,} behind", style="yellow")
        elif one.behind == 0:
            line.append(", up to date", style="green")
        lines.append(line)
    return lines if status.partitions else [*lines, Text(NOTHING_YET)]


def render_report(report: Report) -> list[Text]:
    """Return what was verified, a line a partition, the first fault, and what was not covered."""
    lines = [_partition_line(one) for one in report.partitions] or [Text(NOTHING_YET)]
    if report.folder_fault is not None:
        lines.append(Text(report.folder_fault.describe(), style="bold red"))
    named = [*report.uncovered, *(name for one in report.partitions for name in one.uncovered)]
    # Our own locks lie beside every log, and say nothing of it.
    uncovered = [name for name in named if name.rpartition("/")[2] != layout.LOCK]
    if uncovered:
        lines.append(Text(f"not covered by a signature, and of no effect: {', '.join(uncovered[:5])}", style="dim"))
    if report.ok and not report.pinned_key:
        lines.append(Text("checked with the key in the folder: give --key to trust one you kept", style="dim"))
    return lines


def _partition_line(one: PartitionReport) -> Text:
    if one.fault is not None:
        return Text.assemble((f"partition {one.partition}: ", "bold"), (one.fault.describe(), "bold red"))
    if one.head is None or one.records == 0:
        return Text(f"partition {one.partition}: empty, signature good", style="green")
    return Text.assemble(
        f"partition {one.partition}: ",
        ("verified", "green"),
        f" {counted(one.records, 'record')} ({size(one.payload_bytes)}), ",
        f"offsets {one.first_offset} to {one.last_offset}, ",
        f"root {short_root(one.head)}",
    )
