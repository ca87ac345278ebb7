"""What is recorded of one thing, as ``modeltrail show`` prints it. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from modeltrail_schemas.counting import counted
from modeltrail_schemas.names import NO_ENTITY, EntityRef
from rich.text import Text

from modeltrail_server.cli.rendering.style import (
    LABEL_WIDTH,
    Part,
    count,
    duration,
    labelled,
    line,
    name,
    number,
    printable,
    short_run,
    size,
    span,
    state,
    value_text,
    when,
    wrapped,
)
from modeltrail_server.queries.completeness import Level, Report
from modeltrail_server.queries.records import (
    Answer,
    Claimed,
    Code,
    CommitView,
    DatasetVersionView,
    JobView,
    Lifecycle,
    MetricCurve,
    ModelVersionView,
    RunLine,
    RunView,
    Step,
    Use,
    Words,
)

MAX_VALUES = 18
MAX_COMMAND_CHARACTERS = 200
LEVEL_STYLES = {
    Level.CONTRADICTING: "bold red",
    Level.RETRACTED: "bold red",
    Level.MISSING: "red",
    Level.WEAK: "yellow",
    Level.OK: "green",
}


def render_answer(view: Answer, report: Report | None, *, width: int, everything: bool = False) -> list[Text]:
    """Return ``view`` in lines of about ``width`` columns; ids and digests stay whole. ``report`` adds one line.

    Without ``everything``, at most 18 parameters and metrics are shown, and it is said how many more there are.
    """
    limit = 10**9 if everything else MAX_VALUES
    if isinstance(view, ModelVersionView):
        lines = _model(view, width, limit)
    elif isinstance(view, RunView):
        lines = [_run_heading(view), *run_lines(view, width=width, limit=limit)]
    elif isinstance(view, DatasetVersionView):
        lines = _dataset(view, width)
    elif isinstance(view, JobView):
        lines = _job(view, width)
    else:
        lines = _commit(view, width)
    return [*lines, *([_check_line(report)] if report else [])]


def run_lines(run: RunView, *, width: int, limit: int = MAX_VALUES) -> list[Text]:
    """Return the lines on a run's data, code, parameters, metrics, environment and outcome."""
    lines: list[Text] = []
    if run.nominal:
        lines += labelled("nominal", [span(run.nominal.start_ns, run.nominal.end_ns)], width=width)
    for index, use in enumerate(run.inputs):
        lines += labelled("data" if index == 0 else "", use_parts(use), width=width)
    for code in run.codes:
        lines += labelled("code", _code_parts(code), width=width)
    if run.parameters:
        lines += labelled("params", _some([_claimed(item) for item in run.parameters], limit), width=width)
    for query in dict.fromkeys(use.query for use in run.inputs if use.query):
        lines += labelled("query", [printable(" ".join(query.split()))], width=width)
    if run.metrics:
        lines += _metrics(run, width, limit)
    if run.seeds:
        lines += labelled("seeds", [_claimed(item) for item in run.seeds], width=width)
    lines += _environment(run, width)
    if run.command:
        command = printable(" ".join(run.command))
        lines += labelled("command", [command[:MAX_COMMAND_CHARACTERS]], width=width)
    if run.outputs:
        for index, use in enumerate(run.outputs):
            lines += labelled("made" if index == 0 else "", use_parts(use), width=width)
    for index, part in enumerate(run.parts):
        lines += labelled("parts" if index == 0 else "", _run_line_parts(part), width=width)
    if run.error:
        lines += labelled(
            "error", [(printable(run.error.type), "bold red"), printable(run.error.message)], width=width
        )
    if run.tags:
        lines += labelled(
            "tags", [f"{printable(key)}={printable(value)}" for key, value in run.tags.items()], width=width
        )
    for trouble in run.troubles[:limit]:
        lines += labelled("ranks", [(printable(trouble.what), "yellow")], width=width)
    for gap in run.gaps:
        lines += labelled(
            "gap", [(f"{counted(gap.lost_events, 'event')} lost: {printable(gap.reason)}", "yellow")], width=width
        )
    for note in run.notes:
        lines += labelled("note", _step_parts(note), width=width)
    if run.redactions:
        values = counted(run.redactions, "value was", "values were")
        lines += labelled("secrets", [f"{values} redacted before recording"], width=width)
    return lines


def use_parts(use: Use) -> list[Part]:
    """Return what is known of a version, in a line's parts."""
    parts: list[Part] = [Text(name(use.entity), style="bold")]
    if not use.version_known:
        parts.append(("version not recorded", "red"))
    elif use.strength:
        parts.append(f"({use.strength})")
    parts += [f"= {name(use.meant)} then"] if use.meant else []
    parts += [printable(role) for role in use.roles]
    if use.rows is not None:
        parts.append(count(use.rows, "row"))
    if use.bytes is not None:
        parts.append(size(use.bytes))
    if use.format and use.entity.kind == "model":
        parts.append(printable(use.format))
    if len(use.digests) > 1:
        parts.append((f"{len(use.digests)} different digests", "bold red"))
    if use.retracted:
        parts.append(
            Text("RETRACTED" + (f": {printable(use.retracted.why)}" if use.retracted.why else ""), "bold red")
        )
    return parts


