"""A lineage graph seen more coarsely: versions without the runs between, names without versions, some kinds only.

Pure. What is left out does not break the graph: an edge then says what lies between (``via``).
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from enum import StrEnum

from modeltrail_server.queries.graph import Edge, Graph, Node, entity_node, join, words_in

VERSIONED = ("dataset", "model")
_NOT_OF_NAMES = frozenset({"version not recorded"})


class View(StrEnum):
    """How much of a graph is shown: everything; versions alone; names and jobs alone."""

    RUNS = "runs"
    VERSIONS = "versions"
    NAMES = "names"


def view(graph: Graph, seen: View, kinds: Collection[str] = ()) -> Graph:
    """Return ``graph`` as ``seen``, with nodes of ``kinds`` alone, if any are given; the start always stays."""
    if seen == View.VERSIONS:
        graph = _versions(graph)
    elif seen == View.NAMES:
        graph = _names(graph)
    return _contract(graph, lambda node: node.kind in kinds) if kinds else graph


def explain(graph: Graph, edge: Edge) -> str:
    """Return what an edge means, in words that follow its source and end before its target."""
    source, target = graph.nodes[edge.source], graph.nodes[edge.target]
    role = f" as {edge.role}" if edge.role else ""
    if edge.relation == "input" and source.kind == "model":
        makes = {graph.nodes[other.target].kind for other in graph.edges if other.source == edge.target}
        use = "a base of what it made" if "model" in makes else "an evaluation or prediction"
        return f"was read{role} by" + ("" if edge.role else f" ({use})")
    words = {
        "input": f"was read{role} by",
        "output": f"made{role}",
        "commit": "is the code of",
        "environment": "is the environment of",
        "package": "is in",
        "job": "ran as" if source.kind == "job" else "is a run of",
        "part": "is a part of",
        "whole": "has as a part",
        "alias": "was meant by",
        "name": "is probably what was read as",
        "base": "is the base of",
    }
    return words.get(edge.relation, f"went{role} into" if target.kind != "run" else f"was read{role} by")


def _versions(graph: Graph) -> Graph:
    """Leave out what lies between versions: runs, jobs, words. Runs at an end stay: an evaluation makes nothing."""
    words = words_in(graph)
    sources, targets = {edge.source for edge in graph.edges}, {edge.target for edge in graph.edges}

    def stays(node: Node) -> bool:
        if node.kind in VERSIONED:
            return node.id not in words
        return node.kind in ("run", "job") and not (node.id in sources and node.id in targets)

    return _contract(graph, stays)


def _contract(graph: Graph, stays: Callable[[Node], bool]) -> Graph:
    """Leave out the nodes that do not stay, and join what they connected."""
    kept = {identity for identity, node in graph.nodes.items() if stays(node)} | {graph.start}
    leaving: dict[str, list[Edge]] = {}
    for edge in graph.edges:
        leaving.setdefault(edge.source, []).append(edge)
    joined = [reached for identity in graph.nodes if identity in kept for reached in _reach(identity, leaving, kept)]
    nodes = {identity: node for identity, node in graph.nodes.items() if identity in kept}
    return replace(graph, nodes=nodes, edges=join(_read(graph, edge) for edge in joined))


def _reach(start: str, leaving: dict[str, list[Edge]], kept: set[str]) -> Iterable[Edge]:
    """Yield an edge to each node that stays and is reached through none that stays.

    A run leads to its parts only from where the way begins: what one part read is nothing that another part made.
    """
    order = list(leaving.get(start, ()))
    downward = {id(edge) for edge in order if edge.relation in ("job", "whole")}
    been: set[str] = set()
    for edge in order:
        if edge.target in kept:
            if edge.target != start:
                yield edge
        elif edge.target not in been:
            been.add(edge.target)
            for onward in leaving.get(edge.target, ()):
                if onward.relation == "whole" and id(edge) not in downward:
                    continue
                why = "; ".join(dict.fromkeys(word for word in (edge.inferred, onward.inferred) if word))
                via = (*edge.via, edge.target, *onward.via)
                order.append(Edge(start, onward.target, "derived", edge.role, onward.event_id, why, via))
                if onward.relation == "whole":
                    downward.add(id(order[-1]))


def _read(graph: Graph, edge: Edge) -> Edge:
    """Return a joined edge between two models as what it is: one is the base of the other, told or likely."""
    models = graph.nodes[edge.source].kind == graph.nodes[edge.target].kind == "model"
    if edge.relation != "derived" or not models:
        return edge
    if edge.role == "base":
        return edge._replace(relation="base")
    run = next((identity for identity in edge.via if identity.startswith("run:")), "a run")
    why = f"{run} read {edge.source} and made {edge.target}"
    return edge._replace(relation="base", inferred="; ".join(word for word in (edge.inferred, why) if word))


def _names(graph: Graph) -> Graph:
    """Put versions under their name and runs under their job."""
    words = words_in(graph)
    groups: dict[str, list[Node]] = {}
    group_of: dict[str, str] = {}
    for identity, node in graph.nodes.items():
        if node.kind in VERSIONED:
            named = entity_node(node.ref.unversioned)
        elif node.kind == "run" and node.job.name:
            named = entity_node(node.job)
        else:
            named = node
        groups.setdefault(named.id, [named]).append(node)
        group_of[identity] = named.id
    nodes = {identity: _group(named, members, words) for identity, (named, *members) in groups.items()}
    edges = (
        edge._replace(source=group_of[edge.source], target=group_of[edge.target])
        for edge in graph.edges
        if group_of[edge.source] != group_of[edge.target]
    )
    return replace(graph, start=group_of[graph.start], nodes=nodes, edges=join(edges))


def _group(named: Node, members: list[Node], words: frozenset[str]) -> Node:
    flags = dict.fromkeys(flag for node in members for flag in node.flags if flag not in _NOT_OF_NAMES)
    versions = len({node.ref.identity for node in members if node.ref.identity and node.id not in words})
    runs = sum(node.kind == "run" for node in members)
    counted = [f"{versions} versions"] if named.kind in VERSIONED and versions > 1 else []
    counted += [f"{runs} runs"] if named.kind == "job" and runs > 1 else []
    return named._replace(flags=(*flags, *counted), cut=any(node.cut for node in members))
