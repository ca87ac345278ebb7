"""What something came from and what came of it: breadth first, a fixed number of statements for each step.

A step goes from versions to the runs that made (or used) them, and from those to what they used (or made). A step
costs two statements however wide it is; a version that very many runs used is cut to the latest of them, and said so.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from modeltrail_schemas.event import TERMINAL_STATES, Declaration, Kind, RunState
from modeltrail_schemas.identity import ref_key
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.order import OrderKey

from modeltrail_server.projection.facts import LinkRow
from modeltrail_server.queries.declarations import DEPLOYING, naming_timelines, timelines_about, words_for
from modeltrail_server.queries.display import display
from modeltrail_server.queries.graph import Direction, Edge, Graph, Node, join
from modeltrail_server.queries.lifecycle import END_OF_TIME, Timeline
from modeltrail_server.queries.names import VERSIONED_KINDS, Subject, latest_version
from modeltrail_server.queries.snapshot import ActivityLink, EntityLink, Snapshot

MAX_STEPS = 100
MAX_NODES = 1_000
MAX_LINKS_PER_STEP = 5_000
MAX_NEIGHBOURS = 100
MAX_LINKS_OF_ONE = 300
MAX_RUNS_OF_JOB = 20
NOTHING_DECLARED = Timeline((), ())
_STATES = frozenset(RunState)


def lineage(
    snapshot: Snapshot,
    subject: Subject,
    direction: Direction = Direction.UP,
    *,
    steps: int = MAX_STEPS,
    max_nodes: int = MAX_NODES,
) -> Graph:
    """Return the graph around ``subject``, at most ``steps`` runs away from it.

    A model or dataset without version means its latest. Commits are shown, and not gone through unless asked for.
    """
    search = _Search(snapshot, max_nodes)
    start = search.begin(latest_version(snapshot, subject))
    for way in (Direction.UP, Direction.DOWN):
        if direction in (way, Direction.BOTH):
            search.follow(way, steps)
    search.flag()
    return Graph(start, direction, search.named_nodes(), join(search.edges), complete=search.complete)


class _Search:
    """The state of one search: nodes by key, edges by id, and where it began."""

    def __init__(self, snapshot: Snapshot, max_nodes: int) -> None:
        self.snapshot = snapshot
        self.max_nodes = max_nodes
        self.nodes: dict[bytes, Node] = {}
        self.edges: list[Edge] = []
        self.complete = True
        self.timelines: dict[EntityRef, Timeline] = {}
        self.used_at: dict[bytes, OrderKey] = {}
        self.meanings: dict[bytes, set[EntityRef]] = {}
        self.first_entities: set[bytes] = set()
        self.first_activities: set[bytes] = set()

    def begin(self, subject: Subject) -> str:
        """Take ``subject`` as the start; return its node's id."""
        if subject.kind == "run":
            runs = self.snapshot.runs([subject.key])
            job, state, time_ns = (
                (runs[0].job, runs[0].state, runs[0].first_time_ns) if runs else (subject.ref, "", 0)
            )
            self.nodes[subject.key] = _run_node(subject.run_id, state, job, time_ns)
            self.first_activities.add(subject.key)
        else:
            self.nodes[subject.key] = _entity_node(subject.ref)
            self.first_entities.add(subject.key)
        if subject.kind == "job":
            self.first_activities.add(subject.key)
            for run in self.snapshot.last_runs_of_job(subject.key, limit=MAX_RUNS_OF_JOB):
                self.nodes[run.run_key] = _run_node(run.run_id, run.state, run.job, run.first_time_ns)
                self.first_activities.add(run.run_key)
                job_id, run_id = self.nodes[subject.key].id, self.nodes[run.run_key].id
                self.edges += [Edge(job_id, run_id, "job"), Edge(run_id, job_id, "job")]
        return self.nodes[subject.key].id

    def follow(self, way: Direction, steps: int) -> None:
        """Go ``steps`` runs far in one direction, or until there is nothing new."""
        making, using = ("output", "input") if way == Direction.UP else ("input", "output")
        entities, activities = set(self.first_entities), set(self.first_activities)
        been = set(entities)
        for step in range(steps):
            entities |= self._through_aliases(entities, way) - been
            been |= entities
            relations = [making, "commit"] if step == 0 and way == Direction.DOWN else [making]
            activities |= self._to_activities(entities, relations, way) - been
            been |= activities
            reached = self._to_entities(activities, [using, "commit"] if way == Direction.UP else [using], way)
            entities, activities = reached - been, set()
            if not entities:
                return
            if len(self.nodes) >= self.max_nodes:
                self.complete = False
                return
        self.complete = False

    def flag(self) -> None:
        """Mark what is retracted, deployed, not versioned; and, as of an earlier time, the state runs had then."""
        versions = [key for key, node in self.nodes.items() if node.kind in VERSIONED_KINDS]
        refs = [self.nodes[key].ref for key in versions]
        timelines = timelines_about(self.snapshot, refs, only=(Declaration.RETRACTED, *DEPLOYING))
        for key in versions:
            node = self.nodes[key]
            flags = _flags(node.ref, timelines.get(node.ref.unversioned))
            if flags:
                self.nodes[key] = replace(node, flags=flags)
        if self.snapshot.as_of:
            self._states_then()

    def named_nodes(self) -> dict[str, Node]:
        """Return the nodes by id."""
        return {node.id: node for node in self.nodes.values()}

    def _to_activities(self, entities: Collection[bytes], relations: list[str], way: Direction) -> set[bytes]:
        """Add the runs and jobs that made (up) or used (down) these entities; return their keys."""
        reached: set[bytes] = set()
        links, cut = self._links_to_activities(entities, relations)
        for link in links:
            key = link.link.activity_key
            if key is None or not self._meant(link.link, way):
                continue
            if key not in self.nodes:
                if len(self.nodes) >= self.max_nodes:
                    self.complete = False
                    continue
                self.nodes[key] = _activity_node(link)
            reached.add(key)
            near, far = self.nodes[link.link.entity_key].id, self.nodes[key].id
            source, target = (far, near) if way == Direction.UP else (near, far)
            self.edges.append(Edge(source, target, link.link.relation, link.link.role, link.link.event_id))
        for key in cut:
            self.nodes[key] = replace(self.nodes[key], cut=True)
            self.complete = False
        return reached

    def _links_to_activities(
        self, entities: Collection[bytes], relations: list[str]
    ) -> tuple[Iterable[ActivityLink], set[bytes]]:
        """Return the links of each entity to at most 100 runs, the latest; and the entities that have more."""
        links = self.snapshot.activities_of_entities(entities, relations, limit=MAX_LINKS_PER_STEP)
        if len(links) >= MAX_LINKS_PER_STEP:
            pairs = [(key, relation) for key in entities for relation in relations]
            fetch = self.snapshot.last_activities
            links = [link for key, relation in pairs for link in fetch(key, relation, limit=MAX_LINKS_OF_ONE)]
        latest_first = sorted(links, key=lambda link: (-link.link.event_time_ns, link.link.event_id))
        kept: dict[bytes, set[bytes | None]] = {}
        cut: set[bytes] = set()
        chosen: list[ActivityLink] = []
        for link in latest_first:
            activities = kept.setdefault(link.link.entity_key, set())
            if len(activities) < MAX_NEIGHBOURS or link.link.activity_key in activities:
                activities.add(link.link.activity_key)
                chosen.append(link)
            else:
                cut.add(link.link.entity_key)
        return chosen, cut

    def _to_entities(self, activities: Collection[bytes], relations: list[str], way: Direction) -> set[bytes]:
        """Add what these runs and jobs used (up) or made (down); return the keys of versions, not of commits."""
        reached: set[bytes] = set()
        links = self.snapshot.entities_of_activities(activities, relations, limit=MAX_LINKS_PER_STEP)
        self.complete = self.complete and len(links) < MAX_LINKS_PER_STEP
        for item in sorted(links, key=_told_first):
            key = item.link.entity_key
            if key not in self.nodes:
                if len(self.nodes) >= self.max_nodes:
                    self.complete = False
                    continue
                self.nodes[key] = _entity_node(item.entity)
            if item.entity.kind in VERSIONED_KINDS:
                reached.add(key)
                self.used_at.setdefault(key, (item.link.event_time_ns, item.link.event_id))
            assert item.link.activity_key is not None
            near, far = self.nodes[item.link.activity_key].id, self.nodes[key].id
            source, target = (far, near) if way == Direction.UP else (near, far)
            self.edges.append(Edge(source, target, item.link.relation, item.link.role, item.link.event_id))
        return reached

    def _through_aliases(self, entities: Collection[bytes], way: Direction) -> set[bytes]:
        """Add what lies behind aliases: a run that used ``embedder@production`` used the version it then meant.

        Up: from a word to that version. Down: from a version to the words that meant it. Returns the new keys.
        """
        models = {key: node.ref for key in entities if (node := self.nodes[key]).kind == "model" and node.ref.version}
        if not models:
            return set()
        pairs = self._meanings_of(models) if way == Direction.UP else self._words_used_for(models.values())
        return {self._add_alias(version, word, way) for version, word in pairs}

    def _meanings_of(self, models: dict[bytes, EntityRef]) -> list[tuple[EntityRef, EntityRef]]:
        """Return (version, word) for each of these that is a word nobody made, and meant a version when used."""
        made = {link.entity_key for link in self.snapshot.links_of_entities(models, ["output", "subject"])}
        words = {key: ref for key, ref in models.items() if key not in made}
        self._learn_aliases({ref.unversioned for ref in words.values()})
        meant = (
            (
                self.timelines[ref.unversioned].version_called(
                    ref.version, before=self.used_at.get(key, END_OF_TIME)
                ),
                ref,
            )
            for key, ref in words.items()
        )
        return [(version, word) for version, word in meant if version is not None and version != word]

    def _words_used_for(self, versions: Collection[EntityRef]) -> list[tuple[EntityRef, EntityRef]]:
        """Return (version, word) for each word that some run used and that ever meant one of these versions."""
        words = {
            ref_key(word): (version, word)
            for version, words in words_for(self.snapshot, versions).items()
            for word in (replace(version, version=text) for text in words)
        }
        used = [words[row.entity_key] for row in self.snapshot.entities(words)] if words else []
        self._learn_aliases({version.unversioned for version, _ in used})
        return used

    def _add_alias(self, version: EntityRef, word: EntityRef, way: Direction) -> bytes:
        version_key, word_key = ref_key(version), ref_key(word)
        self.nodes.setdefault(version_key, _entity_node(version))
        self.nodes.setdefault(word_key, _entity_node(word))
        self.meanings.setdefault(word_key, set()).add(version)
        why = f"{word.version!r} meant {display(version)} when it was used"
        self.edges.append(Edge(self.nodes[version_key].id, self.nodes[word_key].id, "alias", inferred=why))
        return version_key if way == Direction.UP else word_key

    def _meant(self, link: LinkRow, way: Direction) -> bool:
        """Return whether a run that used an alias used a version this search came from."""
        versions = self.meanings.get(link.entity_key) if way == Direction.DOWN else None
        if not versions:
            return True
        word = self.nodes[link.entity_key].ref
        before = (link.event_time_ns, link.event_id)
        return self.timelines[word.unversioned].version_called(word.version, before=before) in versions

    def _learn_aliases(self, names: Collection[EntityRef]) -> None:
        unknown = {name for name in names if name not in self.timelines}
        found = naming_timelines(self.snapshot, unknown) if unknown else {}
        self.timelines |= {name: found.get(name, NOTHING_DECLARED) for name in unknown}

    def _states_then(self) -> None:
        """Give each run the state it had as of then."""
        runs = [key for key, node in self.nodes.items() if node.kind == "run"]
        then: dict[bytes, tuple[tuple[bool, int, bytes], str]] = {}
        for key, kind, type_, time_ns, event_id in self.snapshot.states_of_runs(runs):
            if kind == Kind.RUN and type_ in _STATES:
                precedence = (type_ in TERMINAL_STATES, time_ns, event_id)
                then[key] = max(then.get(key, (precedence, type_)), (precedence, type_))
        for key in runs:
            self.nodes[key] = replace(self.nodes[key], state=then[key][1] if key in then else "")


def _told_first(item: EntityLink) -> tuple[int, int, str]:
    """Return the order of a run's inputs in a tree: data before models before commits, each as told."""
    rank = {"dataset": 0, "model": 1}.get(item.entity.kind, 2)
    return rank, item.link.event_time_ns, item.entity.name


def _flags(ref: EntityRef, timeline: Timeline | None) -> tuple[str, ...]:
    flags = [] if ref.identity else ["version not recorded"]
    if timeline is not None:
        flags += ["RETRACTED"] if timeline.retraction_of(ref) else []
        running = [target for target, step in timeline.deployed.items() if step.subject == ref]
        flags += [f"deployed {target}".strip() for target in running]
    return tuple(flags)


def _run_node(run_id: str, state: str, job: EntityRef, time_ns: int) -> Node:
    return Node(f"run:{run_id}", "run", run_id=run_id, state=state, job=job, time_ns=time_ns)


def _entity_node(ref: EntityRef) -> Node:
    return Node(f"{ref.kind}:{display(ref)}", ref.kind, ref)


def _activity_node(link: ActivityLink) -> Node:
    if link.run_id is None:
        return _entity_node(link.job)
    return _run_node(link.run_id, link.state, link.job, link.first_time_ns)