def _model(view: ModelVersionView, width: int, limit: int) -> list[Text]:
    heading = [Text(name(view.model), style="bold"), *_standing(view.lifecycle)]
    if view.words.owners:
        heading.append(Text(f"owner {', '.join(map(printable, view.words.owners))}"))
    lines = [Text("  ").join(heading), *_text(view.words, width)]
    if not view.model.version:
        lines.append(line(("no version of it is recorded", "yellow")))
    lines += _model_detail(view.detail, width)
    for run in view.made_by:
        others = tuple(use for use in run.outputs if use.entity != view.model)
        lines += labelled("run", _run_parts(run), width=width)
        lines += run_lines(replace(run, outputs=others), width=width, limit=limit)
    for index, step in enumerate(view.lifecycle.steps):
        told = [f"{step.type.lower()} {printable(step.value)}".strip(), *_step_parts(replace(step, value=""))]
        lines += labelled("steps" if index == 0 else "", told, width=width)
    for note in view.words.notes:
        lines += labelled("note", _step_parts(note), width=width)
    for index, again in enumerate(view.reproduced_by):
        lines += labelled("again" if index == 0 else "", ["made again by", *_run_line_parts(again)], width=width)
    if view.used_by:
        lines += labelled("used by", [counted(view.used_by, "run")], width=width)
    return lines


def _model_detail(detail: Use | None, width: int) -> list[Text]:
    if detail is None:
        return []
    lines = [text for digest in detail.digests for text in labelled("digest", [printable(digest)], width=width)]
    parts: list[Part] = [printable(part) for part in (detail.format, detail.location) if part]
    if detail.bytes is not None:
        parts.append(size(detail.bytes))
    if parts:
        lines += labelled("file", parts, width=width)
    if detail.base:
        lines += labelled("base", [name(detail.base)], width=width)
    return lines


def _dataset(view: DatasetVersionView, width: int) -> list[Text]:
    use = view.detail or Use(view.dataset)
    heading = use_parts(replace(use, retracted=view.retracted, entity=view.dataset))
    if view.words.owners:
        heading.append(f"owner {', '.join(map(printable, view.words.owners))}")
    lines = [*labelled_heading(heading), *_text(view.words, width)]
    lines += labelled("also", [name(other) for other in view.also_called], width=width) if view.also_called else []
    for digest in use.digests:
        lines += labelled("digest", [printable(digest)], width=width)
    where: list[Part] = [printable(part) for part in (use.format, use.location, use.provider) if part]
    lines += labelled("where", where, width=width) if where else []
    if use.columns:
        columns: list[Part] = [
            f"{printable(column)} {printable(kind)}".strip() for column, kind in use.columns.items()
        ]
        lines += labelled("columns", columns, width=width)
    lines += labelled("query", [printable(use.query)], width=width) if use.query else []
    for made in view.made_by:
        lines += labelled("made by", _run_line_parts(made), width=width)
    for index, run in enumerate(view.last_used_by):
        lines += labelled("used by" if index == 0 else "", _run_line_parts(run), width=width)
    if view.used_by > len(view.last_used_by):
        lines += labelled("", [f"({counted(view.used_by, 'run')} in all)"], width=width)
    if view.other_versions:
        others: list[Part] = [name(other) for other in view.other_versions]
        lines += labelled("others", others, width=width)
    for note in view.words.notes:
        lines += labelled("note", _step_parts(note), width=width)
    return lines


def _job(view: JobView, width: int) -> list[Text]:
    owners = f"owner {', '.join(map(printable, view.words.owners))}" if view.words.owners else ""
    lines = [*labelled_heading([Text(name(view.job), style="bold"), *([owners] if owners else [])])]
    lines += _text(view.words, width)
    for label, refs in (("reads", view.inputs), ("writes", view.outputs)):
        lines += labelled(label, [name(ref) for ref in refs], width=width) if refs else []
    for index, run in enumerate(view.last_runs):
        lines += labelled("runs" if index == 0 else "", _run_line_parts(replace(run, job=NO_ENTITY)), width=width)
    return lines


def _commit(view: CommitView, width: int) -> list[Text]:
    lines = [line("commit ", (view.commit.name, "bold"))]
    for index, run in enumerate(view.last_runs):
        lines += labelled("runs" if index == 0 else "", _run_line_parts(run), width=width)
    return lines


def labelled_heading(parts: Sequence[Part]) -> list[Text]:
    """Return the parts of a heading in one line, however long."""
    return [Text("  ").join(part if isinstance(part, Text) else Text.assemble(part) for part in parts)]


def _text(words: Words, width: int) -> list[Text]:
    return [Text(text) for text in wrapped(printable(words.text.replace("\n", " ")), width=width)]


