"""Which runs satisfy an expression now. Cost follows the size of the answer, and is bounded where the answer is rare.

Each comparison is a range of the index. A range of few runs is gathered whole; one that is all that is asked, and in
the order asked for, is read from its beginning. Else the columns tell which runs may satisfy all, the best first, and
what these have exactly is looked up until the answer is full.
"""

import operator
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from modeltrail_server.projection.cycles import no_cycle_collection
from modeltrail_server.projection.fetching import fetch
from modeltrail_server.queries.answering import run_line
from modeltrail_server.queries.fetched import MAX_KEYS_PER_STATEMENT
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.search.covering import Cover, smallest_cover
from modeltrail_server.search.expression import (
    ORDERED,
    Expression,
    SearchSyntaxError,
    Term,
    parse_expression,
    parse_key,
    terms_of,
)
from modeltrail_server.search.keeping import KeptColumns
from modeltrail_server.search.meaning import (
    Condition,
    Conjunction,
    Meaning,
    conditions_of,
    conjuncts_of,
    meaning_of,
    satisfying,
)
from modeltrail_server.search.narrowing import Candidates
from modeltrail_server.search.results import Found, Hit, Ordering, shown_keys, shown_values
from modeltrail_server.search.rows import METRIC, PARENT, STARTED, Key, ValuesByKey, by_run
from modeltrail_server.search.statements import Catalogue, Range, range_of, told, told_of_ordinals
from modeltrail_server.search.tables import search_tables_of
from modeltrail_server.search.then import find_then

FEW_ROWS = 300
ROWS_A_RUN = 2
"""A run has several rows of a key: what a metric was on several datasets."""
FEWEST_CANDIDATES = 32
MAX_WHOLE = 150
"""Of so many runs all that counts is read at once; of more, first what they are ordered by."""
MAX_CANDIDATES = 20_000
MAX_GATHERED_ROWS = 40_000
DEFAULT_LIMIT = 50
MAX_LIMIT = 1_000


class _Row(NamedTuple):
    """A run that was found: what it is ordered by, in this order."""

    number: float | None
    started_ns: int
    run_key: bytes


def parse_ordering(text: str) -> Ordering:
    """Return the ordering of ``metrics.auc [asc|desc]`` or ``started [asc|desc]``. Raises SearchSyntaxError."""
    key, _, way = text.strip().rpartition(" ")
    if way.lower() not in ("asc", "desc") or not key:
        key, way = text.strip(), "desc"
    kind, name = parse_key(key)
    if kind != METRIC and Key(kind, name) != STARTED:
        raise SearchSyntaxError(text, 1, "runs have no order by this", remedy="write metrics.NAME, or started")
    return Ordering(name if kind == METRIC else "", way.lower() == "desc")


def find(
    snapshot: Snapshot,
    expression: str,
    *,
    ordering: Ordering | None = None,
    limit: int = DEFAULT_LIMIT,
    kept: KeptColumns | None = None,
) -> Found:
    """Return the runs that satisfy ``expression``, or did as of a bounded ``snapshot``. Raises SearchSyntaxError.

    Without ``ordering``: by the first metric compared with < or >, the better first; else the last to begin first.
    Whoever searches several times with one engine gives what is ``kept`` from one search to the next.
    """
    tree = parse_expression(expression)
    ordering, limit = ordering or ordering_of(tree), min(limit, MAX_LIMIT)

    def find_now(meaning: Meaning) -> Found:
        with no_cycle_collection():
            search = _Search(snapshot, meaning, ordering, limit, kept or KeptColumns())
            keys, complete = search.run()
            return Found(ordering, search.hits_of(keys, list(terms_of(tree))), complete, search.looked_at)

    if snapshot.as_of is not None:
        return find_then(snapshot, tree, ordering, limit, find_now=find_now)
    return find_now(meaning_of(tree))


