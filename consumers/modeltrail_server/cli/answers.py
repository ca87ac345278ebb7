"""The command that shows one thing: asks, renders, writes the page."""

from typing import Annotated

import typer

from modeltrail_server.cli.context import command_context
from modeltrail_server.cli.options import AsJson, AsOfTime, AtTime, HtmlFile
from modeltrail_server.cli.printing import write_page
from modeltrail_server.cli.rendering.show import render_answer
from modeltrail_server.cli.times import parse_bounds
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.checking import check_subject
from modeltrail_server.queries.graph import Direction
from modeltrail_server.queries.lineage import lineage as trace
from modeltrail_server.queries.names import latest_version, resolve

app = typer.Typer()

Name = Annotated[
    str, typer.Argument(help="model:NS/NAME@VERSION|ALIAS, run:ID, dataset:…, job:…, commit:SHA, or a name")
]


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
        from modeltrail_server.cli.rendering.html.pages import show_page

        write_page(html, show_page(view, report, graph, lines))
        return
    command.print_answer(view, lines, as_json=as_json)
