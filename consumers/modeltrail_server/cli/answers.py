"""The commands that answer: lists, show, compare. Each asks, renders, sets the exit code."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.text import Text

from modeltrail_server.cli.context import command_context
from modeltrail_server.cli.options import AsJson, AsOfTime, AtTime
from modeltrail_server.cli.printing import say
from modeltrail_server.cli.rendering.comparison import render_comparison
from modeltrail_server.cli.rendering.html.pages import compare_page, show_page
from modeltrail_server.cli.rendering.listing import render_datasets, render_jobs, render_models, render_runs
from modeltrail_server.cli.rendering.show import render_answer
from modeltrail_server.cli.times import parse_bounds, parse_time_ns
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.checking import check_subject
from modeltrail_server.queries.comparison import MAX_SUBJECTS
from modeltrail_server.queries.comparison import compare as side_by_side
from modeltrail_server.queries.graph import Direction
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
from modeltrail_server.reproduction.commits import with_commits

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
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """List runs, the last to begin first."""
    command = command_context(context)
    since_ns = parse_time_ns(since) if since else None
    with command.snapshot(parse_bounds(as_of, at)) as snapshot:
        job_key = resolve(snapshot, job, kinds=("job",)).key if job else None
        found = list_runs(snapshot, job_key=job_key, state=state.upper(), since_ns=since_ns, limit=limit, page=page)
    narrowed = " ".join(word for word in (state.upper(), job and f"of {job}", since and f"since {since}") if word)
    lines = render_runs(found, width=command.width) or [
        Text(f"no runs {narrowed}".strip() + (f"; more: --page {found.next}" if found.next else ""))
    ]
    command.print_answer(found, lines, as_json=as_json)


@app.command()
def models(
    context: typer.Context,
    limit: Limit = PAGE_ROWS,
    page: PageToken = None,
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """List models: the latest version, aliases, and which version is deployed where."""
    fetch = partial(list_models, limit=limit, page=page)
    _print_list(context, fetch, render_models, "models", parse_bounds(as_of, at), as_json=as_json)


@app.command()
def datasets(
    context: typer.Context,
    limit: Limit = PAGE_ROWS,
    page: PageToken = None,
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """List datasets: the latest version, and whether some version was retracted."""
    fetch = partial(list_datasets, limit=limit, page=page)
    _print_list(context, fetch, render_datasets, "datasets", parse_bounds(as_of, at), as_json=as_json)


@app.command()
def jobs(
    context: typer.Context,
    limit: Limit = PAGE_ROWS,
    page: PageToken = None,
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, each with the run of it that began last."""
    fetch = partial(list_jobs, limit=limit, page=page)
    _print_list(context, fetch, render_jobs, "jobs", parse_bounds(as_of, at), as_json=as_json)


@app.command()
def show(
    context: typer.Context,
    name: Name,
    everything: Annotated[bool, typer.Option("--all", help="Show every parameter and metric.")] = False,
    as_of: AsOfTime = None,
    at: AtTime = None,
    html: HtmlFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what is recorded of a model version, run, dataset, job or commit."""
    command = command_context(context)
    with command.snapshot(parse_bounds(as_of, at)) as snapshot:
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
def compare(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(help="Two or more runs or model versions.")],
    everything: Annotated[bool, typer.Option("--all", help="Show what is equal too.")] = False,
    repository: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A clone of the code [default: the one around here]")
    ] = None,
    as_of: AsOfTime = None,
    at: AtTime = None,
    html: HtmlFile = None,
    as_json: AsJson = False,
) -> None:
    """Set runs or model versions side by side: metrics, parameters, data, code, environment.

    Where a clone of the code is at hand, the commits between are listed too.
    """
    if not 2 <= len(names) <= MAX_SUBJECTS:
        raise typer.BadParameter(f"name two to {MAX_SUBJECTS} runs or model versions")
    command = command_context(context)
    with command.snapshot(parse_bounds(as_of, at)) as snapshot:
        subjects = [latest_version(snapshot, resolve(snapshot, name, kinds=("model", "run"))) for name in names]
        views = [answer(snapshot, subject) for subject in subjects]
        graphs = [trace(snapshot, subject) for subject in subjects] if html else []
    comparison = side_by_side([view for view in views if isinstance(view, RunView | ModelVersionView)])
    comparison = with_commits(comparison, repository or Path.cwd())
    if html:
        _write_page(html, compare_page(comparison, graphs, [_about(view) for view in views]))
        return
    shown = comparison if everything else replace(comparison, rows=comparison.differences)
    lines = render_comparison(comparison, width=command.width, everything=everything)
    command.print_answer(shown, lines, as_json=as_json)


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
    render: Callable[..., list[Text]],
    what: str,
    bounds: AsOf | None,
    *,
    as_json: bool,
) -> None:
    command = command_context(context)
    with command.snapshot(bounds) as snapshot:
        page = fetch(snapshot)
    nothing = Text(f"no {what} {'then' if bounds else 'yet'}")
    command.print_answer(page, render(page, width=command.width) or [nothing], as_json=as_json)
