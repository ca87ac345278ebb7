"""The commands that answer: lists, show, history, lineage, compare. Each asks, renders, sets the exit code."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.text import Text

from modeltrail_server.cli.context import command_context
from modeltrail_server.cli.options import AsJson
from modeltrail_server.cli.printing import say
from modeltrail_server.cli.rendering.comparison import render_comparison
from modeltrail_server.cli.rendering.history import render_history
from modeltrail_server.cli.rendering.html.pages import compare_page, show_page
from modeltrail_server.cli.rendering.lineage import render_lineage
from modeltrail_server.cli.rendering.listing import render_datasets, render_jobs, render_models, render_runs
from modeltrail_server.cli.rendering.show import render_answer
from modeltrail_server.cli.times import parse_as_of, parse_time_ns
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.checking import check_subject
from modeltrail_server.queries.comparison import MAX_SUBJECTS
from modeltrail_server.queries.comparison import compare as side_by_side
from modeltrail_server.queries.graph import Direction
from modeltrail_server.queries.history import MAX_VERSIONS
from modeltrail_server.queries.history import history as tell
from modeltrail_server.queries.lineage import MAX_NODES, MAX_STEPS
from modeltrail_server.queries.lineage import lineage as trace
from modeltrail_server.queries.listing import (
    PAGE_ROWS,
    Page,
    list_datasets,
    list_jobs,
    list_models,
    list_runs,
)
from modeltrail_server.queries.names import latest_version, resolve
from modeltrail_server.queries.records import Answer, ModelVersionView, RunView
from modeltrail_server.queries.snapshot import Snapshot

AsOfTime = Annotated[
    str | None, typer.Option("--as-of", help="What was recorded by then: 2026-03-03, 3d, or a position like 0:412.")
]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one HTML page, to be shared.")]
T = TypeVar("T")
app = typer.Typer()

Name = Annotated[
    str, typer.Argument(help="model:NS/NAME@VERSION|ALIAS, run:ID, dataset:…, job:…, commit:SHA, or a name")
]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]
PageToken = Annotated[str | None, typer.Option(help="Go on where the last page ended.")]


@app.command()
def runs(
    context: typer.Context,
    job: Annotated[str | None, typer.Option(help="Only those of this job.")] = None,
    state: Annotated[str, typer.Option(help="Only those in this state: RUNNING, COMPLETE, FAIL, ABORT.")] = "",
    since: Annotated[str | None, typer.Option(help="Only those that began since: 2026-03-03, 3d, 12h.")] = None,
    limit: Limit = PAGE_ROWS,
    page: PageToken = None,
    as_json: AsJson = False,
) -> None:
    """List runs, the last to begin first."""
    command = command_context(context)
    since_ns = parse_time_ns(since) if since else None
    with command.snapshot() as snapshot:
        job_key = resolve(snapshot, job, kinds=("job",)).key if job else None
        found = list_runs(snapshot, job_key=job_key, state=state.upper(), since_ns=since_ns, limit=limit, page=page)
    narrowed = " ".join(word for word in (state.upper(), job and f"of {job}", since and f"since {since}") if word)
    lines = render_runs(found) or [
        Text(f"no runs {narrowed}".strip() + (f"; more: --page {found.next}" if found.next else ""))
    ]
    command.print_answer(found, lines, as_json=as_json)


@app.command()
def models(context: typer.Context, limit: Limit = PAGE_ROWS, page: PageToken = None, as_json: AsJson = False) -> None:
    """List models: the latest version, aliases, and which version is deployed where."""
    _print_list(context, partial(list_models, limit=limit, page=page), render_models, "models", as_json=as_json)


@app.command()
def datasets(
    context: typer.Context, limit: Limit = PAGE_ROWS, page: PageToken = None, as_json: AsJson = False
) -> None:
    """List datasets: the latest version, and whether some version was retracted."""
    _print_list(context, partial(list_datasets, limit=limit, page=page), render_datasets, "datasets", as_json=as_json)


@app.command()
def jobs(context: typer.Context, limit: Limit = PAGE_ROWS, page: PageToken = None, as_json: AsJson = False) -> None:
    """List jobs, each with the run of it that began last."""
    _print_list(context, partial(list_jobs, limit=limit, page=page), render_jobs, "jobs", as_json=as_json)


@app.command()
def show(
    context: typer.Context,
    name: Name,
    everything: Annotated[bool, typer.Option("--all", help="Show every parameter and metric.")] = False,
    html: HtmlFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what is recorded of a model version, run, dataset, job or commit."""
    command = command_context(context)
    with command.snapshot() as snapshot:
        subject = latest_version(snapshot, resolve(snapshot, name))
        view = answer(snapshot, subject)
        report = check_subject(snapshot, subject, view=view)
        graph = (
            trace(snapshot, subject, Direction.BOTH if subject.kind != "model" else Direction.UP) if html else None
        )
    lines = render_answer(view, report, width=command.width, everything=everything)
    if html and graph:
        _write_page(html, show_page(view, report, graph, lines))
        return
    command.print_answer(view, lines, as_json=as_json)


