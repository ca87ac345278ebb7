"""How two things are connected: a shortest way that data took from one to the other, or what both came from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from modeltrail_server.queries.graph import Direction, Edge, Graph, Node, distances, join, way_to, words_in
from modeltrail_server.queries.lineage import Bounds, lineage
from modeltrail_server.queries.names import VERSIONED_KINDS, Subject
from modeltrail_server.queries.snapshot import Snapshot

PATH_NODES = 10_000


class Connection(StrEnum):
    """How they are connected: data went from one to the other, both came from a third thing, or not at all."""

    FLOWS = "flows"
    SHARED = "shared"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Path:
    """The way from ``source`` to ``target``, as data went. Shared: the ways to both from ``origin``, in turn.

    ``complete`` is false when a bound ended the search: then there may be a shorter one, or one at all.
    """

    source: str
    target: str
    connection: Connection
    edges: tuple[Edge, ...] = ()
    origin: str = ""
    nodes: Mapping[str, Node] = field(default_factory=dict)
    complete: bool = True


def find_path(snapshot: Snapshot, one: Subject, other: Subject, *, bounds: Bounds | None = None) -> Path:
    """Return how ``one`` and ``other`` are connected, whichever of them came first."""
    bounds = bounds or Bounds(max_nodes=PATH_NODES)
    above_other = lineage(snapshot, other, bounds=bounds)
    if ways := _ways(above_other, one):
        return _flow(above_other, ways[0], above_other.start)
    above_one = lineage(snapshot, one, bounds=bounds)
    if ways := _ways(above_one, other):
        return _flow(above_one, ways[0], above_one.start)
    return _shared(above_one, above_other)


def _ways(graph: Graph, subject: Subject) -> list[str]:
    """Return the nodes of ``graph`` that ``subject`` names, the nearest first; a name means any version of it."""
    near = distances(graph, Direction.UP)
    words = words_in(graph) if not subject.ref.identity else frozenset[str]()
    found = [
        identity
        for identity, node in graph.nodes.items()
        if identity in near and identity not in words and _is_meant(node, subject)
    ]
    return sorted(found, key=lambda identity: (near[identity][0], identity))


def _is_meant(node: Node, subject: Subject) -> bool:
    if subject.kind == "run":
        return node.run_id == subject.run_id
    if subject.kind == "job":
        return subject.ref in (node.job, node.ref)
    if subject.kind in VERSIONED_KINDS and not subject.ref.identity:
        return node.ref.unversioned == subject.ref
    return node.ref == subject.ref


def _flow(graph: Graph, source: str, target: str) -> Path:
    edges = way_to(distances(graph, Direction.UP), Direction.UP, source)
    return Path(source, target, Connection.FLOWS, edges, nodes=_along(graph, source, edges), complete=graph.complete)


def _along(graph: Graph, start: str, edges: Iterable[Edge]) -> dict[str, Node]:
    return {identity: graph.nodes[identity] for identity in (start, *(edge.target for edge in edges))}


def _shared(one: Graph, other: Graph) -> Path:
    near_one, near_other = distances(one, Direction.UP), distances(other, Direction.UP)
    words = words_in(one) | words_in(other)  # a word may have meant another version each time
    both = [identity for identity in near_one if identity in near_other and identity not in words]
    complete = one.complete and other.complete
    nodes = {**one.nodes, **other.nodes}
    graph = replace(one, nodes=nodes, edges=join([*one.edges, *other.edges]), complete=complete)
    if not both:
        return Path(one.start, other.start, Connection.NONE, complete=complete)

    def rank(identity: str) -> tuple[bool, int, str]:
        return nodes[identity].kind == "commit", near_one[identity][0] + near_other[identity][0], identity

    origin = min(both, key=rank)
    edges = way_to(near_one, Direction.UP, origin) + way_to(near_other, Direction.UP, origin)
    along = _along(graph, origin, edges)
    return Path(one.start, other.start, Connection.SHARED, edges, origin, along, complete)
