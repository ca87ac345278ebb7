"""The command that searches: brings the index up to date, asks it, renders."""

from typing import Annotated

import typer
from modeltrail.log.opening import open_log
from rich.text import Text

from modeltrail_server.cli.context import CommandContext, command_context
from modeltrail_server.cli.options import EXIT_NO, AsJson
from modeltrail_server.cli.printing import say
from modeltrail_server.cli.rendering.searching import render_found, render_mentioned
from modeltrail_server.errors import DatabaseUrlError
from modeltrail_server.queries.errors import EmptyDatabaseError
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.search.expression import ATTRIBUTES, is_word, parse_expression
from modeltrail_server.search.finding import DEFAULT_LIMIT, MAX_LIMIT, find, index_is_empty, parse_ordering
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
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="How many runs at most.")] = DEFAULT_LIMIT,
    everything: Annotated[bool, typer.Option("--all", help="Show each run of a sweep on a line of its own.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find runs by an expression, or models, datasets, jobs and commits by a word. Exit 1 when nothing is found.

    A run has metrics.X, params.X and tags.X, and of itself: state, job, started, commit, model, dataset, run.
    """
    command = command_context(context)
    if is_word(expression):
        with command.snapshot() as snapshot:
            mentioned = find_word(snapshot, expression)
        nothing = Text(f"nothing has {expression!r} in its name, or an owner of that name")
        command.print_answer(
            mentioned, render_mentioned(mentioned, width=command.width) or [nothing], as_json=as_json
        )
        if not mentioned:
            raise typer.Exit(EXIT_NO)
        return
    parse_expression(expression)
    ordering = parse_ordering(order_by) if order_by else None
    _bring_up_to_date(command)
    with command.snapshot() as snapshot:
        found = find(snapshot, expression, ordering=ordering, limit=limit)
        nothing = Text("" if found.hits else _why_nothing(snapshot, expression))
    command.print_answer(
        found, render_found(found, folded=not everything, width=command.width) or [nothing], as_json=as_json
    )
    if not found.hits:
        raise typer.Exit(EXIT_NO)


def _bring_up_to_date(command: CommandContext) -> None:
    with command.read_model() as engine:
        try:
            log = open_log(command.config.log, options=command.config.log_options, create=False)
        except Exception as error:  # noqa: BLE001 - what is indexed already can be searched without the log
            say(f"searching what was indexed before: {error}")
            return
        with log:
            try:
                catch_up(log, engine)
            except DatabaseUrlError as error:
                say(f"searching what was indexed before: {error}")


def _why_nothing(snapshot: Snapshot, expression: str) -> str:
    if snapshot.is_empty():
        raise EmptyDatabaseError
    if index_is_empty(snapshot):
        return "no run has recorded parameters, metrics or tags yet: run.log_params, run.log_metrics, run.set_tags"
    return f"no run satisfies {expression!r}; a run has metrics.X, params.X, tags.X, {', '.join(ATTRIBUTES)}"
