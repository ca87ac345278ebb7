"""What ``modeltrail path``, ``impact`` and ``lineage --columns`` print. Pure."""

from shlex import quote

from modeltrail_schemas.counting import counted
from rich.text import Text

from modeltrail_server.cli.rendering.lineage import node_text, run_characters
from modeltrail_server.cli.rendering.style import Part, line, name, printable, short_run, table, wrapped
from modeltrail_server.queries.columns import ColumnEdge, ColumnLineage
from modeltrail_server.queries.graph import Direction, Edge, Graph
from modeltrail_server.queries.impact import Affected, Impact
from modeltrail_server.queries.paths import Connection, Path
from modeltrail_server.queries.views import explain

MAX_MODELS = 50


def render_path(path: Path, *, width: int) -> list[Text]:
    """Return how two things are connected, one step a line, as data went."""
    source, target = printable(path.source), printable(path.target)
    if path.connection == Connection.NONE:
        lines = [line((f"no recorded data went from {source} to {target} or back,", "yellow"))]
        lines += [line(("and they have no common source", "yellow"))]
        more = "the search was cut short: raise --nodes" if not path.complete else "what is missing: modeltrail check"
        return [*lines, line((more, "dim"))]
    if path.connection == Connection.FLOWS:
        return _steps(path, path.edges, path.source, width)
    nodes = path.nodes
    head = line("both come from ", node_text(nodes[path.origin], flags=True))
    cut = next(
        (index for index, edge in enumerate(path.edges) if index and edge.source == path.origin), len(path.edges)
    )
    lines = [head, *_steps(path, path.edges[:cut], path.origin, width)]
    return [*lines, Text(""), *_steps(path, path.edges[cut:], path.origin, width)]


def _steps(path: Path, edges: tuple[Edge, ...], start: str, width: int) -> list[Text]:
    graph = Graph(start, Direction.UP, path.nodes, path.edges)
    characters = run_characters(graph)
    lines = [node_text(graph.nodes[start], flags=True, run_characters=characters)]
    for edge in edges:
        lines.append(line(("  ↓ ", "dim"), (explain(graph, edge), "dim")))
        if edge.inferred:
            because = wrapped(f"inferred: {printable(edge.inferred)}", width=width, indent=4)
            lines += [Text(text, style="italic") for text in because]
        lines.append(node_text(graph.nodes[edge.target], flags=True, run_characters=characters))
    return lines


def render_impact(found: Impact, *, width: int, everything: bool = False) -> list[Text]:
    """Return what stands on a thing: a summary, the model versions, what to do."""
    deployed = [item for item in found.models if item.deployed]
    stand = [counted(len(found.models), "model version"), counted(found.datasets, "dataset version")]
    stand += [counted(found.runs, "run")]
    where = [f"in {counted(found.environments, 'environment')}"] if found.environments else []
    held = [f"held there: {', '.join(map(printable, found.package_versions))}"] if found.package_versions else []
    if found.not_compared:
        held.append(f"not compared, no versions by PEP 440: {', '.join(map(printable, found.not_compared))}")
    marks = [(" RETRACTED", "bold red")] if found.retracted else []
    lines = [line((printable(found.subject), "bold"), *marks), Text(", ".join([*stand, *where]))]
    lines += [line((text, "dim")) for each in held for text in wrapped(each, width=width)]
    lines += [line("it is itself deployed ", (printable(step.value), "bold red")) for step in found.own]
    if not found.models:
        lines.append(line(("no model version is recorded that stands on it", "green")))
        if not found.subject.startswith("package:"):
            command = f"modeltrail lineage --down {quote(printable(found.subject))}"
            lines += [line(("what did come of it:", "dim")), Text(f"    $ {command}", no_wrap=True)]
    elif deployed:
        lines.append(line((f"{len(deployed)} of them deployed now", "bold red")))
    else:
        lines.append(line(("none of them is deployed now", "green")))
    shown = found.models if everything else found.models[:MAX_MODELS]
    if shown:
        lines += [
            Text(""),
            *table(map(_cells, shown), header=("model", "runs away", "where", "owner", ""), right=(1,), width=width),
        ]
    hidden = len(found.models) - len(shown)
    lines += [line((f"… and {hidden} more: --all shows them", "dim"))] if hidden else []
    lines += [Text(""), line(("what to do", "bold"))] if found.advice else []
    for advice in found.advice:
        first, *rest = wrapped(printable(advice.what), width=width, indent=2)
        lines += [Text(f"- {first.strip()}"), *map(Text, rest)]
        lines += [Text(f"    $ {printable(advice.command)}", no_wrap=True)] if advice.command else []
    if not found.complete:
        lines.append(line(("a bound ended the search, there is more: raise --nodes", "yellow")))
    return lines


def _cells(item: Affected) -> tuple[Part, ...]:
    where = [Text(f"deployed {printable(step.value)}".strip(), style="bold red") for step in item.deployed]
    where += [Text(printable(step.value), style="green") for step in item.aliases]
    owners = ", ".join(map(printable, item.owners))
    kind = ("inferred", "italic") if item.inferred else ""
    return Text(name(item.model), style="bold"), str(item.runs_away), Text(", ").join(where), owners, kind


def render_columns(found: ColumnLineage, *, width: int) -> list[Text]:
    """Return the columns, each with what it was made of; grouped by the dataset version they are in."""
    subject = name(found.dataset) + (f".{found.column}" if found.column else "")
    lines = [line((printable(subject), "bold"))]
    if not found.edges:
        lines.append(line(("no event tells of its columns", "yellow")))
        lines.append(line(("OpenLineage integrations (Spark, dbt, SQL) send the columnLineage facet", "dim")))
        return lines
    groups: dict[str, list[ColumnEdge]] = {}
    for edge in found.edges:
        groups.setdefault(name(edge.target.dataset), []).append(edge)
    for dataset, edges in groups.items():
        by = dict.fromkeys(name(edge.job) if edge.job.name else f"run {short_run(edge.run_id)}" for edge in edges)
        lines.append(line(dataset, (f"  made by {', '.join(by)}", "dim")))
        rows = [
            (f"  {printable(edge.target.name)}", "←", _column(edge), (printable(edge.how), "dim")) for edge in edges
        ]
        lines += table(rows, width=width)
    if not found.complete:
        lines.append(line(("there is more beyond: raise --depth", "yellow")))
    return lines


def _column(edge: ColumnEdge) -> str:
    return printable(f"{name(edge.source.dataset)}.{edge.source.name}")
