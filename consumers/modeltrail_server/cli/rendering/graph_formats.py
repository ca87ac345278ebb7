"""A lineage graph as a table, as Mermaid, as Graphviz DOT. Pure. What is inferred is dotted and says why.

Sources: mermaid.js.org/syntax/flowchart; graphviz.org/doc/info/lang.html.
"""

from collections.abc import Mapping

from rich.text import Text

from modeltrail_server.cli.rendering.lineage import FLAG_STYLES, node_text, render_incomplete, run_characters
from modeltrail_server.cli.rendering.style import Part, line, printable, table, wrapped
from modeltrail_server.queries.graph import Direction, Edge, Graph, Node, distances

_SHAPES: Mapping[str, tuple[str, str]] = {
    "dataset": ("[(", ")]"),
    "model": ("([", "])"),
    "run": ("[", "]"),
    "job": ("[[", "]]"),
}
_DOT_SHAPES = {"dataset": "cylinder", "model": "ellipse", "run": "box", "job": "component", "commit": "note"}
_MARKS = {"RETRACTED": "bad", "version not recorded": "weak"}


def render_table(graph: Graph, *, width: int) -> list[Text]:
    """Return the nodes, nearest first, and then each inferred edge with its reason."""
    ways = [way for way in (Direction.UP, Direction.DOWN) if graph.direction in (way, Direction.BOTH)]
    rows: list[tuple[Part, ...]] = []
    for way in ways:
        near = distances(graph, way)
        first = 0 if way == ways[0] else 1  # the start stands in both
        order = sorted((away, identity) for identity, (away, _) in near.items() if away >= first)
        rows += [_row(graph, graph.nodes[identity], near[identity], way) for _, identity in order]
    lines = table(rows, header=("away", "kind", "how", "name", ""), right=(0,), width=width)
    guesses = [edge for edge in graph.edges if edge.inferred]
    if guesses:
        lines += [Text(""), line(("inferred", "bold"))]
    for edge in guesses:
        lines += [Text(text) for text in wrapped(_because(edge), width=width, indent=2)]
    return [*lines, *render_incomplete(graph)]


def mermaid(graph: Graph) -> str:
    """Return the graph as a Mermaid flowchart, data running from left to right."""
    numbers = {identity: f"n{number}" for number, identity in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for identity, node in graph.nodes.items():
        begin, end = _SHAPES.get(node.kind, ("{{", "}}"))
        lines.append(f'  {numbers[identity]}{begin}"{_mermaid_text(_label(graph, node))}"{end}{_class(graph, node)}')
    for edge in _drawn(graph):
        words = _mermaid_text(edge.role or ("" if edge.relation in ("input", "output", "commit") else edge.relation))
        arrow = "-.->" if edge.inferred else "-->"
        lines.append(
            f"  {numbers[edge.source]} {arrow}" + (f'|"{words}"|' if words else "") + f" {numbers[edge.target]}"
        )
    lines += ["  classDef start stroke-width:3px", "  classDef bad stroke:#b00020,stroke-width:3px"]
    return "\n".join([*lines, "  classDef weak stroke-dasharray:4"])


def dot(graph: Graph) -> str:
    """Return the graph in Graphviz' language."""
    lines = ["digraph lineage {", "  rankdir=LR;"]
    for identity, node in graph.nodes.items():
        extra = ", penwidth=3" if identity == graph.start else ""
        extra += ", color=red" if "RETRACTED" in node.flags else ""
        label, shape = _dot(_label(graph, node)), _DOT_SHAPES.get(node.kind, "hexagon")
        lines.append(f"  {_dot(identity)} [label={label}, shape={shape}{extra}];")
    for edge in _drawn(graph):
        words = edge.role or ("" if edge.relation in ("input", "output", "commit") else edge.relation)
        told = [f"label={_dot(words)}"] if words else []
        told += ["style=dashed", f"tooltip={_dot(edge.inferred)}"] if edge.inferred else []
        attributes = f" [{', '.join(told)}]" if told else ""
        lines.append(f"  {_dot(edge.source)} -> {_dot(edge.target)}{attributes};")
    return "\n".join([*lines, "}"])


def _row(graph: Graph, node: Node, found: tuple[int, Edge | None], way: Direction) -> tuple[Part, ...]:
    away, edge = found
    flags: list[Part] = [(printable(flag), FLAG_STYLES.get(flag, "green")) for flag in node.flags]
    how = "" if edge is None else edge.role or ("inferred" if edge.inferred else _words(graph, edge, way))
    return (
        str(away),
        node.kind,
        how,
        node_text(node, flags=False, run_characters=run_characters(graph)),
        Text(", ").join(map(_text, flags)),
    )


def _words(graph: Graph, edge: Edge, way: Direction) -> str:
    near = graph.nodes[edge.target if way == Direction.UP else edge.source]
    words = {"input": "read", "output": "made", "commit": "code", "derived": "", "environment": "environment"}
    return words.get(edge.relation, edge.relation) if near.id else ""


def _because(edge: Edge) -> str:
    return f"{printable(edge.source)} → {printable(edge.target)}: {printable(edge.inferred)}"


def _text(part: Part) -> Text:
    return part if isinstance(part, Text) else Text.assemble(part)


def _label(graph: Graph, node: Node) -> str:
    return "\n".join(
        [node_text(node, flags=False, run_characters=run_characters(graph)).plain.replace("  ", " "), *node.flags]
    )


def _class(graph: Graph, node: Node) -> str:
    marks = [_MARKS[flag] for flag in node.flags if flag in _MARKS]
    marks += ["start"] if node.id == graph.start and not marks else []
    return f":::{marks[0]}" if marks else ""


def _drawn(graph: Graph) -> list[Edge]:
    """Return the edges of a drawing: a job and its runs, a run and its parts are joined once."""
    twice = "whole" if graph.direction != Direction.DOWN else "part"
    edges = (edge for edge in graph.edges if edge.relation != twice)
    return [edge for edge in edges if edge.relation != "job" or edge.source == graph.start]


def _mermaid_text(text: str) -> str:
    """Return ``text`` within quotes: what Mermaid would read is written as the number of the character."""
    plain = "".join(f"#{ord(c)};" if c in '"#&<>`' or not (c.isprintable() or c == "\n") else c for c in text)
    return plain.replace("\n", "<br>")


def _dot(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{"".join(c if c.isprintable() else "·" for c in escaped)}"'
