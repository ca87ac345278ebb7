"""A lineage graph as SVG: data flows from left to right, each thing in a column by its distance. Pure."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from modeltrail_schemas.counting import counted

from modeltrail_server.cli.rendering.html.page import text
from modeltrail_server.cli.rendering.style import SHORT_COMMIT_CHARACTERS, STATE_WORDS, name, short_run, telling_apart
from modeltrail_server.queries.graph import Graph, Node

MAX_DRAWN = 150
BOX_WIDTH = 196
BOX_HEIGHT = 46
COLUMN_GAP = 36
ROW_GAP = 14
MARGIN = 14
MAX_LABEL_CHARACTERS = 26
MAX_ABOUT_CHARACTERS = 30
MAX_RUN_CHARACTERS = 18
LEAST_SCALE = 0.7
SWEEPS = 6
_SHORT_FLAGS = {"version not recorded": "no version"}
# A job and its runs, a run and its parts: they stand in one column, and no line between them.
_OF_ONE_COLUMN = frozenset({"job", "part", "whole"})


def draw(graph: Graph) -> str:
    """Return the graph as one SVG element in a frame that scrolls; what lies furthest is left out past 150 things."""
    graph, commits = _without_commits(graph)
    columns = _columns(graph)
    drawn = sorted(columns, key=lambda identity: (abs(columns[identity]), identity))[:MAX_DRAWN]
    places = _places({identity: columns[identity] for identity in drawn}, graph)
    width = max(x for x, _ in places.values()) + BOX_WIDTH + MARGIN
    height = max(y for _, y in places.values()) + BOX_HEIGHT + MARGIN
    edges = "".join(
        _edge(places[edge.source], places[edge.target], inferred=bool(edge.inferred))
        for edge in graph.edges
        if edge.source in places and edge.target in places and edge.relation not in _OF_ONE_COLUMN
    )
    characters = telling_apart(node.run_id for node in graph.nodes.values() if node.kind == "run")
    boxes = "".join(
        _box(graph.nodes[identity], places[identity], identity == graph.start, commits.get(identity, ""), characters)
        for identity in drawn
    )
    left_out = len(columns) - len(drawn)
    more = f'<p class="soft">{counted(left_out, "more is", "more are")} not drawn.</p>' if left_out else ""
    incomplete = "" if graph.complete else '<p class="weak">There is more than was looked at.</p>'
    frame = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="Lineage"'
    shrinking = f'style="min-width:{min(width, int(width * LEAST_SCALE))}px"'
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" {frame} {shrinking}>{edges}{boxes}</svg>'
    at_its_end = " end" if max(columns.values()) == 0 else ""
    return f'<div class="scroll{at_its_end}">{drawing}</div>{more}{incomplete}'


def _without_commits(graph: Graph) -> tuple[Graph, Mapping[str, str]]:
    """Return the graph without the commits that were not asked about, and of each run the commit it ran from."""
    own = {edge.target: graph.nodes[edge.source].ref.name for edge in graph.edges if edge.relation == "commit"}
    if graph.nodes[graph.start].kind == "commit":
        return graph, {}
    nodes = {identity: node for identity, node in graph.nodes.items() if node.kind != "commit"}
    edges = tuple(edge for edge in graph.edges if edge.source in nodes and edge.target in nodes)
    return replace(graph, nodes=nodes, edges=edges), own


def _columns(graph: Graph) -> Mapping[str, int]:
    """Return the column of each node: the start and its parts are 0, and every edge goes to the right.

    What the start came from lies as far left, and what came of it as far right, as the longest way between them is
    long; in a graph with a cycle the shortest way counts, and some edges go back.
    """
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    beside: dict[str, list[str]] = {}
    for edge in graph.edges:
        if edge.relation in _OF_ONE_COLUMN:
            beside.setdefault(edge.source, []).append(edge.target)
            beside.setdefault(edge.target, []).append(edge.source)
            continue
        before.setdefault(edge.target, []).append(edge.source)
        after.setdefault(edge.source, []).append(edge.target)
    columns = _shortest(graph, _reached(graph.start, beside), before, after)
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError:
        return columns
    for neighbours, way, walk in ((before, -1, reversed(order)), (after, 1, order)):
        for identity in walk:
            for other in neighbours.get(identity, ()):
                if identity in columns and columns.get(other, 0) * way > 0 and columns[identity] * way >= 0:
                    columns[other] = way * max(columns[other] * way, columns[identity] * way + 1)
    return columns


def _reached(start: str, neighbours: Mapping[str, Sequence[str]]) -> list[str]:
    """Return ``start`` and all that neighbours lead to from there."""
    found = dict.fromkeys([start])
    order = [start]
    for identity in order:
        for other in neighbours.get(identity, ()):
            if other not in found:
                found[other] = None
                order.append(other)
    return order


def _shortest(
    graph: Graph, starts: Sequence[str], before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]
) -> dict[str, int]:
    columns = dict.fromkeys(starts, 0)
    for neighbours, way in ((before, -1), (after, 1)):
        queue = deque(starts)
        while queue:
            identity = queue.popleft()
            for other in neighbours.get(identity, ()):
                if other not in columns and other in graph.nodes:
                    columns[other] = columns[identity] + way
                    queue.append(other)
    return columns


def _places(columns: Mapping[str, int], graph: Graph) -> dict[str, tuple[int, int]]:
    """Return the upper left corner of each box; columns are centred on the tallest."""
    members = _ordered(columns, graph)
    first, tallest = min(members), max(map(len, members.values()))
    step = BOX_HEIGHT + ROW_GAP
    places = {}
    for column, identities in members.items():
        top = MARGIN + (tallest - len(identities)) * step // 2
        for row, identity in enumerate(identities):
            places[identity] = (MARGIN + (column - first) * (BOX_WIDTH + COLUMN_GAP), top + row * step)
    return places


def _ordered(columns: Mapping[str, int], graph: Graph) -> dict[int, list[str]]:
    """Return each column from top to bottom, things near to what they are joined with, so that few lines cross.

    The barycentre method of Sugiyama, Tagawa and Toda (1981), swept to and fro.
    """
    members: dict[int, list[str]] = {}
    for identity, column in columns.items():
        members.setdefault(column, []).append(identity)
    joined: dict[str, list[str]] = {}
    for edge in graph.edges:
        if edge.source in columns and edge.target in columns:
            joined.setdefault(edge.source, []).append(edge.target)
            joined.setdefault(edge.target, []).append(edge.source)
    rows = {identity: row for ids in members.values() for row, identity in enumerate(ids)}
    for sweep in range(SWEEPS):
        side = 1 if sweep % 2 == 0 else -1
        for column in sorted(members, reverse=side == 1):
            weighed = []
            for identity in members[column]:
                near = [rows[other] for other in joined.get(identity, ()) if (columns[other] - column) * side > 0]
                weighed.append((sum(near) / len(near) if near else rows[identity], rows[identity], identity))
            members[column] = [identity for _, _, identity in sorted(weighed)]
            rows |= {identity: row for row, identity in enumerate(members[column])}
    return members


def _edge(source: tuple[int, int], target: tuple[int, int], *, inferred: bool) -> str:
    x1, y1 = source[0] + BOX_WIDTH, source[1] + BOX_HEIGHT // 2
    x2, y2 = target[0], target[1] + BOX_HEIGHT // 2
    bend = max(COLUMN_GAP // 2, abs(x2 - x1) // 2)
    style = ' class="inferred"' if inferred else ""
    return f'<path{style} d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'


def _box(node: Node, place: tuple[int, int], is_start: bool, commit: str, run_characters: int) -> str:
    x, y = place
    styles = [node.kind if node.kind in ("dataset", "model") else "other"]
    styles += ["start"] if is_start else []
    styles += ["warn"] if "RETRACTED" in node.flags else []
    told = _about(node, commit, run_characters)
    about = f'<tspan class="k">{text(told)}</tspan>'
    alarming = any(not flag.startswith("deployed") for flag in node.flags)
    words = ", ".join(_SHORT_FLAGS.get(flag, flag) for flag in node.flags)
    shown = text(_short(words, MAX_ABOUT_CHARACTERS - len(told)))
    flags = f' <tspan class="{"f" if alarming else "d"}">{shown}</tspan>' if node.flags else ""
    return (
        f'<g class="{" ".join(styles)}"><title>{text(node.id)}</title>'
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
        f'<text x="{x + 10}" y="{y + 19}">{text(_end(_label(node)))}</text>'
        f'<text x="{x + 10}" y="{y + 36}">{about}{flags}</text></g>'
    )


def _label(node: Node) -> str:
    if node.kind == "run":
        return name(node.job) if node.job.name else short_run(node.run_id)
    return node.ref.name[:SHORT_COMMIT_CHARACTERS] if node.kind == "commit" else name(node.ref)


def _about(node: Node, commit: str, run_characters: int) -> str:
    if node.kind != "run":
        return node.kind
    state = "" if node.state == "COMPLETE" else STATE_WORDS.get(node.state, node.state)
    run = short_run(node.run_id, min(run_characters, MAX_RUN_CHARACTERS))
    told = ("run", run, state or commit[:SHORT_COMMIT_CHARACTERS])
    return _short(" ".join(word for word in told if word), MAX_ABOUT_CHARACTERS)


def _end(label: str) -> str:
    """Return a long label's end: that is where names differ."""
    return label if len(label) <= MAX_LABEL_CHARACTERS else "…" + label[1 - MAX_LABEL_CHARACTERS :]


def _short(label: str, limit: int) -> str:
    return label if len(label) <= limit else label[: limit - 1] + "…"
