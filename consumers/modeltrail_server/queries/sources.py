"""All the named things that something came from, by key alone: the lineage upward without the graph of it.

What events tell is asked for by one statement, what is inferred (an alias, a base, who made what has no version) of
``inference``; both in turn, until nothing is new. What of these is retracted, ``retractions`` says.
"""

from collections.abc import Collection, Mapping

from modeltrail_schemas.identity import ref_key
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.order import OrderKey

from modeltrail_server.queries.fetched import MAX_KEYS_PER_STATEMENT, chunks
from modeltrail_server.queries.graph import Node, entity_node
from modeltrail_server.queries.inference import infer_up, is_told_later
from modeltrail_server.queries.lifecycle import END_OF_TIME
from modeltrail_server.queries.lineage import MAX_LEVELS_OF_PARTS, MAX_NEIGHBOURS
from modeltrail_server.queries.names import VERSIONED_KINDS, Subject, latest_version
from modeltrail_server.queries.rows import ref_of
from modeltrail_server.queries.snapshot import MAX_LINKS, Snapshot

MAX_SOURCES = 20_000
MAX_ROUNDS = 100
MAX_READINGS = 500


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

    def leading_further(self, read_at: Mapping[bytes, set[OrderKey]]) -> set[bytes]:
        """Return those of these, read then, of which inference knows something that they came from."""
        self._read_at = {key: moments for key, moments in read_at.items() if moments}
        further = set()
        for chunk in chunks(read_at, MAX_KEYS_PER_STATEMENT):
            nodes, nameless = self._asked(set(chunk))
            further |= {ref_key(guess.target) for guess in infer_up(self._snapshot, nodes, self._read_at)}
            further |= {key for key in nameless if self._makers_by_name({key})}
        return further

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
        nodes, nameless = self._asked(asked)
        guesses = infer_up(self._snapshot, nodes, read_at, most=MAX_READINGS)
        sources = {ref_key(guess.source): guess.source for guess in guesses}
        self._refs |= sources
        makers = self._makers_by_name(nameless) if nameless else set()
        return sources.keys() - self.keys, makers - self._activities

    def _asked(self, keys: set[bytes]) -> tuple[dict[bytes, Node], set[bytes]]:
        """Return the nodes of which inference is asked where they came from, and all that have no version."""
        self._refs |= {row.entity_key: ref_of(row) for row in self._snapshot.entities(keys - self._refs.keys())}
        refs = {key: self._refs[key] for key in keys if key in self._refs}
        told = self._snapshot.as_of is None  # so of data the statement knew the version that was the latest
        nodes = {
            key: entity_node(ref)
            for key, ref in refs.items()
            if ref.kind in VERSIONED_KINDS and (ref.kind == "model" or not (ref.identity or told))
        }
        return nodes, {key for key, ref in refs.items() if not ref.identity}

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
