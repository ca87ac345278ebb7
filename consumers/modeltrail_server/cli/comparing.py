"""The command that sets runs or model versions side by side: asks, renders, writes the page."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from modeltrail_server.cli.context import command_context
from modeltrail_server.cli.options import AsJson, AsOfTime, AtTime, HtmlFile
from modeltrail_server.cli.printing import write_page
from modeltrail_server.cli.rendering.comparison import render_comparison
from modeltrail_server.cli.times import parse_bounds
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.comparison import MAX_SUBJECTS
from modeltrail_server.queries.comparison import compare as side_by_side
from modeltrail_server.queries.lineage import lineage as trace
from modeltrail_server.queries.names import latest_version, resolve
from modeltrail_server.queries.records import Answer, ModelVersionView, RunView
from modeltrail_server.reproduction.commits import with_commits

app = typer.Typer()


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
        from modeltrail_server.cli.rendering.html.pages import compare_page

        write_page(html, compare_page(comparison, graphs, [_about(view) for view in views]))
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
