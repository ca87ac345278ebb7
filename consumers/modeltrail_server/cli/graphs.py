"""The commands about what came from what: lineage, path, impact. Each asks, renders, sets the exit code."""

import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated

import typer
from modeltrail_schemas.openlineage.writing import write
from rich.text import Text

from modeltrail_server.cli.context import CommandContext, command_context
from modeltrail_server.cli.options import EXIT_NO, AsJson, AsOfTime, AtTime
from modeltrail_server.cli.printing import print_lines, quiet_pipe
from modeltrail_server.cli.rendering.graph_formats import dot, mermaid, render_table
from modeltrail_server.cli.rendering.lineage import render_lineage
from modeltrail_server.cli.rendering.tracing import render_columns, render_impact, render_path
from modeltrail_server.cli.times import parse_bounds, parse_time_ns
from modeltrail_server.events.documents import to_one_line
from modeltrail_server.queries.columns import trace_columns
from modeltrail_server.queries.graph import Direction, Graph
from modeltrail_server.queries.impact import IMPACT_NODES, impact, package_impact
from modeltrail_server.queries.lineage import MAX_NODES, MAX_STEPS, Bounds
from modeltrail_server.queries.lineage import lineage as trace
from modeltrail_server.queries.names import latest_version, resolve
from modeltrail_server.queries.packages import parse_package
from modeltrail_server.queries.paths import PATH_NODES, Connection, find_path
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.queries.views import View, view

app = typer.Typer()


class Format(StrEnum):
    """How a graph is written."""

    TREE = "tree"
    TABLE = "table"
    JSON = "json"
    MERMAID = "mermaid"
    DOT = "dot"
    OPENLINEAGE = "openlineage"


class NodeKind(StrEnum):
    """What a node of a graph may be."""

    MODEL = "model"
    DATASET = "dataset"
    RUN = "run"
    JOB = "job"
    COMMIT = "commit"


Name = Annotated[
    str, typer.Argument(help="model:NS/NAME@VERSION|ALIAS, run:ID, dataset:…, job:…, commit:SHA, or a name")
]
Nodes = Annotated[int, typer.Option(min=1, max=100_000, help="How many nodes at most.")]


@app.command()
def lineage(
    context: typer.Context,
    name: Name,
    up: Annotated[bool, typer.Option("--up", help="What it came from. The default.")] = False,
    down: Annotated[bool, typer.Option("--down", help="What came of it.")] = False,
    depth: Annotated[int, typer.Option(min=1, max=MAX_STEPS, help="How many runs far.")] = MAX_STEPS,
    nodes: Nodes = MAX_NODES,
    seen: Annotated[
        View, typer.Option("--view", help="runs: everything; versions: without runs between; names: and jobs alone.")
    ] = View.RUNS,
    kind: Annotated[list[NodeKind] | None, typer.Option(help="Only these; may be given several times.")] = None,
    since: Annotated[str | None, typer.Option(help="Only through runs that began since: 2026-03-03, 3d.")] = None,
    until: Annotated[str | None, typer.Option(help="Only through runs that began until then.")] = None,
    columns: Annotated[bool, typer.Option("--columns", help="Of a dataset: column by column.")] = False,
    column: Annotated[str, typer.Option(help="Of a dataset: this column alone.")] = "",
    format: Annotated[Format, typer.Option(help="How to write it.")] = Format.TREE,  # noqa: A002 - the option's name
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """Draw what a model version, dataset, run, job or commit came from, and what came of it."""
    command = command_context(context)
    direction = Direction.BOTH if up and down else Direction.DOWN if down else Direction.UP
    began = (parse_time_ns(text) if text else None for text in (since, until))
    since_ns, until_ns = began
    bounds = Bounds(depth, nodes, since_ns=since_ns, until_ns=until_ns)
    with command.snapshot(parse_bounds(as_of, at)) as snapshot:
        if columns or column:
            subject = latest_version(snapshot, resolve(snapshot, name, kinds=("dataset",)))
            traced = trace_columns(snapshot, subject, direction, column=column, steps=depth)
            command.print_answer(traced, render_columns(traced, width=command.width), as_json=as_json)
            return
        graph = trace(snapshot, resolve(snapshot, name), direction, bounds=bounds)
        events = _documents(snapshot, graph) if format == Format.OPENLINEAGE else []
    graph = view(graph, seen, [str(each) for each in kind or ()])
    narrowed = [option for option, value in (("--since", since), ("--until", until), ("--kind", kind)) if value]
    _print_graph(command, graph, Format.JSON if as_json else format, events, narrowed)


@app.command()
def path(
    context: typer.Context,
    one: Annotated[str, typer.Argument(metavar="A", help="A name, as for lineage.")],
    other: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    nodes: Nodes = PATH_NODES,
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """Tell how two things are connected: the shortest way from one to the other. Exit 1 when they are not."""
    command = command_context(context)
    with command.snapshot(parse_bounds(as_of, at)) as snapshot:
        bounds = Bounds(max_nodes=nodes)
        found = find_path(snapshot, resolve(snapshot, one), resolve(snapshot, other), bounds=bounds)
    command.print_answer(found, render_path(found, width=command.width), as_json=as_json)
    if found.connection == Connection.NONE:
        raise typer.Exit(EXIT_NO)


@app.command(name="impact")
def impact_command(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(help="dataset:…, model:…, commit:SHA, run:ID, job:…; package:NAME, NAME@VERSION or NAME<1.22"),
    ],
    nodes: Nodes = IMPACT_NODES,
    everything: Annotated[bool, typer.Option("--all", help="Show every model version.")] = False,
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """Find every model version that stands on something: where it is deployed, whose it is, what to do."""
    command = command_context(context)
    bounds = Bounds(max_nodes=nodes, max_neighbours=nodes)
    with command.snapshot(parse_bounds(as_of, at)) as snapshot:
        package = parse_package(name)
        if package is not None:
            found = package_impact(snapshot, package, bounds=bounds)
        else:
            found = impact(snapshot, resolve(snapshot, name), bounds=bounds)
    lines = render_impact(found, width=command.width, everything=everything)
    command.print_answer(found, lines, as_json=as_json)


def _print_graph(
    command: CommandContext,
    graph: Graph,
    format: Format,  # noqa: A002
    documents: Iterable[bytes],
    narrowed: Sequence[str],
) -> None:
    if format == Format.OPENLINEAGE:
        with quiet_pipe():
            sys.stdout.buffer.writelines(documents)
            sys.stdout.buffer.flush()
    elif format in (Format.MERMAID, Format.DOT):
        with quiet_pipe():
            print_lines(map(Text, (mermaid(graph) if format == Format.MERMAID else dot(graph)).splitlines()))
    else:
        width = command.width
        lines = render_table(graph, width=width) if format == Format.TABLE else render_lineage(graph, width=width)
        if narrowed and len(graph.nodes) == 1:
            lines[-1] = Text(f"└ nothing is left of it with {' and '.join(narrowed)}", style="dim")
        command.print_answer(graph, lines, as_json=format == Format.JSON)


def _documents(snapshot: Snapshot, graph: Graph) -> list[bytes]:
    """Return the events that tell the edges of a graph, as OpenLineage, oldest first."""
    ids = {edge.event_id for edge in graph.edges if edge.event_id}
    stored = sorted(snapshot.events_by_id(ids), key=lambda item: (item.event.event_time_ns, item.event.event_id))
    return [to_one_line(write(item.event).decode("utf-8")).encode("utf-8") + b"\n" for item in stored]
