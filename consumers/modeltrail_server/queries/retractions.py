"""What was retracted among all that a thing came from: found by keys alone, without the graph of what lies between.

What is retracted is little, what a thing came from may be very much. So the first is fetched, and of the second only
keys, by one statement for all that events tell; what is inferred (an alias, a base, who made what has no version) is
asked of ``inference``. Where very much is retracted, the lineage is followed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from modeltrail_schemas.identity import ref_key
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.order import OrderKey

from modeltrail_server.queries.display import display
from modeltrail_server.queries.graph import entity_node
from modeltrail_server.queries.inference import infer_up, is_told_later
from modeltrail_server.queries.lifecycle import END_OF_TIME
from modeltrail_server.queries.lineage import MAX_LEVELS_OF_PARTS, MAX_NEIGHBOURS, lineage
from modeltrail_server.queries.names import VERSIONED_KINDS, Subject, latest_version
from modeltrail_server.queries.rows import ref_of
from modeltrail_server.queries.snapshot import MAX_LINKS, Snapshot

MAX_RETRACTIONS = 1_000
MAX_RETRACTED = 20_000
MAX_SOURCES = 20_000
MAX_ROUNDS = 100
MAX_READINGS = 500


@dataclass(frozen=True, slots=True)
class RetractedAbove:
    """The versions, and names read without one, that are retracted among ``seen`` things up a lineage.

    ``complete`` is false where a bound ended the search.
    """

    refs: tuple[EntityRef, ...] = ()
    seen: int = 0
    complete: bool = True


def retracted_above(snapshot: Snapshot, subject: Subject) -> RetractedAbove:
    """Return what is retracted among all that a model version or a run came from, itself left out."""
    retracting = snapshot.retractions(limit=MAX_RETRACTIONS + 1)
    if not retracting:
        return RetractedAbove()  # so nothing is up there either, however large it is
    refs = {ref.target for event in retracting for ref in event.subjects if ref.kind in VERSIONED_KINDS}
    names = [ref_key(ref) for ref in refs if not ref.identity]
    of_names = snapshot.keys_of_names(names, limit=MAX_RETRACTED) if names else []
    if len(retracting) > MAX_RETRACTIONS or len(of_names) >= MAX_RETRACTED:
        return _retracted_in_lineage(snapshot, subject)
    sources = sources_of(snapshot, subject)
    found = sources.keys & {*map(ref_key, refs), *of_names} - {latest_version(snapshot, subject).key}
    above = [ref_of(row) for row in snapshot.entities(found)] if found else []
    return RetractedAbove(tuple(sorted(above, key=display)), len(sources.keys), sources.complete)


def _retracted_in_lineage(snapshot: Snapshot, subject: Subject) -> RetractedAbove:
    graph = lineage(snapshot, subject)
    flagged = [
        node.ref
        for node in graph.nodes.values()
        if "RETRACTED" in node.flags and node.kind in VERSIONED_KINDS and node.id != graph.start
    ]
    return RetractedAbove(tuple(sorted(flagged, key=display)), len(graph.nodes), graph.complete)


class Sources:
    """All the named things that a search upward has met, by key, and when they were read.

    They are those of the lineage upward, but that neither its size nor its width is bounded: what of a lineage tells
    how things are connected is left out.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.keys: set[bytes] = set()
        self.complete = True
        self._snapshot = snapshot
        self._activities: set[bytes] = set()
        self._refs: dict[bytes, EntityRef] = {}
        self._read_at: dict[bytes, set[OrderKey]] = {}

    def follow(self, entities: Collection[bytes], activities: Collection[bytes]) -> None:
        """Add what these came from, themselves included, as long as there is anything new."""
        further, acting = set(entities), set(activities)
        for _ in range(MAX_ROUNDS):
            read_at = self._follow_told(further, acting)
            asked = further | read_at.keys()
            further, acting = self._infer(asked, read_at) if asked else (set(), set())
            if not further and not acting:
                return
        self.complete = False

    def _follow_told(self, entities: set[bytes], activities: set[bytes]) -> dict[bytes, set[OrderKey]]:
        """Add what events tell; return what inference must be asked about, and the times at which that was read."""
        self.keys |= entities
        self._activities |= activities
        rows = self._snapshot.upstream(entities, activities, limit=MAX_SOURCES)
        self.complete = self.complete and len(rows) < MAX_SOURCES
        new: dict[bytes, set[OrderKey]] = {}
        for key, onward_key, read_at_ns, read_by in rows:
            self.keys.add(key)
            if onward_key is not None:
                self.keys.add(onward_key)
            if read_at_ns is not None and (read_at_ns, read_by) not in self._read_at.get(key, ()):
                new.setdefault(key, set()).add((read_at_ns, read_by))
        for key, moments in new.items():
            self._read_at.setdefault(key, set()).update(moments)
            self.complete = self.complete and len(moments) <= MAX_READINGS
        return new

    def _infer(self, asked: set[bytes], read_at: Mapping[bytes, set[OrderKey]]) -> tuple[set[bytes], set[bytes]]:
        """Return the things and activities, met for the first time, that these, read then, came from by inference."""
        self._refs |= {row.entity_key: ref_of(row) for row in self._snapshot.entities(asked - self._refs.keys())}
        refs = {key: self._refs[key] for key in asked if key in self._refs}
        told = self._snapshot.as_of is None  # so of data the statement knew the version that was the latest
        nodes = {
            key: entity_node(ref)
            for key, ref in refs.items()
            if ref.kind in VERSIONED_KINDS and (ref.kind == "model" or not (ref.identity or told))
        }
        guesses = infer_up(self._snapshot, nodes, read_at, most=MAX_READINGS)
        sources = {ref_key(guess.source): guess.source for guess in guesses}
        self._refs |= sources
        nameless = {key for key, ref in refs.items() if not ref.identity}
        makers = self._makers_by_name(nameless) if nameless else set()
        return sources.keys() - self.keys, makers - self._activities

    def _makers_by_name(self, names: set[bytes]) -> set[bytes]:
        """Return who may have made what was read by these names: not later, and told no version of it."""
        links = self._snapshot.activities_of_entities(names, ["output"], limit=MAX_LINKS)
        self.complete = self.complete and len(links) < MAX_LINKS
        told = is_told_later(self._snapshot, links)
        last_read = {key: max(self._read_at.get(key, ()), default=END_OF_TIME) for key in names}
        return {
            key
            for link in links
            if (key := link.link.activity_key) is not None
            and (link.link.event_time_ns, link.link.event_id) <= last_read[link.link.entity_key]
            and (key, link.link.entity_key) not in told
        }


def sources_of(snapshot: Snapshot, subject: Subject) -> Sources:
    """Return all the named things that a model version or a run (with its parts) came from, itself included."""
    sources = Sources(snapshot)
    if subject.kind == "run":
        runs, complete = _with_parts(snapshot, subject.key)
        sources.complete = complete
        sources.follow((), runs)
    else:
        sources.follow([latest_version(snapshot, subject).key], ())
    return sources


def _with_parts(snapshot: Snapshot, run_key: bytes) -> tuple[set[bytes], bool]:
    """Return a run and its parts, as a lineage begins with them, and whether those are all."""
    runs, wholes, complete = {run_key}, {run_key}, True
    for _ in range(MAX_LEVELS_OF_PARTS):
        parts = snapshot.parts_of_runs(wholes, limit=MAX_NEIGHBOURS + 1) if wholes else []
        complete = complete and len(parts) <= MAX_NEIGHBOURS
        wholes = {run.run_key for run in parts[:MAX_NEIGHBOURS]} - runs
        runs |= wholes
    return runs, complete
