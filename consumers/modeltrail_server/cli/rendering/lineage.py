"""A lineage graph as a tree of lines: what something came from, or what came of it. Pure.

A branch that never forks is one line, ``tx@412 ← job clean ← raw@9f1``, where it fits; the commits of
runs within such a line are left out.
"""

from rich.text import Text

from modeltrail_server.cli.rendering.style import (
    SHORT_COMMIT_CHARACTERS,
    line,
    name,
    printable,
    short_run,
    state,
    when,
)
from modeltrail_server.queries.graph import Branch, Direction, Edge, Graph, Node, tree

FLAG_STYLES = {"RETRACTED": "bold red", "version not recorded": "red"}
ARROWS = {Direction.UP: "←", Direction.DOWN: "→"}


def render_lineage(graph: Graph, *, width: int) -> list[Text]:
    """Return the graph as one tree, or as two (what it came from, what came of it) where both were asked for."""
    ways = [way for way in (Direction.UP, Direction.DOWN) if graph.direction in (way, Direction.BOTH)]
    lines: list[Text] = []
    for way in ways:
        if len(ways) > 1:
            lines.append(line(("came from" if way == Direction.UP else "went into", "dim")))
        root = tree(graph, way)
        lines.append(node_text(root.node, flags=True, bold=True))
        lines += _branches(root, way, "", width)
        if not root.branches:
            lines.append(line((f"└ nothing is recorded that {_NOTHING[way]}", "dim")))
    return [*lines, *render_incomplete(graph)]


def render_incomplete(graph: Graph) -> list[Text]:
    """Return the remark that a bound ended the search, if one did."""
    return [] if graph.complete else [line(("there is more beyond: raise --depth or --nodes", "yellow"))]


_NOTHING = {Direction.UP: "it came from", Direction.DOWN: "came of it"}


def _branches(parent: Branch, way: Direction, prefix: str, width: int) -> list[Text]:
    lines: list[Text] = []
    for index, branch in enumerate(parent.branches):
        last = index == len(parent.branches) - 1 and not parent.node.cut
        start = Text(prefix + ("└ " if last else "├ "), style="dim")
        single = _in_one_line(branch, way)
        if single is not None and start.cell_len + single.cell_len <= width:
            lines.append(Text.assemble(start, single))
        else:
            lines.append(Text.assemble(start, _entry(branch)))
            lines += _branches(branch, way, prefix + ("  " if last else "│ "), width)
    if parent.node.cut:
        lines.append(Text(prefix + "└ … and more", style="dim"))
    return lines


def _in_one_line(branch: Branch, way: Direction) -> Text | None:
    """Return a branch that never forks in one line; None for any other, or one that ends where it begins."""
    text = _entry(branch)
    current = branch
    if current.node.kind not in ("dataset", "model"):
        return None
    while True:
        following = [below for below in current.branches if below.node.kind != "commit"]
        if current.node.cut or len(following) > 1:
            return None
        if not following:
            return text
        current = following[0]
        text.append(f" {ARROWS[way]} ", style="dim")
        text.append_text(_short(current))


def _entry(branch: Branch) -> Text:
    text = node_text(branch.node, flags=True)
    edge = branch.edge
    if edge is not None and edge.role:
        read_as = " reads it as" if branch.node.kind == "run" else " as"
        text.append(f"{read_as} {printable(edge.role)}", style="dim")
    if edge is not None and edge.via:
        text.append(f" (via {_via(edge)})", style="dim")
    if edge is not None and edge.inferred:
        text.append(f" (inferred: {printable(edge.inferred)})", style="italic")
    if branch.seen and branch.node.kind != "commit":
        text.append(" (drawn elsewhere)", style="dim")
    return text


def _via(edge: Edge) -> str:
    """Return what an edge leaves out, as the number of runs where there are several."""
    runs = [identity for identity in edge.via if identity.startswith("run:")]
    if len(runs) == 1:
        return f"run {short_run(runs[0].removeprefix('run:'))}"
    return f"{len(runs)} runs" if runs else printable(edge.via[0])


def _short(branch: Branch) -> Text:
    """Return a node within a line: of a run, its job, and its state only where it did not complete."""
    node = branch.node
    if node.kind != "run" or not node.job.name:
        return _entry(branch)
    text = Text(f"job {name(node.job)}")
    if node.state != "COMPLETE":
        text.append(" ").append_text(state(node.state))
    return text.append(" (drawn elsewhere)", style="dim") if branch.seen else text


def node_text(node: Node, *, flags: bool, bold: bool = False) -> Text:
    """Return a node in one line, with what is to be minded about it if ``flags``."""
    if node.kind == "run":
        text = line("run ", short_run(node.run_id), "  ", (when(node.time_ns)[:10], "dim"), "  ", state(node.state))
        if node.job.name:
            text.append(f"  {name(node.job)}")
    elif node.kind == "commit":
        text = Text(f"code {printable(node.ref.name[:SHORT_COMMIT_CHARACTERS])}")
    elif node.kind == "job":
        text = Text(f"job {name(node.ref)}")
    elif node.kind == "environment":
        text = Text(f"environment {printable(node.ref.name)}")
    else:
        text = Text(name(node.ref), style="bold" if bold else "")
    for flag in node.flags if flags else ():
        shown = flag if flag.isupper() else f"({printable(flag)})"
        text.append(" ").append(shown, style=FLAG_STYLES.get(flag, "green"))
    return text
