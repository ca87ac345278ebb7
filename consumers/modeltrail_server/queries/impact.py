"""What stands on a thing that turned out bad: every model version, where it runs, whose it is, and what to do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import quote
from typing import NamedTuple

from modeltrail_schemas.counting import counted
from modeltrail_schemas.event import Declaration
from modeltrail_schemas.identity import ref_key
from modeltrail_schemas.names import NO_ENTITY, EntityRef

from modeltrail_server.projection.cycles import no_cycle_collection
from modeltrail_server.queries.declarations import NOTHING_DECLARED, standing, timelines_about
from modeltrail_server.queries.display import display
from modeltrail_server.queries.errors import NotFoundError
from modeltrail_server.queries.graph import Direction, Edge, Graph, Node, distances, words_in
from modeltrail_server.queries.lineage import Bounds, lineage
from modeltrail_server.queries.names import VERSIONED_KINDS, Subject
from modeltrail_server.queries.packages import Environments, Package, find_environments
from modeltrail_server.queries.records import Step
from modeltrail_server.queries.rows import ref_of
from modeltrail_server.queries.snapshot import Snapshot

IMPACT_NODES = 20_000
MAX_VERSIONS_OF_NAME = 1_000
MAX_ADVICE = 12
MAX_JOBS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Affected:
    """A model version that stands on the thing asked about, ``runs_away`` runs from it.

    ``inferred``: why it is only likely; empty where every step of the way is recorded. ``way`` are the ids of the
    nodes between, nearest to the thing first; ``made_by`` the id of the run (or job) that made it.
    """

    model: EntityRef
    runs_away: int
    inferred: str = ""
    aliases: tuple[Step, ...] = ()
    deployed: tuple[Step, ...] = ()
    owners: tuple[str, ...] = ()
    made_by: str = ""
    job: EntityRef = NO_ENTITY
    way: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """Something to do, and the command that does it, if one does."""

    what: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Impact:
    """All that stands on ``subject``. Deployed ones come first, then those with an alias, then by distance.

    Of a package: ``environments`` hold it, ``package_versions`` are those they hold; ``not_compared`` are versions
    that are none by PEP 440, so that nobody can say whether they are within a range.

    ``own``: where the thing itself, a model version, is deployed. ``complete``: no bound ended the search.
    """

    subject: str
    models: tuple[Affected, ...] = ()
    own: tuple[Step, ...] = ()
    datasets: int = 0
    runs: int = 0
    environments: int = 0
    package_versions: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    retracted: bool = False
    advice: tuple[Advice, ...] = ()
    complete: bool = True


def impact(snapshot: Snapshot, subject: Subject, *, bounds: Bounds | None = None) -> Impact:
    """Return what stands on a dataset or model version, run, job or commit. A name means all its versions."""
    with no_cycle_collection():
        subjects = [subject, *_versions_of(snapshot, subject)]
        graph = lineage(snapshot, subject, Direction.DOWN, bounds=_wide(bounds), more=subjects[1:])
        graph = _rooted(graph, subject.text, subjects)
        return _weigh(snapshot, graph, subject.text, {item.ref for item in subjects})


def package_impact(snapshot: Snapshot, package: Package, *, bounds: Bounds | None = None) -> Impact:
    """Return what was trained in an environment that holds a package, and what stands on that.

    Raises NotFoundError when no environment that is recorded holds it.
    """
    found = find_environments(snapshot, package)
    if not found.holding:
        raise NotFoundError(_holds_not(package, found), remedy=_remedy(package, found))
    subjects = [Subject("environment", ref_key(ref), ref) for ref in found.holding]
    with no_cycle_collection():
        graph = lineage(snapshot, subjects[0], Direction.DOWN, bounds=_wide(bounds), more=subjects[1:])
        weighed = _weigh(snapshot, _rooted(graph, package.text, subjects), package.text, set())
    return replace(
        weighed,
        environments=len(subjects),
        package_versions=tuple(sorted(set(found.holding.values()))),
        not_compared=found.unreadable,
        advice=tuple(_of_package(advice, package) for advice in weighed.advice),
        complete=weighed.complete and found.complete,
    )


def _holds_not(package: Package, found: Environments) -> str:
    return f"none of {counted(found.looked_at, 'recorded environment')} holds {package.text.partition(':')[2]}"


def _remedy(package: Package, found: Environments) -> str:
    if package.version:
        return f"for other versions: modeltrail impact package:{package.name}"
    if not found.others:
        return "a package's name is that of its distribution: scikit-learn"
    unsure = f"; no versions by PEP 440: {', '.join(found.unreadable)}" if found.unreadable else ""
    return f"they hold {package.name} {', '.join(found.others)}{unsure}"


def _of_package(advice: Advice, package: Package) -> Advice:
    """Return what to do about a package: it is not done without, but in another version."""
    other = f"with another {package.name}" + (f" than {package.version or package.specifier}")
    return replace(advice, what=advice.what.replace("without it", other.removesuffix(" than "), 1))


def _wide(bounds: Bounds | None) -> Bounds:
    return bounds or Bounds(max_nodes=IMPACT_NODES, max_neighbours=IMPACT_NODES)


def _versions_of(snapshot: Snapshot, subject: Subject) -> list[Subject]:
    if subject.kind not in VERSIONED_KINDS or subject.ref.identity:
        return []
    rows = snapshot.versions_of_name(subject.key, limit=MAX_VERSIONS_OF_NAME)
    return [Subject(subject.kind, row.entity_key, ref_of(row)) for row in rows]


def _rooted(graph: Graph, text: str, subjects: Sequence[Subject]) -> Graph:
    """Return ``graph`` with one start from which each of ``subjects`` is reached."""
    if len(subjects) == 1 and graph.start == subjects[0].text:
        return graph
    root = Node(f"all {text}", "all")
    begun = {(subject.kind, subject.ref) for subject in subjects}
    roots = [identity for identity, node in graph.nodes.items() if (node.kind, node.ref) in begun]
    edges = [Edge(root.id, identity, "package") for identity in roots]
    return replace(graph, start=root.id, nodes={**graph.nodes, root.id: root}, edges=(*graph.edges, *edges))


def _weigh(snapshot: Snapshot, graph: Graph, text: str, own: Collection[EntityRef]) -> Impact:
    near = distances(graph, Direction.DOWN)
    models = [node for identity, node in graph.nodes.items() if node.kind == "model" and identity in near]
    words = words_in(graph)
    reached = [node for node in models if node.ref not in own and node.id not in words]
    ways = _ways(graph, near)
    stands = standing(snapshot, {node.ref.unversioned for node in models})
    described = timelines_about(snapshot, {node.ref for node in reached}, only=(Declaration.DESCRIBED,))
    affected = []
    for node in reached:
        timeline = stands.get(node.ref.unversioned, NOTHING_DECLARED)
        about = described.get(node.ref.unversioned, NOTHING_DECLARED).words_about(node.ref)
        affected.append(
            replace(
                _affected(graph, ways, node),
                aliases=tuple(step for step in timeline.aliases.values() if step.subject == node.ref),
                deployed=tuple(step for step in timeline.deployed.values() if step.subject == node.ref),
                owners=about.owners,
            )
        )
    running = [step for line in stands.values() for step in line.deployed.values() if step.subject in own]
    found = Impact(
        subject=text,
        models=tuple(sorted(affected, key=_urgency)),
        own=tuple(running),
        datasets=_count(graph, near, "dataset", own),
        runs=_count(graph, near, "run", own),
        retracted=any("RETRACTED" in node.flags for node in graph.nodes.values() if node.ref in own),
        complete=graph.complete,
    )
    return replace(found, advice=tuple(_advice(found, own)[:MAX_ADVICE]))


class _Way(NamedTuple):
    """A shortest way to a node: the ids of the nodes between, how many of them are runs or jobs, what is inferred."""

    between: tuple[str, ...]
    runs: int
    inferred: tuple[str, ...]


def _ways(graph: Graph, near: Mapping[str, tuple[int, Edge | None]]) -> dict[str, _Way]:
    """Return a shortest way to each node that ``distances`` reached: that to the one before it, and a step more."""
    ways: dict[str, _Way] = {}
    for identity, (distance, edge) in near.items():  # the nearest come first
        if edge is None:
            ways[identity] = _Way((), 0, ())
            continue
        between, runs, inferred = ways[edge.source]
        if distance > 1:
            between, runs = (*between, edge.source), runs + (graph.nodes[edge.source].kind in ("run", "job"))
        ways[identity] = _Way(between, runs, (*inferred, edge.inferred) if edge.inferred else inferred)
    return ways


def _affected(graph: Graph, ways: Mapping[str, _Way], node: Node) -> Affected:
    between, runs_away, inferred = ways[node.id]
    maker = graph.nodes[between[-1] if between else graph.start]
    job = maker.job if maker.kind == "run" else maker.ref if maker.kind == "job" else NO_ENTITY
    why = "; ".join(dict.fromkeys(inferred))
    return Affected(node.ref, runs_away, why, made_by=maker.id, job=job, way=between)


def _urgency(item: Affected) -> tuple[bool, bool, bool, int, str]:
    return not item.deployed, not item.aliases, bool(item.inferred), item.runs_away, display(item.model)


def _count(graph: Graph, near: Mapping[str, object], kind: str, own: Collection[EntityRef]) -> int:
    nodes = (node for identity, node in graph.nodes.items() if identity in near and node.kind == kind)
    return sum(kind == "run" or node.ref not in own for node in nodes)


def _advice(found: Impact, own: Collection[EntityRef]) -> list[Advice]:
    """Return what to do, most urgent first."""
    advice = [_taking_out(step, "") for step in found.own]
    for item in found.models:
        whom = f", with {', '.join(item.owners)}" if item.owners else ""
        advice += [_taking_out(step, whom) for step in item.deployed]
    used = [item for item in found.models if item.deployed or item.aliases]
    jobs = dict.fromkeys(display(item.job) for item in used if item.job.name)
    if jobs:
        advice.append(Advice(f"train again without it: {', '.join(list(jobs)[:MAX_JOBS_NAMED])}"))
    if any(item.inferred for item in found.models):
        command = "modeltrail run correct RUN --input NAME@VERSION --why REASON"
        advice.append(Advice("settle what is only inferred: say which version each run read", command))
    datasets = sorted(display(ref) for ref in own if ref.kind == "dataset" and ref.identity)
    if datasets and found.models and not found.retracted:
        command = f"modeltrail dataset retract {quote(datasets[0])} --why REASON"
        advice.append(Advice("if it is bad, warn whoever meets it", command))
    return advice


def _taking_out(step: Step, whom: str) -> Advice:
    model = display(step.subject)
    option = f" --target {quote(step.value)}" if step.value else ""
    return Advice(
        f"take {model} out of {step.value or 'use'}{whom}", f"modeltrail model retire {quote(model)}{option}"
    )