def _standing(lifecycle: Lifecycle) -> list[Text]:
    """Return the words on where a version stands, most telling first."""
    words = [Text(printable(step.value), style="bold green") for step in lifecycle.aliases]
    words += [Text(f"deployed {printable(step.value)}".strip(), style="green") for step in lifecycle.deployed]
    words += [Text(printable(lifecycle.stage.value))] if lifecycle.stage else []
    words += [Text("approved", style="green")] if lifecycle.approved else []
    return [*words, *([Text("RETIRED", style="bold red")] if lifecycle.retired else [])]


def _step_parts(step: Step) -> list[Part]:
    who = (
        f"by {printable(step.by)}" + (f" ({printable(step.assurance)})" if step.assurance else "") if step.by else ""
    )
    parts: list[Part] = [part for part in (printable(step.value), printable(step.text), who) if part]
    parts.append((when(step.time_ns), "dim"))
    return [*parts, printable(step.why)] if step.why else parts


def _run_heading(run: RunView) -> Text:
    return labelled_heading(_run_parts(run))[0]


def _run_parts(run: RunView) -> list[Part]:
    shown = state(run.state)
    if run.state_inferred:
        shown.append(" (inferred)")
    parts: list[Part] = [Text(printable(run.run_id), style="bold"), shown, (when(run.started_ns), "dim")]
    if run.duration_seconds is not None:
        parts.append(duration(run.duration_seconds))
    parts += [f"job {name(run.job)}"] if run.job.name else []
    parts += [f"parent {short_run(run.parent_run_id)}"] if run.parent_run_id else []
    parts += [f"{run.ranks} ranks"] if run.ranks > 1 else []
    return [*parts, f"imported from {printable(run.imported_from)}"] if run.imported_from else parts


def _run_line_parts(run: RunLine) -> list[Part]:
    if not run.run_id:
        return [f"job {name(run.job)}"]
    parts: list[Part] = [printable(run.run_id), state(run.state), (when(run.started_ns), "dim")]
    return [*parts, name(run.job)] if run.job.name else parts


def _code_parts(code: Code) -> list[Part]:
    parts: list[Part] = [printable(code.commit or "no commit")]
    if code.dirty:
        kept = (
            "diff kept"
            if code.diff_kept and not code.diff_truncated
            else "diff cut off"
            if code.diff_kept
            else "no diff"
        )
        parts.append((f"dirty, {kept}", "yellow"))
    parts += [(f"{len(code.untracked)} untracked", "yellow")] if code.untracked else []
    parts += [printable(part) for part in (code.branch, code.entry_point, code.repository) if part]
    return parts


def _claimed(item: Claimed) -> Part:
    shown = f"{printable(item.name)} {value_text(item.value)}"
    if item.contradicting:
        said = " ≠ ".join(f"{value_text(claim.value)} (rank {claim.rank})" for claim in item.standing)
        return f"{printable(item.name)} {said}", "bold red"
    if len(item.standing) < len(item.claims):
        return f"{shown} (corrected, was {value_text(item.claims[0].value)})"
    return shown


def _metrics(run: RunView, width: int, limit: int) -> list[Text]:
    """Return the metrics, those on one dataset together."""
    lines: list[Text] = []
    by_dataset: dict[EntityRef, list[Part]] = {}
    for curve in run.metrics:
        by_dataset.setdefault(curve.dataset, []).append(_metric(curve, run))
    for index, (dataset, parts) in enumerate(by_dataset.items()):
        shown = [*_some(parts, limit), *([f"on {name(dataset)}"] if dataset.name else [])]
        lines += labelled("metrics" if index == 0 else "", shown, width=width)
    return lines


def _metric(curve: MetricCurve, run: RunView) -> Part:
    shown = f"{printable(curve.name)} {number(curve.value)}"
    if curve.steps > 1:
        shown += f" ({curve.steps} steps, {number(curve.minimum)} to {number(curve.maximum)})"
    return f"{shown} rank {curve.rank}" if run.ranks > 1 else shown


def _environment(run: RunView, width: int) -> list[Text]:
    environment = run.environment
    if environment is None:
        return []
    system = " ".join(part for part in (environment.os, environment.machine) if part)
    parts: list[Part] = [f"Python {environment.python}"] if environment.python else []
    parts += [printable(part) for part in (system, environment.container_image) if part]
    parts += [counted(len(environment.packages), "package")] if environment.packages else []
    parts += [printable(accelerator) for accelerator in environment.accelerators]
    lines = labelled("env", [*parts, (printable(environment.digest), "dim")], width=width)
    for other in run.other_environments:
        lines += labelled("", [(f"another rank: {printable(other)}", "bold red")], width=width)
    return lines


def _some(parts: Sequence[Part], limit: int) -> list[Part]:
    hidden = len(parts) - limit
    return [*parts[:limit], (f"(+{hidden})", "dim")] if hidden > 0 else list(parts)


def _check_line(report: Report) -> Text:
    counts = [(level, report.count(level)) for level in Level if level != Level.OK and report.count(level)]
    label = ("check".ljust(LABEL_WIDTH), "dim")
    if not counts:
        return line(label, ("all there", "green"))
    words = [Text(f"{count} {level.lower()}", style=LEVEL_STYLES[level]) for level, count in counts]
    return Text.assemble(label, Text(", ").join(words))
