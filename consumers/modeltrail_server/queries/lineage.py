"""What something came from and what came of it: breadth first, a fixed number of statements for each step.

A step goes from versions to the runs that made (or used) them, and from those to what they used (or made). A step
costs two statements however wide it is; a version that very many runs used is cut to the latest of them, and said so.
What nobody recorded is inferred where it can be, and each such edge says from what (``inference``).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from modeltrail_schemas.identity import ref_key
from modeltrail_schemas.order import OrderKey

from modeltrail_server.projection.facts import LinkRow
from modeltrail_server.projection.tables import MARKS
from modeltrail_server.queries.ahead import Ahead
from modeltrail_server.queries.declarations import timelines_about
from modeltrail_server.queries.graph import Direction, Edge, Graph, Node, entity_node, join, run_node
from modeltrail_server.queries.inference import BY_NAME, Guess, infer_down, infer_up, is_told_later
from modeltrail_server.queries.lifecycle import END_OF_TIME, Timeline
from modeltrail_server.queries.names import VERSIONED_KINDS, Subject, latest_version
from modeltrail_server.queries.rows import ActivityLink, EntityLink
from modeltrail_server.queries.snapshot import Snapshot

MAX_STEPS = 100
MAX_NODES = 1_000
MAX_LINKS_PER_STEP = 5_000
MAX_NEIGHBOURS = 100
MAX_RUNS_OF_JOB = 20
MAX_LEVELS_OF_PARTS = 5
LINKS_OF_A_NEIGHBOUR = 3
STEPS_WORTH_LOOKING_AHEAD = 3
# A run's commit and environment lead on only where the question is about them.
_ASKED_FOR = frozenset({"commit", "environment"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a search goes: steps are runs; ``since_ns`` … ``until_ns`` are when the runs on the way began."""

    steps: int = MAX_STEPS
    max_nodes: int = MAX_NODES
    max_neighbours: int = MAX_NEIGHBOURS
    since_ns: int | None = None
    until_ns: int | None = None

    def allow(self, link: ActivityLink) -> bool:
        """Return whether the run of ``link`` began in the time asked for; jobs and runs of no known time always."""
        time_ns = link.first_time_ns
        early = self.since_ns is not None and time_ns < self.since_ns
        late = self.until_ns is not None and time_ns > self.until_ns
        return not time_ns or not (early or late)


def lineage(
    snapshot: Snapshot,
    subject: Subject,
    direction: Direction = Direction.UP,
    *,
    bounds: Bounds | None = None,
    more: Collection[Subject] = (),
) -> Graph:
    """Return the graph around ``subject`` (and ``more``, which the search begins from too).

    A model or dataset without version means its latest. Commits are shown, and not gone through unless asked for.
    """
    search = _Search(snapshot, direction, bounds or Bounds())
    start = search.begin(latest_version(snapshot, subject))
    for other in more:
        search.begin(other)
    for way in (Direction.UP, Direction.DOWN):
        if search.goes(way):
            search.follow(way)
    search.flag()
    return Graph(start, direction, search.named_nodes(), join(search.edges), complete=search.complete)


