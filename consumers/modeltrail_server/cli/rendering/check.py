"""What ``modeltrail check`` prints: what fails first, with why it matters and how to record it. Pure."""

from rich.text import Text

from modeltrail_server.cli.rendering.show import LEVEL_STYLES
from modeltrail_server.cli.rendering.style import Part, labelled, line, printable, short_digests, wrapped
from modeltrail_server.queries.completeness import Level, Report
from modeltrail_server.queries.policy import DEFAULT_POLICY

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
        lines.append(head.append_text(line((finding.piece, "bold"), f" {short_digests(printable(finding.what))}")))
        if finding.why:
            lines += [Text(text, style="dim") for text in wrapped(printable(finding.why), width=width, indent=INDENT)]
        if finding.remedy:
            lines.append(Text(" " * INDENT + f"→ {printable(finding.remedy)}"))
        if finding.mend:
            lines.append(Text(" " * INDENT + f"now: {printable(finding.mend)}"))
    troubled = {finding.piece for finding in report.findings if finding.level != Level.OK}
    fine = [piece for piece in dict.fromkeys(finding.piece for finding in report.findings) if piece not in troubled]
    if fine:
        lines.append(line(("OK".ljust(INDENT), LEVEL_STYLES[Level.OK]), ", ".join(fine)))
    lines += labelled("score", [f"{report.score} of 100", *_lost_points(report)], width=width)
    return [*lines, _verdict(report), *_policy_lines(report)]


def _lost_points(report: Report) -> list[Part]:
    """Return the pieces that did not earn all their points."""
    return [
        (f"{score.piece} {score.points:.3g}/{score.of}", "dim") for score in report.scores if score.points < score.of
    ]


def _policy_lines(report: Report) -> list[Text]:
    if report.policy == DEFAULT_POLICY:
        return []
    if report.passed:
        return [line(("passes the policy", "bold green"))]
    return [line(("fails the policy", "bold red"), f": {'; '.join(report.refusals)}")]


def _verdict(report: Report) -> Text:
    if report.complete:
        weak = report.count(Level.WEAK)
        rest = f", {weak} weak" if weak else ""
        return line(("complete", "bold green"), f"{rest}: {report.subject}")
    counts = [
        f"{report.count(level)} {level.lower()}" for level in Level if level != Level.OK and report.count(level)
    ]
    return line(("not complete", "bold red"), f": {report.subject} has {', '.join(counts)}")