@app.command()
def history(
    context: typer.Context,
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many versions, the last ones.")] = MAX_VERSIONS,
    everything: Annotated[bool, typer.Option("--all", help="Show every change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell how a model or dataset changed from version to version, or the events of a run."""
    command = command_context(context)
    with command.snapshot() as snapshot:
        found = tell(snapshot, resolve(snapshot, name, kinds=("model", "dataset", "run")), max_versions=limit)
    command.print_answer(found, render_history(found, width=command.width, everything=everything), as_json=as_json)


@app.command()
def compare(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(help="Two or more runs or model versions.")],
    everything: Annotated[bool, typer.Option("--all", help="Show what is equal too.")] = False,
    html: HtmlFile = None,
    as_json: AsJson = False,
) -> None:
    """Set runs or model versions side by side: metrics, parameters, data, code, environment."""
    if not 2 <= len(names) <= MAX_SUBJECTS:
        raise typer.BadParameter(f"name two to {MAX_SUBJECTS} runs or model versions")
    command = command_context(context)
    with command.snapshot() as snapshot:
        subjects = [latest_version(snapshot, resolve(snapshot, name, kinds=("model", "run"))) for name in names]
        views = [answer(snapshot, subject) for subject in subjects]
        graphs = [trace(snapshot, subject) for subject in subjects] if html else []
    comparison = side_by_side([view for view in views if isinstance(view, RunView | ModelVersionView)])
    if html:
        _write_page(html, compare_page(comparison, graphs, [_about(view) for view in views]))
        return
    shown = comparison if everything else replace(comparison, rows=comparison.differences)
    command.print_answer(
        shown, render_comparison(comparison, width=command.width, everything=everything), as_json=as_json
    )


@app.command()
def lineage(
    context: typer.Context,
    name: Name,
    up: Annotated[bool, typer.Option("--up", help="What it came from. The default.")] = False,
    down: Annotated[bool, typer.Option("--down", help="What came of it.")] = False,
    depth: Annotated[int, typer.Option(min=1, max=MAX_STEPS, help="How many runs far.")] = MAX_STEPS,
    nodes: Annotated[int, typer.Option(min=1, max=100_000, help="How many nodes at most.")] = MAX_NODES,
    as_of: AsOfTime = None,
    as_json: AsJson = False,
) -> None:
    """Draw what a model version, dataset, run, job or commit came from, and what came of it."""
    command = command_context(context)
    direction = Direction.BOTH if up and down else Direction.DOWN if down else Direction.UP
    with command.snapshot(parse_as_of(as_of) if as_of else None) as snapshot:
        graph = trace(snapshot, resolve(snapshot, name), direction, steps=depth, max_nodes=nodes)
    command.print_answer(graph, render_lineage(graph, width=command.width), as_json=as_json)


def _about(view: Answer) -> str:
    """Return owners and description of a version or run, in a line."""
    if isinstance(view, RunView):
        owners, described = view.owners, view.description
    elif isinstance(view, ModelVersionView):
        owners, described = view.words.owners, view.words.text
    else:
        return ""
    return ". ".join(
        part for part in (f"owner {', '.join(owners)}" if owners else "", " ".join(described.split())) if part
    )


def _write_page(file: Path, markup: str) -> None:
    file.write_text(markup, encoding="utf-8")
    say(f"written: {file}")


def _print_list(
    context: typer.Context,
    fetch: Callable[[Snapshot], Page[T]],
    render: Callable[[Page[T]], list[Text]],
    what: str,
    *,
    as_json: bool,
) -> None:
    command = command_context(context)
    with command.snapshot() as snapshot:
        page = fetch(snapshot)
    command.print_answer(page, render(page) or [Text(f"no {what} yet")], as_json=as_json)
