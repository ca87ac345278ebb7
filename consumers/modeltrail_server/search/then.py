"""Which runs satisfied an expression as of a time: most the index tells, some are folded from the events that count.

A run of which nothing was told since has now the values that it had then: for these the index is asked, as now. Those
of which something was told both before and since are folded as the index folds them, up to a bound. Where they are
more, or nothing is indexed, runs are folded in the order of their beginning, the latest first, up to that bound;
whoever names a job, a run or a time in the expression narrows which are taken.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from modeltrail_schemas.identity import job_key, run_key
from modeltrail_schemas.names import parse_name
from sqlalchemy.sql.selectable import SelectBase

from modeltrail_server.projection.fetching import fetch, fetch_together
from modeltrail_server.queries.answering import run_line
from modeltrail_server.queries.fetched import MAX_KEYS_PER_STATEMENT, chunks
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.queries.statements import events
from modeltrail_server.search.expression import Expression, terms_of
from modeltrail_server.search.indexing import RUNS_A_FETCH, events_of_runs
from modeltrail_server.search.meaning import (
    Condition,
    Conjunction,
    Meaning,
    conditions_of,
    conjuncts_of,
    meaning_of,
    satisfies,
)
from modeltrail_server.search.progress import indexed_position
from modeltrail_server.search.results import Found, Hit, Ordering, place_of, shown_keys, shown_values
from modeltrail_server.search.rows import (
    ATTRIBUTE,
    MAX_NUMBER,
    METRIC,
    PARENT,
    STARTED,
    Key,
    Values,
    by_run,
    values_of,
)
from modeltrail_server.search.spans import SPREAD, Bound, bounds_of, settled_before, told_since
from modeltrail_server.search.statements import runs_numbered, runs_written, told
from modeltrail_server.search.tables import search_tables_of

MAX_RUNS_FOLDED = 2_000
MAX_ROWS_READ = 20_000
"""Of an index, for each key: a millisecond for some thousand."""
LAST_KEY = b"\xff" * 16
_JOB, _RUN = Key(ATTRIBUTE, "job"), Key(ATTRIBUTE, "run")

_Question = tuple[SelectBase, dict[str, object]]


@dataclass(frozen=True, slots=True)
class _Folded:
    """The best of the runs ``keys``, by the events that count. ``complete``: there are no others to be folded."""

    keys: frozenset[bytes]
    hits: tuple[Hit, ...]
    complete: bool


def find_then(
    snapshot: Snapshot, tree: Expression, ordering: Ordering, limit: int, *, find_now: Callable[[Meaning], Found]
) -> Found:
    """Return the runs that satisfied ``tree`` within the bound of ``snapshot``. Raises SearchSyntaxError.

    ``find_now`` asks the index. An answer that misses what counts and is not indexed yet is not complete.
    """
    search = _Then(snapshot, tree, ordering, limit)
    bounds, is_indexed = _bounds_of(snapshot)
    folded = search.straddling(bounds) if bounds else None
    if folded is None:
        folded = search.latest()
        if folded.complete or not bounds:
            return search.answer(folded)
    settled = find_now(Conjunction((*conjuncts_of(search.meaning), *settled_before(bounds))))
    return search.answer(folded, replace(settled, complete=settled.complete and is_indexed))


def _bounds_of(snapshot: Snapshot) -> tuple[tuple[Bound, ...], bool]:
    """Return by which bounds the index tells what was so then, none where it cannot; and whether it goes so far."""
    indexed, as_of = indexed_position(snapshot.connection, snapshot.tables.generation), snapshot.as_of
    if indexed is None or as_of is None or as_of.recorded_ms is not None:
        return (), False
    positions = fetch(snapshot.connection, events.positions(snapshot.tables), {})
    counting = {partition: next_offset for partition, next_offset, _ in positions}
    bounds = bounds_of(as_of, counting)
    if as_of.position is not None:
        offsets = dict(enumerate(as_of.position.offsets))
        counting = {partition: min(offset, offsets.get(partition, 0)) for partition, offset in counting.items()}
    done = dict(enumerate(indexed.offsets))
    return bounds, all(done.get(partition, 0) >= offset for partition, offset in counting.items())


class _Then:
    """One search as of a time."""

    def __init__(self, snapshot: Snapshot, tree: Expression, ordering: Ordering, limit: int) -> None:
        self.snapshot, self.ordering, self.limit = snapshot, ordering, limit
        self.tables = search_tables_of(snapshot.tables.generation)
        self.meaning, self.shown = meaning_of(tree), shown_keys(terms_of(tree), ordering)

    def answer(self, folded: _Folded, settled: Found | None = None) -> Found:
        """Return what was found both ways; of a run that was folded, what that told."""
        others = [hit for hit in settled.hits if run_key(hit.run.run_id) not in folded.keys] if settled else []
        hits = [*others, *folded.hits]
        hits.sort(key=lambda hit: place_of(hit, self.ordering), reverse=self.ordering.descending)
        complete = folded.complete and (settled is None or settled.complete) and len(hits) <= self.limit
        looked_at = len(folded.keys) + (settled.looked_at if settled else 0)
        return Found(self.ordering, tuple(hits[: self.limit]), complete, looked_at)

    def straddling(self, bounds: Sequence[Bound]) -> _Folded | None:
        """Fold the runs that may be told of both before ``bounds`` and since; None where they are too many."""
        everywhere: dict[str, object] = {"key_id": SPREAD.id, "least": 0.0, "most": MAX_NUMBER}
        questions: list[_Question] = [(runs_numbered(self.tables), everywhere)]
        latest_starts_ns = [math.inf]
        for bound in bounds:
            asked = [] if bound.is_the_beginning else list(self._ending_soon(bound))
            questions += asked
            latest_starts_ns += [bound.latest_start_ns] * len(asked)
        limited = [(statement, asked | {"row_limit": MAX_ROWS_READ}) for statement, asked in questions]
        found = fetch_together(self.snapshot.connection, limited)
        spread, *ending = (
            {key for key, started_ns in rows if started_ns <= latest_start_ns}
            for rows, latest_start_ns in zip(found, latest_starts_ns, strict=True)
        )
        if max(map(len, found)) >= MAX_ROWS_READ:
            return None
        keys = set[bytes]().union(*ending, self._told_since(sorted(spread), bounds))
        if len(keys) > MAX_RUNS_FOLDED:
            return None
        return self._folded(keys, self._satisfying(sorted(keys)), complete=True)

    def latest(self) -> _Folded:
        """Fold the runs that may satisfy the expression, the last to begin first."""
        keys, found, complete = set[bytes](), dict[bytes, Values](), True
        is_latest_first = not self.ordering.metric and self.ordering.descending
        for page in self._pages(conjuncts_of(self.meaning)):
            keys.update(page)
            found |= self._satisfying(page)
            if len(keys) >= MAX_RUNS_FOLDED or (len(found) > self.limit and is_latest_first):
                complete = False
                break
        return self._folded(keys, found, complete=complete)

    def _ending_soon(self, bound: Bound) -> Iterator[_Question]:
        """Yield what asks for the runs that end at a bound or after it, and are not too short to begin before."""
        (least, greatest), long = bound.short, bound.long
        for key in bound.ends:
            yield runs_numbered(self.tables), {"key_id": key.id, "least": least, "most": greatest}
        texts: dict[str, object] = {f"least_{place}": text for place, (text, _) in enumerate(long)}
        texts |= {f"greatest_{place}": text for place, (_, text) in enumerate(long)}
        yield runs_written(self.tables, len(long)), texts | {"key_id": bound.long_key.id}

    def _told_since(self, keys: Sequence[bytes], bounds: Sequence[Bound]) -> Iterator[bytes]:
        """Yield those of these runs of which something was told beyond ``bounds``."""
        since = told_since(bounds)
        ids = {condition.key.id: condition.key for condition in conditions_of(since)}
        for chunk in chunks(keys, MAX_KEYS_PER_STATEMENT):
            rows = fetch(self.snapshot.connection, told(self.tables), {"keys": chunk, "key_ids": list(ids)})
            yield from (key for key, own in by_run(rows, ids).items() if satisfies(since, own))

    def _satisfying(self, keys: Collection[bytes]) -> dict[bytes, Values]:
        """Return those of these runs that satisfied the expression, with what they were then."""
        found: dict[bytes, Values] = {}
        for chunk in chunks(keys, RUNS_A_FETCH):
            for key, run_id, stored in events_of_runs(self.snapshot, chunk):
                values = values_of(run_id, [each.event for each in stored])
                if satisfies(self.meaning, values.by_key):
                    found[key] = values
        return found

    def _folded(self, keys: Collection[bytes], found: Mapping[bytes, Values], *, complete: bool) -> _Folded:
        best = self._ordered(found)[: self.limit + 1]
        runs = {run.run_key: run for run in self.snapshot.runs(best)}
        hits = []
        for key in best:
            values = found[key]
            line = replace(run_line(runs[key]), started_ns=values.started_ns)
            parents = values.by_key.get(PARENT, [("", None)])
            hits.append(Hit(line, shown_values(self.shown, values.by_key, self.ordering), parents[0][0]))
        return _Folded(frozenset(keys), tuple(hits), complete)

    def _ordered(self, found: Mapping[bytes, Values]) -> list[bytes]:
        """Return the keys of these runs in the order asked for; a run without the metric is left out."""
        best = max if self.ordering.descending else min
        places: list[tuple[float, int, bytes]] = []
        for key, values in found.items():
            told_of = (
                values.by_key.get(Key(METRIC, self.ordering.metric), ()) if self.ordering.metric else [("", 0.0)]
            )
            if numbers := [number for _, number in told_of if number is not None]:
                places.append((best(numbers), values.started_ns, key))
        return [key for _, _, key in sorted(places, reverse=self.ordering.descending)]

    def _pages(self, parts: Sequence[Meaning]) -> Iterator[list[bytes]]:
        """Yield the runs that may satisfy all of ``parts`` by job and beginning as they are now, the latest first."""
        run_ids, job, since_ns = _texts(parts, _RUN), _texts(parts, _JOB), _since(parts)
        if run_ids:
            yield [run.run_key for run in self.snapshot.runs([run_key(text) for text in run_ids])]
            return
        ref = parse_name(job[0].replace("@", "%40"), kind="job") if len(job) == 1 else None
        key = job_key(ref.namespace, ref.name) if ref else None
        bound = self.snapshot.as_of.event_time_ns if self.snapshot.as_of else None
        after = None if bound is None else (bound + 1, LAST_KEY)  # what began later had not
        while runs := self.snapshot.runs_page(job_key=key, since_ns=since_ns, after=after, limit=RUNS_A_FETCH):
            yield [run.run_key for run in runs]
            after = self.snapshot.place_in_pages(runs[-1])


def _texts(parts: Sequence[Meaning], key: Key) -> list[str]:
    """Return the texts that the value under ``key`` must be one of; none where it need not."""
    for part in parts:
        if isinstance(part, Condition) and part.key == key:
            for test in part.tests:
                if test.operator in ("=", "in"):
                    return [str(value) for value in test.values]
    return []


def _since(parts: Sequence[Meaning]) -> int | None:
    """Return before when no run that satisfies ``parts`` began; numbers of the index are rounded."""
    bounds = [
        float(test.values[0])
        for part in parts
        if isinstance(part, Condition) and part.key == STARTED
        for test in part.tests
        if test.operator in (">", ">=")
    ]
    return int(max(bounds)) - 1_000 if bounds else None
