"""The commands about time: how a thing came to be, who held an alias on a day, what is new since a time."""

from typing import Annotated

import typer
from modeltrail_schemas.errors import ModeltrailError

from modeltrail_server.cli.context import CommandContext, command_context
from modeltrail_server.cli.options import EXIT_NO, AsJson, AsOfTime, AtTime
from modeltrail_server.cli.rendering.changes import render_changes, render_holdings
from modeltrail_server.cli.rendering.history import render_history
from modeltrail_server.cli.times import parse_bounds, parse_day_ns, parse_time_ns
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.changes import MAX_RECORDS, changes_since
from modeltrail_server.queries.history import MAX_VERSIONS
from modeltrail_server.queries.history import history as tell
from modeltrail_server.queries.holdings import holdings_on
from modeltrail_server.queries.names import resolve

NS_PER_MS = 1_000_000
app = typer.Typer()


@app.command()
def history(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="model:NS/NAME, dataset:NS/NAME, run:ID, or a name")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many versions, the last ones.")] = MAX_VERSIONS,
    everything: Annotated[bool, typer.Option("--all", help="Show every change.")] = False,
    on: Annotated[
        str | None, typer.Option(help="Of a model: which versions had its aliases and were deployed on that day.")
    ] = None,
    alias: Annotated[str, typer.Option(help="With --on: this alias or stage alone.")] = "",
    target: Annotated[str, typer.Option(help="With --on: what was deployed there alone.")] = "",
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """Tell how a model or dataset changed from version to version, or the events of a run."""
    command = command_context(context)
    bounds = parse_bounds(as_of, at)
    if on is not None:
        _on_a_day(command, name, on, alias, target, bounds, as_json=as_json)
        return
    if alias or target:
        raise ModeltrailError("--alias and --target need a day", remedy="add --on 2026-03-03")
    with command.snapshot(bounds) as snapshot:
        found = tell(snapshot, resolve(snapshot, name, kinds=("model", "dataset", "run")), max_versions=limit)
    command.print_answer(found, render_history(found, width=command.width, everything=everything), as_json=as_json)


@app.command(name="what-changed")
def what_changed(
    context: typer.Context,
    since: Annotated[str, typer.Option(help="2026-03-03, 2026-03-03T14:05:00Z, or how long ago: 12h, 3d.")],
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many events are looked at.")] = MAX_RECORDS,
    everything: Annotated[bool, typer.Option("--all", help="Show all of each.")] = False,
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """Tell what was recorded since a time: versions, lifecycle, retractions, corrections, failed runs."""
    command = command_context(context)
    with command.snapshot(parse_bounds(as_of, at)) as snapshot:
        found = changes_since(snapshot, parse_time_ns(since) // NS_PER_MS, limit=limit)
    command.print_answer(found, render_changes(found, width=command.width, everything=everything), as_json=as_json)


def _on_a_day(
    command: CommandContext, name: str, day: str, alias: str, target: str, bounds: AsOf | None, *, as_json: bool
) -> None:
    """Print who held what on a day. Exit 1 when nobody did."""
    since_ns, until_ns = parse_day_ns(day)
    with command.snapshot(bounds) as snapshot:
        model = resolve(snapshot, name, kinds=("model",)).ref.unversioned
        kind, word = ("target", target) if target else ("", alias)
        found = holdings_on(snapshot, model, since_ns, until_ns, kind=kind, word=word)
    command.print_answer(found, render_holdings(found, width=command.width, asked=word), as_json=as_json)
    if not found.holdings:
        raise typer.Exit(EXIT_NO)
