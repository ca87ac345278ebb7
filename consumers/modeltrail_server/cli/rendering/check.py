"""What ``modeltrail check`` prints: what fails first, with why it matters and how to record it. Pure."""

from rich.text import Text

from modeltrail_server.cli.rendering.show import LEVEL_STYLES
from modeltrail_server.cli.rendering.style import line, printable, wrapped
from modeltrail_server.queries.completeness import Level, Report

INDENT = 8


def render_report(report: Report, *, width: int) -> list[Text]:
    """Return the report, worst first; what is in order is one line at the end."""
    lines = []
    for finding in report.findings:
        if finding.level == Level.OK:
            continue
        head = line(
            (finding.level.ljust(INDENT), LEVEL_STYLES[finding.level]), " " if len(finding.level) >= INDENT else ""
        )
        lines.append(head.append_text(line((finding.piece, "bold"), f" {printable(finding.what)}")))
        if finding.why:
            lines += [Text(text, style="dim") for text in wrapped(printable(finding.why), width=width, indent=INDENT)]
        if finding.remedy:
            lines.append(Text(" " * INDENT + f"→ {printable(finding.remedy)}"))
        if finding.mend:
            lines.append(Text(" " * INDENT + f"now: {printable(finding.mend)}"))
    fine = dict.fromkeys(finding.piece for finding in report.findings if finding.level == Level.OK)
    if fine:
        lines.append(line(("OK".ljust(INDENT), LEVEL_STYLES[Level.OK]), ", ".join(fine)))
    return [*lines, _verdict(report)]


def _verdict(report: Report) -> Text:
    if report.complete:
        weak = report.count(Level.WEAK)
        rest = f", {weak} weak" if weak else ""
        return line(("complete", "bold green"), f"{rest}: {report.subject}")
    counts = [
        f"{report.count(level)} {level.lower()}" for level in Level if level != Level.OK and report.count(level)
    ]
    return line(("not complete", "bold red"), f": {report.subject} has {', '.join(counts)}")
