"""Which runs satisfy an expression now. Cost follows the size of the answer, and is bounded where the answer is rare.

Each comparison is a range of the index. A range of few runs is gathered whole. Else runs are walked in the order
asked for, until the answer is full; the other comparisons are tested on the way: one of not too many runs is read
into a set, another is probed by the key of each run that is in the sets. A walk that does not fill the answer is
bounded: then the smallest range is gathered if it is not too large, else the answer says that there may be more.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from modeltrail_server.queries.answering import run_line
from modeltrail_server.queries.rows import RunBrief
from modeltrail_server.queries.snapshot import MAX_KEYS_PER_STATEMENT, Snapshot
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
)
from modeltrail_server.search.results import Found, Hit, Ordering, shown_keys, shown_values
from modeltrail_server.search.rows import METRIC, Key
from modeltrail_server.search.statements import MAX_SET_ROWS, STARTED, Catalogue, Range, range_of
from modeltrail_server.search.tables import search_tables_of
from modeltrail_server.search.then import find_then

# As measured on SQLite at 1,000,000 runs: counting a row of a range takes 0.05 µs, reading it into a set 0.4, looking
# into the set 0.2, and a probe by the run's key 5: a page that is not in the cache; 1 where runs come by time.
FEW_ROWS = 1_000
SHORT_WALK_ROWS = 1_000
MAX_PROBED_ROWS = 20_000
MAX_SIFTED_ROWS = 100_000
MAX_GATHERED_ROWS = 40_000
MAX_SMALL_SET_ROWS = 10_000
DEFAULT_LIMIT = 50
MAX_LIMIT = 1_000


class _Row(NamedTuple):
    """A run that was found: what it is ordered by."""

    run_key: bytes
    number: float | None
    started_ns: int


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
    if snapshot.as_of is not None:
        return find_then(snapshot, tree, ordering, limit)
    search = _Search(snapshot, meaning_of(tree), ordering, limit)
    keys, complete = search.run()
    return Found(ordering, search.hits_of(keys, list(terms_of(tree))), complete, search.looked_at)


def ordering_of(tree: Expression) -> Ordering:
    """Return the order that an expression asks for by itself."""
    parts = getattr(tree, "operands", (tree,)) if not isinstance(tree, Term) else (tree,)
    for part in parts:
        if isinstance(part, Term) and part.kind == METRIC and part.operator in ORDERED:
            return Ordering(part.name, descending=part.operator in (">", ">="))
    return Ordering()


class _Search:
    """One search: its statements and how many rows of a range it has looked at."""

    def __init__(self, snapshot: Snapshot, meaning: Meaning, ordering: Ordering, limit: int) -> None:
        self.snapshot, self.meaning, self.ordering, self.limit = snapshot, meaning, ordering, limit
        self.connection = snapshot.connection
        self.catalogue = Catalogue(search_tables_of(snapshot.tables.generation), self.connection.dialect.name)
        self.parts = conjuncts_of(meaning)
        self.metric = Key(METRIC, ordering.metric) if ordering.metric else None
        self.looked_at = 0
        self.counts: dict[Meaning, int] = {}
        self.found: list[bytes] = []

    def run(self) -> tuple[list[bytes], bool]:
        """Return the keys of the runs found, in order, and whether there are no more."""
        self._count_all(MAX_SMALL_SET_ROWS)
        cover = smallest_cover(self.meaning, self.counts)
        if cover is not None and cover.rows <= FEW_ROWS:
            return self._gathered(cover)
        walked = self._walked(SHORT_WALK_ROWS)
        if walked is not None:
            return walked
        self._count_all(MAX_SET_ROWS)
        cover = smallest_cover(self.meaning, self.counts)
        # Few runs satisfied it: where all else is in sets, a range is soon cheaper than a long walk in time.
        in_sets = self.metric is None and all(part in self.counts for part in self.parts)
        if in_sets and cover is not None and cover.rows <= MAX_GATHERED_ROWS:
            return self._gathered(cover)
        walked = self._walked(MAX_SIFTED_ROWS if self._sets() else MAX_PROBED_ROWS)
        if walked is None and cover is not None and cover.rows <= MAX_GATHERED_ROWS:
            return self._gathered(cover)
        return walked or (self.found, False)

    def _count_all(self, most: int) -> None:
        """Count the rows of each comparison that has no more than ``most``.

        A walk by a metric sifts by the least of those that must all hold: no other is counted further than that.
        """
        least = min((self.counts[part] for part in self.parts if part in self.counts), default=most)
        for condition in conditions_of(self.meaning):
            rows, is_part = range_of(condition), self.metric is not None and condition in self.parts
            if rows is None or condition in self.counts:
                continue
            bound = max(min(most, least), MAX_SMALL_SET_ROWS) if is_part else most
            count = self._count(rows, bound + 1)
            if count <= bound:
                self.counts[condition] = count
                least = min(least, count) if is_part else least

    def _gathered(self, cover: Cover) -> tuple[list[bytes], bool]:
        """Return the answer from all rows of a few ranges."""
        self.looked_at = cover.rows
        found: dict[bytes, _Row] = {}
        for condition in cover.conditions:
            rest = self._without(condition) if len(cover.conditions) == 1 else self.meaning
            statement = self.catalogue.gathered(
                _range(condition),
                rest,
                self.metric,
                self._sets(cover.conditions),
                descending=self.ordering.descending,
            )
            rows = self.connection.execute(statement).all()
            found |= {bytes(row[0]): _Row(bytes(row[0]), row[1], row[2]) for row in rows}
        ordered = self._ordered(found.values())
        return ordered[: self.limit], len(ordered) <= self.limit

    def _walked(self, most: int) -> tuple[list[bytes], bool] | None:
        """Return the answer from a walk over ``most`` rows; None where it is not full and there are more rows."""
        rows, by_number = self._way()
        rest, descending = self._without(Condition(rows.key, rows.tests)), self.ordering.descending
        statement = self.catalogue.walked(rows, rest, self._sets(), by_number=by_number, descending=descending)
        row_limit, self.looked_at = self.limit + 1, most
        while True:
            bound = {"looked_at": most, "row_limit": row_limit}
            walked = [bytes(row[0]) for row in self.connection.execute(statement, bound).all()]
            found = list(dict.fromkeys(walked))
            if len(found) > self.limit:
                return found[: self.limit], False
            if len(walked) < row_limit:
                break
            row_limit *= 4  # a run has several rows: what a metric was on several datasets
        count = self._count(rows, most + 1)
        if count <= most:
            self.looked_at = count
            return found, True
        self.found = found
        return None

    def _sets(self, gathering: Sequence[Meaning] = ()) -> list[Meaning]:
        """Return the comparisons whose runs are read at once: those of few, or the least where probes are dear.

        Runs in the order of time lie side by side: there a probe costs little more than reading on.
        """
        smallest_first = sorted(self.counts, key=self.counts.__getitem__)
        others = [each for each in smallest_first if each not in gathering]
        few = [each for each in others if self.counts[each] <= MAX_SMALL_SET_ROWS]
        by_time = self.metric is None and not gathering
        return few if by_time or few else others[:1]

    def _way(self) -> tuple[Range, bool]:
        """Return the range that has runs in the order asked for, and whether that is the order of its numbers."""
        wanted = self.metric or STARTED
        ranges = [rows for part in self.parts if isinstance(part, Condition) and (rows := range_of(part))]
        own = next((rows for rows in ranges if rows.key == wanted), Range(wanted))
        if self.metric is None and not own.tests:
            one_value = next((rows for rows in ranges if rows.one_value), None)
            if one_value is not None:
                return one_value, False
        return own, True

    def _count(self, rows: Range, most: int) -> int:
        return int(self.connection.execute(self.catalogue.counted(rows), {"row_limit": most}).scalar_one())

    def _without(self, condition: Condition) -> Meaning:
        """Return what else a run must satisfy, what few runs do first."""
        rest = [each for each in self.parts if each != condition]
        return Conjunction(tuple(sorted(rest, key=lambda each: self.counts.get(each, MAX_SET_ROWS))))

    def _ordered(self, found: Iterable[_Row]) -> list[bytes]:
        """Return the runs in the order asked for; a run without the metric is left out."""
        descending = self.ordering.descending
        if self.metric is None:
            ordered = sorted(found, key=lambda row: (row.started_ns, row.run_key), reverse=descending)
        else:
            counted = [(row.number, row.started_ns, row.run_key) for row in found if row.number is not None]
            ordered = [_Row(key, number, begun) for number, begun, key in sorted(counted, reverse=descending)]
        return [row.run_key for row in ordered]

    def hits_of(self, keys: Sequence[bytes], terms: Sequence[Term]) -> tuple[Hit, ...]:
        """Return the runs with the values that the expression and the ordering name."""
        runs = {run.run_key: run for run in self.snapshot.runs(keys)}
        parents = {run.run_key: run.run_id for run in self.snapshot.runs(_parents(runs.values()))}
        values = self._values_of(keys, shown_keys(terms, self.ordering))
        return tuple(
            Hit(run_line(runs[key]), values[key], parents.get(runs[key].parent_key or b"", ""))
            for key in keys
            if key in runs
        )

    def _values_of(self, keys: Sequence[bytes], shown: Sequence[Key]) -> dict[bytes, dict[str, str | float]]:
        ids = {key.id: key for key in shown}
        told: dict[bytes, dict[Key, list[tuple[str, float | None]]]] = {key: {} for key in keys}
        for run_key, key_id, text, number in self._rows(list(ids), keys):
            told[run_key].setdefault(ids[key_id], []).append((text, number))
        return {key: shown_values(shown, values, self.ordering) for key, values in told.items()}

    def _rows(self, ids: list[int], keys: Sequence[bytes]) -> Iterator[tuple[bytes, int, str, float | None]]:
        statement = self.catalogue.told(ids)
        for begin in range(0, len(keys) if ids else 0, MAX_KEYS_PER_STATEMENT):
            chunk = list(keys[begin : begin + MAX_KEYS_PER_STATEMENT])
            for row in self.connection.execute(statement, {"keys": chunk}).all():
                yield bytes(row[0]), row[1], row[2], row[3]


def _range(condition: Condition) -> Range:
    return Range(condition.key, condition.tests)


def _parents(runs: Iterable[RunBrief]) -> list[bytes]:
    return list({run.parent_key for run in runs if run.parent_key})
