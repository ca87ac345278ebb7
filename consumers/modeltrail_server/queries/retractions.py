"""What was retracted among all that a thing came from: found by keys alone, without the graph of what lies between.

What is retracted is little, what a thing came from may be very much. So the first is fetched, and of the second only
keys (see sources.py), for several things together. Where very much is retracted, the lineage is followed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from modeltrail_schemas.identity import ref_key
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.order import OrderKey

from modeltrail_server.queries.display import display
from modeltrail_server.queries.lineage import lineage
from modeltrail_server.queries.names import VERSIONED_KINDS, Subject, latest_version
from modeltrail_server.queries.rows import ref_of
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.queries.sources import Sources, sources_of

MAX_RETRACTIONS = 1_000
MAX_RETRACTED = 20_000
MAX_SHARED = 100_000


@dataclass(frozen=True, slots=True)
class RetractedAbove:
    """The versions, and names read without one, that are retracted among ``seen`` things up a lineage.

    ``complete`` is false where a bound ended the search.
    """

    refs: tuple[EntityRef, ...] = ()
    seen: int = 0
    complete: bool = True


class Retractions:
    """All that is retracted, to be found among what things came from.

    ``starts`` are the keys of versions that will be asked about: what they all came from is then fetched together.
    """

    def __init__(self, snapshot: Snapshot, starts: Collection[bytes] = ()) -> None:
        self._snapshot, self._starts = snapshot, starts

    def above(self, subject: Subject) -> RetractedAbove:
        """Return what is retracted among all that a model version or a run came from, itself left out."""
        retracted = self._retracted
        if retracted is None:
            return _retracted_in_lineage(self._snapshot, subject)
        if not retracted:
            return RetractedAbove()  # so nothing is up there either, however large it is
        start = latest_version(self._snapshot, subject).key
        shared = self._shared.of(start) if len(self._starts) > 1 and subject.kind != "run" else None
        keys, complete = (shared, True) if shared is not None else self._sources_of(subject)
        found = (keys & retracted) - {start}
        refs = [ref_of(row) for row in self._snapshot.entities(found)] if found else []
        return RetractedAbove(tuple(sorted(refs, key=display)), len(keys), complete)

    def _sources_of(self, subject: Subject) -> tuple[set[bytes], bool]:
        sources = sources_of(self._snapshot, subject)
        return sources.keys, sources.complete

    @cached_property
    def _retracted(self) -> frozenset[bytes] | None:
        """Return the keys of all that is retracted; None where that is too much."""
        retracting = self._snapshot.retractions(limit=MAX_RETRACTIONS + 1)
        refs = {ref.target for event in retracting for ref in event.subjects if ref.kind in VERSIONED_KINDS}
        names = [ref_key(ref) for ref in refs if not ref.identity]
        of_names = self._snapshot.keys_of_names(names, limit=MAX_RETRACTED) if names else []
        if len(retracting) > MAX_RETRACTIONS or len(of_names) >= MAX_RETRACTED:
            return None
        return frozenset([*map(ref_key, refs), *of_names])

    @cached_property
    def _shared(self) -> "_Shared":
        return _Shared(self._snapshot, self._starts)


def _retracted_in_lineage(snapshot: Snapshot, subject: Subject) -> RetractedAbove:
    graph = lineage(snapshot, subject)
    flagged = [
        node.ref
        for node in graph.nodes.values()
        if "RETRACTED" in node.flags and node.kind in VERSIONED_KINDS and node.id != graph.start
    ]
    return RetractedAbove(tuple(sorted(flagged, key=display)), len(graph.nodes), graph.complete)


class _Shared:
    """What several versions came from by what events tell, fetched once; of what is inferred only that it is."""

    def __init__(self, snapshot: Snapshot, starts: Collection[bytes]) -> None:
        rows = snapshot.upstream(starts, (), limit=MAX_SHARED, edges=True)
        self._starts = frozenset(starts)
        self._led_to: dict[bytes, list[bytes]] = {}
        self._complete = len(rows) < MAX_SHARED
        read_at: dict[bytes, set[OrderKey]] = {key: set() for key in starts}
        for key, onward_key, read_at_ns, read_by, led_from in rows:
            if led_from is not None:
                self._led_to.setdefault(led_from, []).extend(
                    (key,) if onward_key in (key, None) else (key, onward_key)
                )
            if read_at_ns is not None:
                read_at.setdefault(key, set()).add((read_at_ns, read_by))
        sources = Sources(snapshot)
        self._doubtful = sources.leading_further(read_at) if self._complete else set()

    def of(self, start: bytes) -> set[bytes] | None:
        """Return the keys of all that a version came from, itself included; None where not all of it is here."""
        if not self._complete or start not in self._starts:
            return None
        found, new = {start}, [start]
        while new:
            onward = [key for origin in new for key in self._led_to.get(origin, ()) if key not in found]
            found.update(onward)
            new = list(dict.fromkeys(onward))
        return None if found & self._doubtful else found
