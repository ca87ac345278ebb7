"""The command that searches: brings the index up to date, asks it, renders."""

from dataclasses import replace
from typing import Annotated

import typer
from rich.text import Text

from modeltrail_server.cli.context import CommandContext, command_context
from modeltrail_server.cli.options import EXIT_NO, AsJson, AsOfTime, AtTime
from modeltrail_server.cli.printing import say
from modeltrail_server.cli.rendering.searching import render_found, render_mentioned, render_nothing
from modeltrail_server.cli.times import parse_bounds
from modeltrail_server.errors import DatabaseUrlError
from modeltrail_server.queries.errors import EmptyDatabaseError
from modeltrail_server.search.expression import is_word, parse_expression
from modeltrail_server.search.finding import DEFAULT_LIMIT, MAX_LIMIT, find, parse_ordering
from modeltrail_server.search.hints import hints
from modeltrail_server.search.indexing import catch_up
from modeltrail_server.search.words import find_word

app = typer.Typer()


@app.command()
def search(
    context: typer.Context,
    expression: Annotated[
        str, typer.Argument(help="metrics.auc > 0.9 and params.lr = '0.1' and state = 'COMPLETE'; or one word")
    ],
    order_by: Annotated[
        str | None, typer.Option(metavar="METRIC", help="metrics.NAME [asc|desc]: best first.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="How many lines at most.")] = DEFAULT_LIMIT,
    everything: Annotated[bool, typer.Option("--all", help="Show each run of a sweep on a line of its own.")] = False,
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """Find runs by an expression, or models, datasets, jobs and commits by a word. Exit 1 when nothing is found.

    A run has metrics.X, params.X and tags.X, and of itself: state, job, name, owner, user, started, ended, duration,
    commit, model, dataset, run, parent.
    """
    command, bounds = command_context(context), parse_bounds(as_of, at)
    if is_word(expression):
        with command.snapshot(bounds) as snapshot:
            mentioned = find_word(snapshot, expression)
        nothing = Text(f"nothing {'had' if bounds else 'has'} {expression!r} in its name, or an owner of that name")
        lines = render_mentioned(mentioned, width=command.width) or [nothing]
        command.print_answer(mentioned, lines, as_json=as_json)
        if not mentioned:
            raise typer.Exit(EXIT_NO)
        return
    parse_expression(expression)
    ordering = parse_ordering(order_by) if order_by else None
    _bring_up_to_date(command)
    with command.snapshot(bounds) as snapshot:
        # A line may be a sweep of many runs.
        most = limit if everything or as_json else MAX_LIMIT
        found = find(snapshot, expression, ordering=ordering, limit=most)
        if not found.hits and snapshot.is_empty():
            raise EmptyDatabaseError
        if not found.hits and bounds is None:
            found = replace(found, hints=hints(snapshot, expression))
    lines = render_found(found, folded=not everything, width=command.width, limit=limit)
    lines = lines or render_nothing(found, expression, width=command.width, then=bounds is not None)
    command.print_answer(found, lines, as_json=as_json)
    if not found.hits:
        raise typer.Exit(EXIT_NO)


def _bring_up_to_date(command: CommandContext) -> None:
    with command.read_model() as engine:
        try:
            log = command.open_log()
        except Exception as error:  # noqa: BLE001 - what is indexed already can be searched without the log
            say(f"searching what was indexed before: {error}")
            return
        with log:
            try:
                catch_up(log, engine)
            except DatabaseUrlError as error:
                say(f"searching what was indexed before: {error}")
