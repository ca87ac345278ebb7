"""The commands that list: runs, models, datasets, jobs. Each asks, renders."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

import typer
from rich.text import Text

from modeltrail_server.cli.context import command_context
from modeltrail_server.cli.options import AsJson, AsOfTime, AtTime, PageToken
from modeltrail_server.cli.rendering.listing import render_datasets, render_jobs, render_models, render_runs
from modeltrail_server.cli.times import parse_bounds, parse_time_ns
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.listing import (
    PAGE_ROWS,
    Page,
    list_datasets,
    list_jobs,
    list_models,
    list_runs,
)
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.snapshot import Snapshot

T = TypeVar("T")
app = typer.Typer()

Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]


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