class _Search:
    """The state of one search: nodes by key, edges by id, and where it began."""

    def __init__(self, snapshot: Snapshot, direction: Direction, bounds: Bounds) -> None:
        self.snapshot, self.direction, self.bounds = snapshot, direction, bounds
        self.nodes: dict[bytes, Node] = {}
        self.edges: list[Edge] = []
        self.complete = True
        self.read_at: dict[bytes, set[OrderKey]] = {}
        self.made_at: dict[bytes, int] = {}
        self.nameless: set[bytes] = set()
        self.unasked: dict[bytes, set[OrderKey]] = {}
        self.again: set[bytes] = set()
        self.ahead = Ahead(snapshot)
        self.first_entities: set[bytes] = set()
        self.first_activities: set[bytes] = set()

    def goes(self, way: Direction) -> bool:
        """Return whether the search was asked to go this way."""
        return self.direction in (way, Direction.BOTH)

    def begin(self, subject: Subject) -> str:
        """Take ``subject`` as the start; return its node's id."""
        if subject.kind == "run":
            runs = self.snapshot.runs([subject.key])
            known = (runs[0].state, runs[0].job, runs[0].first_time_ns) if runs else ("", subject.ref, 0)
            self.nodes[subject.key] = run_node(subject.run_id, *known)
            self.first_activities.add(subject.key)
        else:
            self._add(subject.key, entity_node(subject.ref))
            self.first_entities.add(subject.key)
        if subject.kind == "job":
            self.first_activities.add(subject.key)
            for run in self.snapshot.last_runs_of_job(subject.key, limit=MAX_RUNS_OF_JOB):
                self.nodes[run.run_key] = run_node(run.run_id, run.state, run.job, run.first_time_ns)
                self.first_activities.add(run.run_key)
                job_id, run_id = self.nodes[subject.key].id, self.nodes[run.run_key].id
                self.edges += [Edge(job_id, run_id, "job"), Edge(run_id, job_id, "job")]
        self._begin_with_parts()
        return self.nodes[subject.key].id

    def _begin_with_parts(self) -> None:
        """Begin from the parts too of the runs that the search begins from: what a task did, its DAG's run did."""
        parents = {key for key in self.first_activities if self.nodes[key].kind == "run"}
        limit = self.bounds.max_neighbours
        for _ in range(MAX_LEVELS_OF_PARTS):
            found = self.snapshot.parts_of_runs(parents, limit=limit + 1) if parents else []
            self.complete = self.complete and len(found) <= limit
            parts = {run.run_key: run for run in reversed(found[:limit]) if run.run_key not in self.nodes}
            for key, run in parts.items():
                if run.parent_key is None or not self._add(
                    key, run_node(run.run_id, run.state, run.job, run.first_time_ns)
                ):
                    continue
                part, whole = self.nodes[key].id, self.nodes[run.parent_key].id
                self.edges += [Edge(part, whole, "part")] if self.goes(Direction.UP) else []
                self.edges += [Edge(whole, part, "whole")] if self.goes(Direction.DOWN) else []
            parents = set(parts) & set(self.nodes)
            self.first_activities |= parents

    def follow(self, way: Direction) -> None:
        """Go in one direction until the bounds, or until there is nothing new."""
        making, using = ("output", "input") if way == Direction.UP else ("input", "output")
        entities, activities = set(self.first_entities), set(self.first_activities)
        been = set(entities)
        for step in range(self.bounds.steps):
            kinds = {self.nodes[key].kind for key in entities} & _ASKED_FOR if way == Direction.DOWN else ()
            relations = [making, *sorted(kinds)]
            to_go = entities
            while to_go:  # what is inferred may lead on from where it leads
                if way == Direction.UP and self.bounds.steps - step >= STEPS_WORTH_LOOKING_AHEAD:
                    self.ahead.look(self.nodes, to_go, self.bounds.max_nodes - len(self.nodes))
                links = self._links_to_activities(to_go, relations, way)
                activities |= self._to_activities(links, way) - been
                guessed, to_go = self._infer(to_go, way, been)
                activities |= guessed - been
                been |= to_go
            been |= activities
            reached = self._to_entities(activities, [using, "commit"] if way == Direction.UP else [using], way)
            entities, activities = reached - (been - self.again), set()
            been |= entities
            if not entities:
                return
            if len(self.nodes) >= self.bounds.max_nodes:
                break
        self.complete = False
        if way == Direction.UP:
            self._infer(entities, way, been)  # what an alias at the edge of the graph meant is no run further

    def flag(self) -> None:
        """Mark what is retracted, deployed, not versioned."""
        versions = {key: node.ref for key, node in self.nodes.items() if node.kind in VERSIONED_KINDS}
        timelines = timelines_about(self.snapshot, versions, only=MARKS) if versions else {}
        for key, ref in versions.items():
            flags = _flags(self.nodes[key], timelines.get(ref.unversioned) if timelines else None)
            if flags:
                self.nodes[key] = self.nodes[key]._replace(flags=flags)

    def named_nodes(self) -> dict[str, Node]:
        """Return the nodes by id."""
        return {node.id: node for node in self.nodes.values()}

    def _to_activities(self, links: Iterable[ActivityLink], way: Direction, inferred: str = "") -> set[bytes]:
        """Add the runs and jobs that made (up) or used (down) entities; return their keys."""
        reached: set[bytes] = set()
        for link in links:
            key, row = link.link.activity_key, link.link
            if key is None or not self.bounds.allow(link):
                continue
            if key not in self.nodes and not self._add(key, _activity_node(link)):
                continue
            reached.add(key)
            versionless = not self.nodes[row.entity_key].ref.identity and row.relation not in _ASKED_FOR
            why = inferred or (BY_NAME if versionless and row.entity_key not in self.first_entities else "")
            self._connect(row.entity_key, key, way, row, why)
        return reached

    def _links_to_activities(
        self, entities: Collection[bytes], relations: list[str], way: Direction
    ) -> list[ActivityLink]:
        """Return the links of each entity to runs, the latest; an entity that has more of them is marked cut."""
        most = self.bounds.max_neighbours
        limit = max(MAX_LINKS_PER_STEP, most)
        links = self.ahead.makers(entities) if relations == ["output"] else None
        if links is None and len(entities) > 1:
            links = self.snapshot.activities_of_entities(entities, relations, limit=limit)
        if links is None or len(links) >= limit:
            pairs = [(key, relation) for key in entities for relation in relations]
            fetch, of_one = self.snapshot.last_activities, most * LINKS_OF_A_NEIGHBOUR
            links = [link for key, relation in pairs for link in fetch(key, relation, limit=of_one)]
        links = sorted(links, key=_latest_first) if len(links) > 1 else links
        if len(links) <= most:
            return self._in_their_time(links, way)
        kept: dict[bytes, set[bytes | None]] = {}
        chosen: list[ActivityLink] = []
        for link in links:
            activities = kept.setdefault(link.link.entity_key, set())
            if len(activities) < most or link.link.activity_key in activities:
                activities.add(link.link.activity_key)
                chosen.append(link)
            elif not self.nodes[link.link.entity_key].cut:
                self.nodes[link.link.entity_key] = self.nodes[link.link.entity_key]._replace(cut=True)
                self.complete = False
        return self._in_their_time(chosen, way)

    def _in_their_time(self, links: list[ActivityLink], way: Direction) -> list[ActivityLink]:
        """Return ``links`` without those by name that cannot be meant: a version was told, or the time is wrong."""
        by_name = [link for link in links if link.link.entity_key in self.nameless] if self.nameless else []
        if not by_name:
            return links
        told = is_told_later(self.snapshot, by_name)

        def possible(link: LinkRow) -> bool:
            if link.entity_key not in self.nameless:
                return True
            if way == Direction.UP:
                last_read = max(self.read_at.get(link.entity_key, ()), default=END_OF_TIME)
                in_time = (link.event_time_ns, link.event_id) <= last_read
            else:
                in_time = link.event_time_ns >= self.made_at.get(link.entity_key, 0)
            return in_time and (link.activity_key, link.entity_key) not in told

        return [link for link in links if possible(link.link)]

    def _to_entities(self, activities: Collection[bytes], relations: list[str], way: Direction) -> set[bytes]:
        """Add what these runs and jobs used (up) or made (down); return the keys of versions, not of commits.

        ``again`` are then those of which more may come than when they were reached before: a name or an alias that
        was read (up) at another time, a name that was made (down) earlier.
        """
        reached: set[bytes] = set()
        self.again = set()
        links = self.ahead.uses(activities) if way == Direction.UP else None
        if links is None:
            links = self.snapshot.entities_of_activities(activities, relations, limit=MAX_LINKS_PER_STEP)
        self.complete = self.complete and len(links) < MAX_LINKS_PER_STEP
        told = is_told_later(self.snapshot, links)
        for row, entity in sorted(links, key=_told_first):
            key = row.entity_key
            if told and (row.activity_key, key) in told:
                continue
            if key not in self.nodes and not self._add(key, entity_node(entity)):
                continue
            if entity.kind in VERSIONED_KINDS:
                reached.add(key)
                if entity.kind == "model" or key in self.nameless:
                    self._note_time(row, way)
            assert row.activity_key is not None
            self._connect(row.activity_key, key, way, row)
        return reached

    def _note_time(self, link: LinkRow, way: Direction) -> None:
        """Note when a model or a name was used or made, and whether something new may come of that."""
        key, moment = link.entity_key, (link.event_time_ns, link.event_id)
        read_at, made_ns = self.read_at.setdefault(key, set()), self.made_at.get(key, moment[0])
        if way == Direction.UP and moment not in read_at:
            self.unasked.setdefault(key, set()).add(moment)
            self.again.add(key)
        elif way == Direction.DOWN and moment[0] < made_ns and key in self.nameless:
            self.again.add(key)
        read_at.add(moment)
        self.made_at[key] = min(made_ns, moment[0])

    def _infer(self, entities: set[bytes], way: Direction, been: set[bytes]) -> tuple[set[bytes], set[bytes]]:
        """Add what is inferred of these: return the runs it leads to, and the further entities to go on from."""
        nodes = {key: node for key in entities if (node := self.nodes[key]).kind in VERSIONED_KINDS}
        if way == Direction.UP:
            nodes = {key: node for key, node in nodes.items() if node.kind == "model" or key in self.nameless}
            read_at = {key: self.unasked.pop(key) for key in nodes if key in self.unasked}
            guesses = infer_up(self.snapshot, nodes, read_at) if nodes else []
        else:
            guesses = infer_down(self.snapshot, nodes, limit=self.bounds.max_neighbours)
        activities: set[bytes] = set()
        further: set[bytes] = set()
        for guess in guesses:
            activities |= self._take(guess, way)
            far = ref_key(guess.source if way == Direction.UP else guess.target)
            if way == Direction.UP and far in self.nodes and far not in been:
                further.add(far)
        return activities, further

    def _take(self, guess: Guess, way: Direction) -> set[bytes]:
        """Add the edge that was guessed, and the runs it was guessed for; return their keys."""
        links = [link for link in guess.links if self.bounds.allow(link)]
        near, far = (guess.target, guess.source) if way == Direction.UP else (guess.source, guess.target)
        if (guess.links and not links) or not self._add(ref_key(far), entity_node(far)):
            return set()
        source, target = (self.nodes[ref_key(ref)].id for ref in (guess.source, guess.target))
        self.edges.append(Edge(source, target, guess.relation, inferred=guess.why))
        del near
        return self._to_activities(links, way, BY_NAME if guess.relation == "name" else "")

    def _add(self, key: bytes, node: Node) -> bool:
        """Return whether the node is in the graph now; it is not where the graph is full."""
        if key not in self.nodes:
            if len(self.nodes) >= self.bounds.max_nodes:
                self.complete = False
                return False
            self.nodes[key] = node
            if node.kind in VERSIONED_KINDS and not node.ref.identity:
                self.nameless.add(key)
        return True

    def _connect(self, near: bytes, far: bytes, way: Direction, link: LinkRow, inferred: str = "") -> None:
        source, target = (far, near) if way == Direction.UP else (near, far)
        told = (link.relation, link.role, link.event_id, inferred)
        self.edges.append(Edge(self.nodes[source].id, self.nodes[target].id, *told))


def _latest_first(item: ActivityLink) -> tuple[int, bytes]:
    return -item.link.event_time_ns, item.link.event_id


def _told_first(item: EntityLink) -> tuple[int, int, str]:
    """Return the order of a run's inputs in a tree: data before models before commits, each as told."""
    rank = {"dataset": 0, "model": 1}.get(item.entity.kind, 2)
    return rank, item.link.event_time_ns, item.entity.name


def _flags(node: Node, timeline: Timeline | None) -> tuple[str, ...]:
    flags = [] if node.ref.identity else ["version not recorded"]
    if timeline is not None:
        flags += ["RETRACTED"] if timeline.retraction_of(node.ref) else []
        running = [target for target, step in timeline.deployed.items() if step.subject == node.ref]
        flags += [f"deployed {target}".strip() for target in running]
    return tuple(flags)


def _activity_node(link: ActivityLink) -> Node:
    if link.run_id is None:
        return entity_node(link.job)
    return run_node(link.run_id, link.state, link.job, link.first_time_ns)
