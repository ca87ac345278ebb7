"""A lineage graph as a value, and as a tree to read. Pure.

Edges run as data does: from what a run read to the run, from the run to what it made.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from modeltrail_schemas.names import NO_ENTITY, EntityRef

from modeltrail_server.queries.display import display


class Direction(StrEnum):
    """Which way from the start: up to what it came from, down to what came of it."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


# A run and its parts are joined both ways, so that it leads to them up as down; the other of the two leads back.
_LEADS_BACK = {Direction.UP: "whole", Direction.DOWN: "part"}


class Node(NamedTuple):
    """A run, job, commit, or version of a dataset or model. ``id`` is its name with kind.

    ``flags`` are words to mind: RETRACTED, ``version not recorded``, ``deployed TARGET``. ``cut``: it has more
    neighbours than were fetched.
    """

    id: str
    kind: str
    ref: EntityRef = NO_ENTITY
    run_id: str = ""
    state: str = ""
    job: EntityRef = NO_ENTITY
    time_ns: int = 0
    flags: tuple[str, ...] = ()
    cut: bool = False


def run_node(run_id: str, state: str, job: EntityRef, time_ns: int) -> Node:
    """Return the node of a run."""
    return Node(f"run:{run_id}", "run", run_id=run_id, state=state, job=job, time_ns=time_ns)


def entity_node(ref: EntityRef) -> Node:
    """Return the node of anything but a run."""
    return Node(f"{ref.kind}:{display(ref)}", ref.kind, ref)


class Edge(NamedTuple):
    """Data went from ``source`` to ``target`` (ids of nodes), as the event says, or as was ``inferred`` and why.

    ``relation``: input, output, commit, environment, package, job, part and whole (of a run and what it began);
    alias, name, base (inferred, or told in words); derived (what lies between, ``via``, is left out of the graph).
    """

    source: str
    target: str
    relation: str
    role: str = ""
    event_id: bytes = b""
    inferred: str = ""
    via: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """What lies within reach of ``start``. ``complete`` is false when a bound ended the search."""

    start: str
    direction: Direction
    nodes: Mapping[str, Node] = field(default_factory=dict)
    edges: tuple[Edge, ...] = ()
    complete: bool = True


def words_in(graph: Graph) -> frozenset[str]:
    """Return the nodes that are names by which a version was used: an alias, or a name without a version."""
    return frozenset(edge.target for edge in graph.edges if edge.relation in ("alias", "name"))


@dataclass(frozen=True, slots=True)
class Branch:
    """A node in a tree and the edge that led to it; ``seen``: it stands elsewhere, with what follows."""

    node: Node
    edge: Edge | None
    branches: tuple["Branch", ...] = ()
    seen: bool = False


def tree(graph: Graph, direction: Direction) -> Branch:
    """Return what lies up or down of the start as a tree: each node's branches once, where it is nearest.

    Deep graphs are walked without recursion's limit being reached: breadth first, then joined from the leaves.
    """
    neighbours = _neighbours(graph, direction)
    order: list[tuple[str, Edge | None]] = [(graph.start, None)]
    children: dict[str, list[tuple[str, Edge, bool]]] = {}
    expanded = {graph.start}
    for identity, _ in order:
        children[identity] = []
        for via, other in neighbours.get(identity, ()):
            seen = other in expanded
            children[identity].append((other, via, seen))
            if not seen:
                expanded.add(other)
                order.append((other, via))
    built: dict[str, Branch] = {}
    for identity, edge in reversed(order):
        branches = tuple(
            Branch(graph.nodes[other], own_edge, seen=True) if seen else built[other]
            for other, own_edge, seen in children[identity]
        )
        built[identity] = Branch(graph.nodes[identity], edge, branches)
    return built[graph.start]


def distances(graph: Graph, direction: Direction) -> dict[str, tuple[int, Edge | None]]:
    """Return how many edges away each node lies, up or down of the start, and the edge of a shortest way there."""
    neighbours = _neighbours(graph, direction)
    found: dict[str, tuple[int, Edge | None]] = {graph.start: (0, None)}
    order = [graph.start]
    for identity in order:
        for via, other in neighbours.get(identity, ()):
            if other not in found:
                found[other] = (found[identity][0] + 1, via)
                order.append(other)
    return found


def way_to(near: Mapping[str, tuple[int, Edge | None]], direction: Direction, end: str) -> tuple[Edge, ...]:
    """Return the edges of a shortest way from ``end`` to where ``distances`` began (down: against the data)."""
    edges: list[Edge] = []
    current = end
    while (edge := near[current][1]) is not None:
        edges.append(edge)
        current = edge.target if direction == Direction.UP else edge.source
    return tuple(edges)


def walk(branch: Branch) -> Iterator[Branch]:
    """Yield ``branch`` and every branch below, parents before children."""
    stack = [branch]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(current.branches))


def _neighbours(graph: Graph, direction: Direction) -> dict[str, list[tuple[Edge, str]]]:
    """Return the edges from each node, each once by relation and neighbour, inputs in the order they were told."""
    neighbours: dict[str, dict[tuple[str, str], tuple[Edge, str]]] = {}
    for edge in graph.edges:
        near, far = (edge.target, edge.source) if direction == Direction.UP else (edge.source, edge.target)
        if edge.relation == "job" and near != graph.start:
            continue  # a job leads to its runs, in either direction, and they not back
        if edge.relation == _LEADS_BACK[direction]:
            continue  # so does a run to its parts
        neighbours.setdefault(near, {}).setdefault((edge.relation, far), (edge, far))
    return {near: list(edges.values()) for near, edges in neighbours.items()}


def join(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    """Return each edge once, in the order first seen: one event or another may tell the same."""
    distinct: dict[tuple[str, str, str], Edge] = {}
    for edge in edges:
        distinct.setdefault((edge.source, edge.target, edge.relation), edge)
    return tuple(distinct.values())
