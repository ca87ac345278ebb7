"""The pages of ``show --html`` and ``compare --html``. Pure."""

import re
from collections.abc import Sequence

from modeltrail_schemas.counting import counted
from rich.text import Text

from modeltrail_server.cli.rendering.comparison import compared_value, headings, told_together
from modeltrail_server.cli.rendering.html.drawing import draw
from modeltrail_server.cli.rendering.html.page import PAIR, chips, code, folded, page, paragraph, section, table, text
from modeltrail_server.cli.rendering.style import SHORT_COMMIT_CHARACTERS, name, number, size, span, value_text, when
from modeltrail_server.queries.comparison import CommitsBetween, Comparison, Row
from modeltrail_server.queries.completeness import FAILING, Level, Report
from modeltrail_server.queries.graph import Graph
from modeltrail_server.queries.records import Answer, ModelVersionView, RunView, Step, Use, Words

Chip = tuple[str, str]


def show_page(view: Answer, report: Report | None, graph: Graph, lines: Sequence[Text]) -> str:
    """Return the page on one thing. ``lines`` is its text form, for what has no page of its own."""
    drawn = section("Lineage", draw(graph))
    if isinstance(view, ModelVersionView):
        heading = name(view.model)
        top = [f"<h1>{text(heading)}</h1>", _standing(view), _words(view.words)]
        runs = [part for run in view.made_by for part in _run(run)]
        return page(heading, [*top, _verdict(report), drawn, *runs, section("Steps", _steps(view.lifecycle.steps))])
    if isinstance(view, RunView):
        heading = f"run {view.run_id}"
        words = Words(view.description, view.owners, view.notes)
        state = [(view.state or "unknown", "good" if view.state == "COMPLETE" else "weak")]
        top = [f"<h1>{text(heading)}</h1>", chips([*state, *_nominal(view), *_owners(words)]), _words(words)]
        return page(heading, [*top, _verdict(report), drawn, *_run(view)])
    plain = "\n".join(line.plain for line in lines)
    heading = graph.start.partition(":")[2]
    shown = "\n".join(text(line) for line in plain.splitlines())
    return page(
        heading,
        [f"<h1>{text(heading)}</h1>", drawn, section("Record", f'<div class="scroll"><pre>{shown}</pre></div>')],
    )


def compare_page(comparison: Comparison, graphs: Sequence[Graph], about: Sequence[str]) -> str:
    """Return the page that sets things side by side: what differs, then the rest; ``about``: a line on each."""
    names = [subject.partition(":")[2] for subject in comparison.subjects]
    heading = f"{', '.join(names[:-1])} and {names[-1]}"
    two = len(comparison.subjects) == PAIR
    header = ("", *headings(comparison.subjects), *(["change"] if two else []))
    differing = table([_compared(row, two=two) for row in told_together(comparison.differences)], header=header)
    same = [row for row in comparison.rows if not row.differs]
    equal = table([_compared(row, two=two) for row in same], header=header)
    lineages = (
        section(f"Lineage of {subject.partition(':')[2]}", draw(graph))
        for subject, graph in zip(comparison.subjects, graphs, strict=True)
    )
    each = table([(text(named), text(line)) for named, line in zip(names, about, strict=True)])
    described = each if len(set(about)) > 1 else paragraph(about[0])
    parts = [
        f"<h1>Compared: {text(heading)}</h1>",
        described if any(about) else "",
        section("Differences", differing or paragraph("No differences in what is recorded.")),
        folded(counted(len(same), "thing is equal", "things are equal"), equal),
        *(_commits(step) for step in comparison.commits),
        *lineages,
    ]
    return page(f"Compared: {heading}", parts)


def _commits(step: CommitsBetween) -> str:
    rows = [
        (code(commit.sha[:SHORT_COMMIT_CHARACTERS]), text(when(commit.date_ns)), text(commit.author), text(told))
        for commits, remark in ((step.added, ""), (step.left_out, "left out: "))
        for commit in commits
        for told in (f"{remark}{commit.subject}",)
    ]
    listed = table(rows, header=("commit", "when", "author", "subject"))
    rest = paragraph("There are more." if step.cut else step.unknown and f"Not known: {step.unknown}.")
    old, new = (commit[:SHORT_COMMIT_CHARACTERS] for commit in (step.old, step.new))
    return section(f"Commits between {old} and {new}", listed + rest)


def _standing(view: ModelVersionView) -> str:
    cycle = view.lifecycle
    words: list[Chip] = [(step.value, "good") for step in cycle.aliases]
    words += [(f"deployed {step.value}".strip(), "good") for step in cycle.deployed]
    words += [(cycle.stage.value, "")] if cycle.stage else []
    words += [("approved", "good")] if cycle.approved else []
    words += [("RETIRED", "bad")] if cycle.retired else []
    return chips(
        [*words, *_owners(view.words), *((digest, "soft") for digest in (view.detail.digests if view.detail else ()))]
    )


def _nominal(run: RunView) -> list[Chip]:
    return [(f"for {span(run.nominal.start_ns, run.nominal.end_ns)}", "")] if run.nominal else []