def ordering_of(tree: Expression) -> Ordering:
    """Return the order that an expression asks for by itself."""
    parts = getattr(tree, "operands", (tree,)) if not isinstance(tree, Term) else (tree,)
    for part in parts:
        if isinstance(part, Term) and part.kind == METRIC and part.operator in ORDERED:
            return Ordering(part.name, descending=part.operator in (">", ">="))
    return Ordering()


class _Search:
    """One search: its statements and how many runs it has looked at."""

    def __init__(
        self, snapshot: Snapshot, meaning: Meaning, ordering: Ordering, limit: int, kept: KeptColumns
    ) -> None:
        self.snapshot, self.meaning, self.ordering, self.limit, self.kept = snapshot, meaning, ordering, limit, kept
        self.connection, self.tables = snapshot.connection, search_tables_of(snapshot.tables.generation)
        self.catalogue = Catalogue(self.tables, self.connection.dialect.name)
        self.parts = conjuncts_of(meaning)
        self.metric = Key(METRIC, ordering.metric) if ordering.metric else None
        self.order = self.metric or STARTED
        self.looked_at = 0
        self.counts: dict[Meaning, int] = {}
        # Of runs that satisfy: under all keys asked for, where that was read.
        self.values: dict[bytes, ValuesByKey] = {}

    def run(self) -> tuple[list[bytes], bool]:
        """Return the keys of the runs found, in order, and whether there are no more."""
        cover = self._cover(FEW_ROWS)
        if cover is not None:
            return self._gathered(cover)
        walked = self._walked()
        if walked is not None:
            return walked
        found, is_bounded = self._narrowed()
        if is_bounded and (cover := self._cover(MAX_GATHERED_ROWS)) is not None:
            return self._gathered(cover)
        return [row.run_key for row in found[: self.limit]], len(found) <= self.limit and not is_bounded

    def _cover(self, most: int) -> Cover | None:
        """Return the few ranges that hold all runs asked for, if they are of no more than ``most`` rows."""
        ranges = {each: rows for each in conditions_of(self.meaning) if (rows := range_of(each)) is not None}
        new = [each for each in ranges if each not in self.counts]
        counts = self._counts([ranges[each] for each in new], most + 1)
        self.counts |= {each: count for each, count in zip(new, counts, strict=True) if count <= most}
        cover = smallest_cover(self.meaning, self.counts)
        return cover if cover is not None and cover.rows <= most else None

    def _gathered(self, cover: Cover) -> tuple[list[bytes], bool]:
        """Return the answer from all rows of a few ranges."""
        self.looked_at += cover.rows
        found: dict[bytes, _Row] = {}
        for condition in cover.conditions:
            rest = self._without(condition) if len(cover.conditions) == 1 else self.meaning
            statement = self.catalogue.gathered(
                _range(condition), rest, self.metric, descending=self.ordering.descending
            )
            rows = self.connection.execute(statement).all()
            found |= {bytes(row[0]): _Row(row[1], row[2], bytes(row[0])) for row in rows}
        ordered = self._ordered(found.values())
        return [row.run_key for row in ordered[: self.limit]], len(ordered) <= self.limit

    def _walked(self) -> tuple[list[bytes], bool] | None:
        """Return the answer from the beginning of a range, where that is all that is asked for, and in its order."""
        rows = range_of(self.parts[0]) if len(self.parts) == 1 else None
        by_number = rows is not None and rows.key == self.order
        if rows is None or not (by_number or (self.metric is None and rows.one_value)):
            return None
        row_limit = ROWS_A_RUN * (self.limit + 1)
        statement = self.catalogue.walked(rows, by_number=by_number, descending=self.ordering.descending)
        walked = self.connection.execute(statement, {"row_limit": row_limit}).all()
        found: dict[bytes, float | None] = {}
        for run_key, number in walked:
            found.setdefault(bytes(run_key), number)
        is_full, keys = len(found) > self.limit, list(found)[: self.limit]
        if not is_full and len(walked) == row_limit:
            return None
        if self.metric and not self._is_best(rows):
            best = {row.run_key: row.number for row in self._satisfying(self._told(self._asked, keys))}
            if any(best[key] != found[key] for key in keys):
                return None  # another value of a run, beyond this range, is what it is ordered by
        self.looked_at += len(walked)
        return keys, not is_full

    def _is_best(self, rows: Range) -> bool:
        """Return whether the first row of a run within a range is its best of all."""
        right = (">", ">=") if self.ordering.descending else ("<", "<=")
        return all(test.operator in right for test in rows.tests)

    def _narrowed(self) -> tuple[list[_Row], bool]:
        """Return the runs found among those that the columns tell of, in order, and whether there may be others."""
        descending = self.ordering.descending
        candidates = Candidates(
            self.snapshot, self.meaning, self.order, descending=descending, told=list(self._asked), kept=self.kept
        )
        found, seen = self._ordered(self._satisfying(candidates.waiting)), dict[int, None]()
        next_ones, size = list[int](), self._enough([], 0)
        is_bounded = False
        for bound, ordinals in candidates.groups():
            is_bounded = len(seen) > MAX_CANDIDATES
            if is_bounded or len(self._settled(found, bound)) == self.limit:
                break
            next_ones += ordinals
            if len(next_ones) >= size:
                found = self._with(found, next_ones, seen)
                next_ones, size = [], self._enough(self._settled(found, bound), len(seen))
        found = self._with(found, next_ones, seen)
        self.looked_at += len(seen) + len({row[0] for row in candidates.waiting})
        return found, is_bounded or not candidates.complete

    def _settled(self, found: Sequence[_Row], bound: float) -> Sequence[_Row]:
        """Return the beginning of the answer before which no run comes with a number up to ``bound``.

        It is never all of the answer before one more was found: whether there are more is to be told.
        """
        numbers = [float(row.number or 0) for row in found[: min(self.limit, len(found) - 1)]]
        if self.ordering.descending:
            return found[: bisect_left(numbers, -bound, key=operator.neg)]
        return found[: bisect_left(numbers, bound)]

    def _enough(self, settled: Sequence[_Row], seen: int) -> int:
        """Return how many more runs to look at next: about as many as will fill the answer."""
        share = min(1.0, (len(settled) + 1) / (seen + 1))
        wanted = int((self.limit + 1 - len(settled)) / share * 1.2)
        return max(FEWEST_CANDIDATES, min(MAX_KEYS_PER_STATEMENT, wanted))

    def _with(self, found: Sequence[_Row], ordinals: Sequence[int], seen: dict[int, None]) -> list[_Row]:
        """Return ``found`` and those that satisfy of the runs not seen yet, in order: the limit and one more.

        First what they are ordered by is read of all, then all that counts of the best.
        """
        new = [ordinal for ordinal in dict.fromkeys(ordinals) if ordinal not in seen]
        seen.update(dict.fromkeys(new))
        if len(new) <= MAX_WHOLE:
            good = self._satisfying(self._told(self._asked, new))
            return self._ordered(dict.fromkeys([*found, *good]))
        ordinal_of = self._ranked(new)
        ranked, together = self._ordered(ordinal_of), list(found)
        while next_best := self._better(ranked[: self.limit + 1], together):
            good = self._satisfying(self._told(self._asked, [ordinal_of[row] for row in next_best]))
            ranked, together = ranked[len(next_best) :], self._ordered(dict.fromkeys([*together, *good]))
        return together

    def _better(self, ranked: Sequence[_Row], found: Sequence[_Row]) -> Sequence[_Row]:
        """Return those that come before the last of ``found`` that counts; all, where more are wanted."""
        if len(found) <= self.limit:
            return ranked
        last = found[self.limit]
        ordered = self._ordered([*ranked, last])
        return ordered[: ordered.index(last)]

    def _ranked(self, ordinals: Sequence[int]) -> dict[_Row, int]:
        """Return what these runs are ordered by, with their ordinals; without those that have no such number."""
        best, found = max if self.ordering.descending else min, dict[bytes, tuple[float, int, int]]()
        for run_key, _, _, number, started_ns, ordinal in self._told([self.order.id], ordinals):
            if number is not None:
                before = found.get(run_key)
                found[run_key] = (number if before is None else best(number, before[0]), started_ns, ordinal)
        return {_Row(number, begun, run_key): ordinal for run_key, (number, begun, ordinal) in found.items()}

    @cached_property
    def _asked(self) -> dict[int, Key]:
        """Return all keys that count, and that an answer shows, by their numbers."""
        asked = dict.fromkeys([self.order, *(condition.key for condition in conditions_of(self.meaning)), PARENT])
        return {key.id: key for key in asked}

    def _satisfying(self, told: Iterable[Sequence[Any]]) -> list[_Row]:
        """Return the runs that satisfy the expression, by all their values as ``told``."""
        is_asked_for = satisfying(self.meaning)
        order, best, found = self.order, max if self.ordering.descending else min, list[_Row]()
        rows = list(told)
        begun = {row[0]: row[4] for row in rows}
        for run_key, own in by_run(rows, self._asked).items():
            numbers = [number for _, number in own.get(order, ()) if number is not None]
            if numbers and is_asked_for(own):
                found.append(_Row(best(numbers), begun[run_key], run_key))
                self.values[run_key] = own
        return found

    def _counts(self, ranges: Sequence[Range], most: int) -> Sequence[int]:
        if not ranges:
            return ()
        return self.connection.execute(self.catalogue.counted(ranges), {"row_limit": most}).one()

    def _without(self, condition: Condition) -> Meaning:
        """Return what else a run must satisfy, what few runs do first."""
        rest = [each for each in self.parts if each != condition]
        return Conjunction(tuple(sorted(rest, key=lambda each: self.counts.get(each, MAX_GATHERED_ROWS + 1))))

    def _ordered(self, found: Iterable[_Row]) -> list[_Row]:
        """Return the runs in the order asked for; a run without the metric is left out."""
        descending = self.ordering.descending
        if self.metric is None:
            return sorted(found, key=lambda row: row[1:], reverse=descending)
        return sorted((row for row in found if row.number is not None), reverse=descending)

    def hits_of(self, keys: Sequence[bytes], terms: Sequence[Term]) -> tuple[Hit, ...]:
        """Return the runs with the values that the expression and the ordering name."""
        runs, shown = {run.run_key: run for run in self.snapshot.runs(keys)}, shown_keys(terms, self.ordering)
        values = self._values_of(keys, shown)
        hits = []
        for key in keys:
            if key in runs:
                parents = values[key].get(PARENT, [("", None)])
                hits.append(Hit(run_line(runs[key]), shown_values(shown, values[key], self.ordering), parents[0][0]))
        return tuple(hits)

    def _values_of(self, keys: Sequence[bytes], shown: Sequence[Key]) -> dict[bytes, ValuesByKey]:
        """Return what these runs have under the keys ``shown``, and their parents."""
        ids = {key.id: key for key in (*shown, PARENT)}
        unread = [key for key in keys if key not in self.values]
        return {key: self.values.get(key, {}) for key in keys} | by_run(self._told(ids, unread), ids)

    def _told(self, keys: Iterable[int], runs: Sequence[bytes] | Sequence[int]) -> Iterator[Sequence[Any]]:
        """Yield what these runs, by keys or ordinals, have under these keys, by numbers."""
        ids = list(keys)
        for begin in range(0, len(runs) if ids else 0, MAX_KEYS_PER_STATEMENT):
            chunk = list(runs[begin : begin + MAX_KEYS_PER_STATEMENT])
            if isinstance(chunk[0], bytes):
                yield from fetch(self.connection, told(self.tables), {"keys": chunk, "key_ids": ids})
                continue
            dialect = self.connection.dialect.name
            ordinals = ",".join(map(str, chunk)) if dialect == "postgresql" else chunk
            statement = told_of_ordinals(self.tables, dialect)
            yield from fetch(self.connection, statement, {"ordinals": ordinals, "key_ids": ids})


def _range(condition: Condition) -> Range:
    return Range(condition.key, condition.tests)
