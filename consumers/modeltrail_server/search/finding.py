"""Which runs satisfy an expression now. Cost follows the size of the answer, and is bounded where the answer is rare.

Each comparison is a range of the index. A range of few runs is gathered whole. Else runs are walked for a short while
in the order asked for, and the other comparisons probed on the way. Where that does not fill the answer, the columns
tell which runs may satisfy all, the best first, and what these have exactly is looked up until the answer is full.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select

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
from modeltrail_server.search.meaning import (
    Condition,
    Conjunction,
    Meaning,
    conditions_of,
    conjuncts_of,
    meaning_of,
    satisfies,
)
from modeltrail_server.search.narrowing import Candidates
from modeltrail_server.search.results import Found, Hit, Ordering, shown_keys, shown_values
from modeltrail_server.search.rows import METRIC, PARENT, STARTED, Key
from modeltrail_server.search.statements import Catalogue, Range, range_of, told, told_of_ordinals
from modeltrail_server.search.tables import search_tables_of
from modeltrail_server.search.then import find_then

FEW_ROWS = 300
MAX_PROBES = 300
MAX_WALKED_ROWS = 1_200
ROWS_A_RUN = 2
"""A run has several rows of a key: what a metric was on several datasets."""
FEWEST_CANDIDATES = 32
MAX_CANDIDATES = 20_000
MAX_GATHERED_ROWS = 40_000
DEFAULT_LIMIT = 50
MAX_LIMIT = 1_000

_Told = dict[Key, list[tuple[str, float | None]]]
"""What is told of a run: (text, number), by key."""


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
    snapshot: Snapshot, expression: str, *, ordering: Ordering | None = None, limit: int = DEFAULT_LIMIT
) -> Found:
    """Return the runs that satisfy ``expression``, or did as of a bounded ``snapshot``. Raises SearchSyntaxError.

    Without ``ordering``: by the first metric compared with < or >, the better first; else the last to begin first.
    """
    tree = parse_expression(expression)
    ordering, limit = ordering or ordering_of(tree), min(limit, MAX_LIMIT)

    def find_now(meaning: Meaning) -> Found:
        search = _Search(snapshot, meaning, ordering, limit)
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

    def __init__(self, snapshot: Snapshot, meaning: Meaning, ordering: Ordering, limit: int) -> None:
        self.snapshot, self.meaning, self.ordering, self.limit = snapshot, meaning, ordering, limit
        self.connection, self.tables = snapshot.connection, search_tables_of(snapshot.tables.generation)
        self.catalogue = Catalogue(self.tables, self.connection.dialect.name)
        self.parts = conjuncts_of(meaning)
        self.metric = Key(METRIC, ordering.metric) if ordering.metric else None
        self.order = self.metric or STARTED
        self.looked_at = 0
        self.counts: dict[Meaning, int] = {}

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
        """Return the answer from a short walk, or from one that will do by what it finds; None where neither does."""
        rows, by_number = self._way()
        rest, descending = self._without(Condition(rows.key, rows.tests)), self.ordering.descending
        probed = sum(1 for _ in conditions_of(rest))
        row_limit = ROWS_A_RUN * (self.limit + 1)
        looked_at = max(MAX_PROBES // max(1, probed), row_limit)
        statement = self.catalogue.walked(rows, rest, by_number=by_number, descending=descending)
        found, count = self._walk(statement, looked_at, row_limit)
        more = 1.3 * (self.limit + 1) / max(1, len(found))
        if len(found) <= self.limit and count < row_limit and looked_at < looked_at * more <= MAX_WALKED_ROWS:
            looked_at, row_limit = int(looked_at * more), int(count * more)
            found, count = self._walk(statement, looked_at, row_limit)
        is_full = len(found) > self.limit
        if not is_full and (count == row_limit or self._counts([rows], looked_at + 1)[0] > looked_at):
            return None
        keys = list(found)[: self.limit]
        if by_number and self.metric and not self._is_best(rows):
            best = {row.run_key: row.number for row in self._satisfying(keys)}
            if any(best[key] != found[key] for key in keys):
                return None  # another value of a run, beyond this range, is what it is ordered by
        self.looked_at += looked_at
        return keys, not is_full

    def _walk(self, statement: Select[Any], looked_at: int, row_limit: int) -> tuple[dict[bytes, float | None], int]:
        """Return the runs found by a walk, each with its first number, and in how many rows."""
        rows = self.connection.execute(statement, {"looked_at": looked_at, "row_limit": row_limit}).all()
        found: dict[bytes, float | None] = {}
        for run_key, number, _ in rows:
            found.setdefault(bytes(run_key), number)
        return found, len(rows)

    def _is_best(self, rows: Range) -> bool:
        """Return whether the first row of a run within a range is its best of all."""
        right = (">", ">=") if self.ordering.descending else ("<", "<=")
        return all(test.operator in right for test in rows.tests)

    def _narrowed(self) -> tuple[list[_Row], bool]:
        """Return the runs found among those that the columns tell of, in order, and whether there may be others."""
        candidates = Candidates(self.snapshot, self.meaning, self.order, descending=self.ordering.descending)
        found, seen = self._ordered(self._satisfying(candidates.waiting)), dict[int, None]()
        next_ones, size = list[int](), self._enough(found, len(candidates.waiting))
        is_bounded = False
        for bound, ordinals in candidates.groups():
            is_bounded = len(seen) > MAX_CANDIDATES
            if is_bounded or self._is_full(found, bound):
                break
            next_ones += ordinals
            if len(next_ones) >= size:
                found = self._with(found, next_ones, seen)
                next_ones, size = [], self._enough(found, len(seen) + len(candidates.waiting))
        found = self._with(found, next_ones, seen)
        self.looked_at += len(seen) + len(candidates.waiting)
        return found, is_bounded or not candidates.complete

    def _enough(self, found: Sequence[_Row], seen: int) -> int:
        """Return how many more runs to look at next: about as many as will fill the answer."""
        missing = self.limit + 1 - len(found)
        if missing <= 0:
            return MAX_KEYS_PER_STATEMENT  # few will do: those no worse than the last of the answer
        share = (len(found) + 1) / (seen + 1)
        return max(FEWEST_CANDIDATES, min(MAX_KEYS_PER_STATEMENT, int(missing / share * 1.2)))

    def _with(self, found: Sequence[_Row], ordinals: Sequence[int], seen: dict[int, None]) -> list[_Row]:
        """Return ``found`` and those that satisfy of the runs not seen yet, in order: the limit and one more.

        First what they are ordered by is read of all, then all that counts of the best.
        """
        new = [ordinal for ordinal in dict.fromkeys(ordinals) if ordinal not in seen]
        seen.update(dict.fromkeys(new))
        ordinal_of = self._ranked(new)
        ranked, together = self._ordered(ordinal_of), list(found)
        for begin in range(0, len(ranked), self.limit + 1):
            next_best = ranked[begin : begin + self.limit + 1]
            if len(together) > self.limit and self._ordered([together[self.limit], next_best[0]])[0] != next_best[0]:
                break
            good = self._satisfying([ordinal_of[row] for row in next_best])
            together = self._ordered(dict.fromkeys([*together, *good]))
        return together

    def _ranked(self, ordinals: Sequence[int]) -> dict[_Row, int]:
        """Return what these runs are ordered by, with their ordinals; without those that have no such number."""
        best, found = max if self.ordering.descending else min, dict[bytes, tuple[float, int, int]]()
        for run_key, _, _, number, started_ns, ordinal in self._told([self.order.id], ordinals):
            if number is not None:
                before = found.get(run_key)
                found[run_key] = (number if before is None else best(number, before[0]), started_ns, ordinal)
        return {_Row(number, begun, run_key): ordinal for run_key, (number, begun, ordinal) in found.items()}

    def _is_full(self, found: Sequence[_Row], bound: float) -> bool:
        """Return whether no run with a number up to ``bound`` comes before those found."""
        if len(found) <= self.limit:
            return False
        last = float(found[self.limit - 1].number or 0)
        return last > bound if self.ordering.descending else last < bound

    def _satisfying(self, runs: Sequence[bytes] | Sequence[int]) -> list[_Row]:
        """Return those of these runs, by keys or ordinals, that satisfy the expression, by all their values."""
        order, best = self.order, max if self.ordering.descending else min
        asked = dict.fromkeys([order, *(condition.key for condition in conditions_of(self.meaning))])
        found, begun = list[_Row](), dict[bytes, int]()
        values: dict[bytes, _Told] = {}
        ids = {key.id: key for key in asked}
        for run_key, key_id, text, number, started_ns, *_ in self._told(list(ids), runs):
            values.setdefault(run_key, {}).setdefault(ids[key_id], []).append((text, number))
            begun[run_key] = started_ns
        for run_key, own in values.items():
            if satisfies(self.meaning, own):
                numbers = [number for _, number in own.get(order, ()) if number is not None]
                if numbers:
                    found.append(_Row(best(numbers), begun[run_key], run_key))
        return found

    def _way(self) -> tuple[Range, bool]:
        """Return the range that has runs in the order asked for, and whether that is the order of its numbers."""
        ranges = [rows for part in self.parts if isinstance(part, Condition) and (rows := range_of(part))]
        own = next((rows for rows in ranges if rows.key == self.order), Range(self.order))
        if self.metric is None and not own.tests:
            one_value = next((rows for rows in ranges if rows.one_value), None)
            if one_value is not None:
                return one_value, False
        return own, True

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
        values = self._values_of(keys, [*shown, PARENT])
        hits = []
        for key in keys:
            if key in runs:
                parents = values[key].get(PARENT, [("", None)])
                hits.append(Hit(run_line(runs[key]), shown_values(shown, values[key], self.ordering), parents[0][0]))
        return tuple(hits)

    def _values_of(self, keys: Sequence[bytes], asked: Sequence[Key]) -> dict[bytes, _Told]:
        ids = {key.id: key for key in asked}
        of_run: dict[bytes, _Told] = {key: {} for key in keys}
        for run_key, key_id, text, number, *_ in self._told(list(ids), keys):
            of_run[run_key].setdefault(ids[key_id], []).append((text, number))
        return of_run

    def _told(self, ids: list[int], runs: Sequence[bytes] | Sequence[int]) -> Iterator[Sequence[Any]]:
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