def _owners(words: Words) -> list[Chip]:
    return [(f"owner {', '.join(words.owners)}", "")] if words.owners else [("no owner", "weak")]


def _words(words: Words) -> str:
    notes = table([(text(when(note.time_ns)), text(note.by), text(note.text or note.why)) for note in words.notes])
    return paragraph(words.text) + notes


def _verdict(report: Report | None) -> str:
    if report is None:
        return ""
    word, style = ("The record is complete", "good") if report.passed else ("The record is not complete", "bad")
    meter = f'<div class="meter{"" if report.passed else " no"}"><i style="width:{report.score}%"></i></div>'
    findings = "".join(
        f'<li><b class="{"bad" if finding.level in FAILING else "weak"}">{text(finding.level)}</b> '
        f"{text(finding.piece)}: {text(finding.what)}"
        + (f'<br><span class="soft">{text(finding.why)}</span>' if finding.why else "")
        + (f"<br>{code(finding.remedy)}" if finding.remedy else "")
        + "</li>"
        for finding in report.findings
        if finding.level != Level.OK
    )
    listed = f'<ul class="findings">{findings}</ul>' if findings else ""
    return section("Check", f'<p><b class="{style}">{word}</b>: {report.score} of 100 points.</p>{meter}{listed}')


def _run(run: RunView) -> list[str]:
    """Return the sections on a run: data, metrics, parameters, code, environment."""
    seeds = [(text(seed.name), code(value_text(seed.value))) for seed in run.seeds]
    return [
        section("Data", table([_use(use) for use in run.inputs], header=("version", "role", "known by", "size", ""))),
        section(
            "Metrics",
            _metrics(run),
        ),
        section(
            "Parameters",
            table(
                [
                    (text(item.name), code(value_text(item.value)) + _conflict(item.contradicting))
                    for item in run.parameters
                ]
            ),
        ),
        section("Seeds", table(seeds)),
        section("Code", table(_code(run))),
        section("Environment", _environment(run)),
    ]


def _conflict(contradicting: bool) -> str:
    return ' <span class="bad">contradicted</span>' if contradicting else ""


def _use(use: Use) -> tuple[str, ...]:
    known = text(use.strength) if use.version_known else '<span class="bad">version not recorded</span>'
    retracted = f'<span class="bad">RETRACTED {text(use.retracted.why)}</span>' if use.retracted else ""
    amount = size(use.bytes) if use.bytes is not None else ""
    return _name(name(use.entity)), text(", ".join(use.roles)), known, text(amount), retracted


def _metrics(run: RunView) -> str:
    """Return the metrics; how they went only where some have several steps."""
    stepped = any(curve.steps > 1 for curve in run.metrics)
    rows = []
    for curve in run.metrics:
        least, most = (number(curve.minimum), number(curve.maximum)) if curve.steps > 1 else ("", "")
        steps = (least, most, curve.steps)
        on = name(curve.dataset) if curve.dataset.name else ""
        value = f"<b>{text(number(curve.value))}</b>"
        rows.append((text(curve.name), value, *(text(step) for step in steps if stepped), _name(on)))
    header = ("metric", "value", *(("least", "most", "steps") if stepped else ()), "on")
    return table(rows, header=header, numbers=range(1, len(header) - 1))


def _name(named: str) -> str:
    """Return a name that may go on below behind what its parts end with."""
    return re.sub("([/@.])", r"\1<wbr>", text(named)) if "&" not in text(named) else text(named)


def _code(run: RunView) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for told in run.codes:
        state = "changed, diff kept" if told.diff_kept else "changed, no diff"
        rows += [("commit", code(told.commit) + (f' <span class="weak">{state}</span>' if told.dirty else ""))]
        rows += [
            (label, text(value))
            for label, value in (("branch", told.branch), ("repository", told.repository))
            if value
        ]
    return [*rows, ("command", code(" ".join(run.command)))] if run.command else rows


def _environment(run: RunView) -> str:
    if run.environment is None:
        return ""
    found = run.environment
    told = (
        ("Python", found.python),
        ("system", f"{found.os} {found.machine}".strip()),
        ("image", found.container_image),
    )
    rows = [(label, text(value)) for label, value in told if value]
    packages = table([(text(package), text(version)) for package, version in sorted(found.packages.items())])
    return table(rows) + folded(counted(len(found.packages), "package"), packages)


def _steps(steps: Sequence[Step]) -> str:
    rows = [
        (
            text(when(step.time_ns)),
            text(step.type.lower()),
            text(step.value),
            text(step.by),
            text(step.why or step.text),
        )
        for step in steps
    ]
    return table(rows, header=("when", "what", "", "by", "why"))


def _compared(row: Row, *, two: bool) -> tuple[str, ...]:
    values = (
        '<span class="soft">–</span>' if value is None else _name(compared_value(row, value)) for value in row.values
    )
    delta = "" if row.delta is None else text(f"{row.delta:+.6g}")
    section = (
        "" if row.section in ("metrics", "curves", "params") else f'<span class="soft">{text(row.section)}</span> '
    )
    return section + text(row.name), *values, *([delta] if two else [])
