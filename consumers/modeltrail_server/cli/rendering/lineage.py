"""A lineage graph as a tree of lines: what something came from, or what came of it. Pure.

A branch that never forks is one line, ``tx@412 ← job clean ← raw@9f1``, where it fits; the commits of
runs within such a line are left out.
"""

from rich.text import Text

from modeltrail_server.cli.rendering.style import (
    SHORT_COMMIT_CHARACTERS,
    SHORT_RUN_CHARACTERS,
    line,
    name,
    printable,
    short_run,
    state,
    telling_apart,
    when,
    wrapped,
)
from modeltrail_server.queries.graph import Branch, Direction, Edge, Graph, Node, tree

FLAG_STYLES = {"RETRACTED": "bold red", "version not recorded": "red"}
ARROWS = {Direction.UP: "←", Direction.DOWN: "→"}


def render_lineage(graph: Graph, *, width: int) -> list[Text]:
    """Return the graph as one tree, or as two (what it came from, what came of it) where both were asked for."""
    ways = [way for way in (Direction.UP, Direction.DOWN) if graph.direction in (way, Direction.BOTH)]
    lines: list[Text] = []
    legend = _Legend(graph)
    for way in ways:
        if len(ways) > 1:
            lines.append(line(("came from" if way == Direction.UP else "went into", "dim")))
        root = tree(graph, way)
        lines.append(node_text(root.node, flags=True, bold=True, run_characters=legend.run_characters))
        lines += _branches(root, way, "", width, legend)
        if not root.branches:
            lines.append(line((f"└ nothing is recorded that {_NOTHING[way]}", "dim")))
    return [*lines, *legend.lines(width), *render_incomplete(graph)]


class _Legend:
    """What the whole drawing shares: how runs are told apart, and why what is inferred is, numbered as it is met."""

    def __init__(self, graph: Graph) -> None:
        self.run_characters = run_characters(graph)
        self._numbers: dict[str, int] = {}

    def mark(self, edge: Edge | None) -> Text:
        """Return the mark that an edge's branch ends with: empty where it was recorded."""
        if edge is None or not edge.inferred:
            return Text()
        number = self._numbers.setdefault(edge.inferred, len(self._numbers) + 1)
        return Text(f" inferred[{number}]", style="italic yellow")

    def lines(self, width: int) -> list[Text]:
        """Return the reasons under their numbers."""
        found: list[Text] = []
        for reason, number in self._numbers.items():
            first, *rest = wrapped(printable(reason), width=width, indent=4)
            found += [
                Text(f"{f'[{number}]':<4}{first.strip()}", style="italic"),
                *(Text(more, style="italic") for more in rest),
            ]
        return found


def render_incomplete(graph: Graph) -> list[Text]:
    """Return the remark that a bound ended the search, if one did."""
    return [] if graph.complete else [line(("there is more beyond: raise --depth or --nodes", "yellow"))]


_NOTHING = {Direction.UP: "it came from", Direction.DOWN: "came of it"}


def _branches(parent: Branch, way: Direction, prefix: str, width: int, legend: _Legend) -> list[Text]:
    lines: list[Text] = []
    for index, branch in enumerate(parent.branches):
        last = index == len(parent.branches) - 1 and not parent.node.cut
        start = Text(prefix + ("└ " if last else "├ "), style="dim")
        single = _in_one_line(branch, way, legend)
        if single is not None and start.cell_len + single.cell_len <= width:
            lines.append(Text.assemble(start, single))
        else:
            lines.append(Text.assemble(start, _entry(branch, legend)))
            lines += _branches(branch, way, prefix + ("  " if last else "│ "), width, legend)
    if parent.node.cut:
        lines.append(Text(prefix + "└ … and more", style="dim"))
    return lines


def _in_one_line(branch: Branch, way: Direction, legend: _Legend) -> Text | None:
    """Return a branch that never forks in one line; None for any other, or one that ends where it begins."""
    text = _entry(branch, legend)
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
        text.append_text(_short(current, legend))


def _entry(branch: Branch, legend: _Legend) -> Text:
    text = node_text(branch.node, flags=True, run_characters=legend.run_characters)
    edge = branch.edge
    if edge is not None and edge.role:
        read_as = " reads it as" if branch.node.kind == "run" else " as"
        text.append(f"{read_as} {printable(edge.role)}", style="dim")
    if edge is not None and _only_uses(branch, edge):
        text.append(" (an evaluation or prediction)", style="dim")
    if edge is not None and edge.via:
        text.append(f" (via {_via(edge, legend)})", style="dim")
    text.append_text(legend.mark(edge))
    if branch.seen and branch.node.kind != "commit":
        text.append(" (drawn elsewhere)", style="dim")
    return text


def _only_uses(branch: Branch, edge: Edge) -> bool:
    """Return whether a run read a model, for no purpose it told, and made none of it."""
    reads = branch.node.kind == "run" and edge.relation == "input" and edge.source.startswith("model:")
    makes = branch.seen or any(made.node.kind == "model" for made in branch.branches)
    return reads and not edge.role and not makes


def _via(edge: Edge, legend: _Legend) -> str:
    """Return what an edge leaves out, as the number of runs where there are several."""
    runs = [identity for identity in edge.via if _is_run(identity)]
    if len(runs) == 1:
        return f"run {short_run(runs[0].removeprefix('run:'), legend.run_characters)}"
    return f"{len(runs)} runs" if runs else printable(edge.via[0])


def _short(branch: Branch, legend: _Legend) -> Text:
    """Return a node within a line: of a run, its job, and its state only where it did not complete."""
    node = branch.node
    if node.kind != "run" or not node.job.name:
        return _entry(branch, legend)
    text = Text(f"job {name(node.job)}")
    if node.state != "COMPLETE":
        text.append(" ").append_text(state(node.state))
    return text.append(" (drawn elsewhere)", style="dim") if branch.seen else text


def _is_run(identity: str) -> bool:
    return identity.startswith("run:")


def run_characters(graph: Graph) -> int:
    """Return how many characters of their ids tell the runs of a graph apart, drawn or left out between others."""
    between = (identity.removeprefix("run:") for edge in graph.edges for identity in edge.via if _is_run(identity))
    return telling_apart([*(node.run_id for node in graph.nodes.values() if node.kind == "run"), *between])


def node_text(node: Node, *, flags: bool, bold: bool = False, run_characters: int = SHORT_RUN_CHARACTERS) -> Text:
    """Return a node in one line, with what is to be minded about it if ``flags``."""
    if node.kind == "run":
        text = line(
            "run ",
            short_run(node.run_id, run_characters),
            "  ",
            (when(node.time_ns)[:10], "dim"),
            "  ",
            state(node.state),
        )
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
