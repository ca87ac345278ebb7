"""Which runs satisfy an expression. Cost follows the size of the answer, and is bounded where the answer is rare.

If one comparison that must hold has few runs, those are tested. Otherwise runs are taken in the order asked for, and
tested chunk by chunk, until the answer is full or 20,000 were looked at: then it says so.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from modeltrail_server.queries.answering import run_line
from modeltrail_server.queries.snapshot import MAX_KEYS_PER_STATEMENT, Snapshot
from modeltrail_server.search.expression import (
    ORDERED,
    Expression,
    Term,
    conjuncts_of,
    parse_expression,
    parse_key,
    terms_of,
)
from modeltrail_server.search.results import Found, Hit, Ordering
from modeltrail_server.search.statements import Catalogue
from modeltrail_server.search.tables import search_tables_of

FEW_RUNS = 1_000
FIRST_LOOK_RUNS = 100
MAX_RUNS_LOOKED_AT = 20_000
DEFAULT_LIMIT = 50
MAX_LIMIT = 1_000


def parse_ordering(text: str) -> Ordering:
    """Return the ordering of ``metrics.auc [asc|desc]``. Raises SearchSyntaxError."""
    key, _, way = text.strip().rpartition(" ")
    if way.lower() not in ("asc", "desc") or not key:
        key, way = text.strip(), "desc"
    kind, name = parse_key(key)
    return Ordering(name, way.lower() == "desc") if kind == "metric" else Ordering()


def find(
    snapshot: Snapshot, expression: str, *, ordering: Ordering | None = None, limit: int = DEFAULT_LIMIT
) -> Found:
    """Return the runs that satisfy ``expression``. Raises SearchSyntaxError.

    Without ``ordering``: by the first metric compared with < or >, the better first; else the last to begin first.
    """
    tree = parse_expression(expression)
    ordering = ordering or ordering_of(tree)
    search = _Search(snapshot, tree, ordering, min(limit, MAX_LIMIT))
    keys, complete = search.run()
    return Found(ordering, search.hits_of(keys), complete, search.looked_at)


def ordering_of(tree: Expression) -> Ordering:
    """Return the order that an expression asks for by itself."""
    for part in conjuncts_of(tree):
        if isinstance(part, Term) and part.kind == "metric" and part.operator in ORDERED:
            return Ordering(part.name, descending=part.operator in (">", ">="))
    return Ordering()


class _Search:
    """One search: its statements and how much it has looked at."""

    def __init__(self, snapshot: Snapshot, tree: Expression, ordering: Ordering, limit: int) -> None:
        self.snapshot, self.tree, self.ordering, self.limit = snapshot, tree, ordering, limit
        self.connection = snapshot.connection
        tables = snapshot.tables
        self.catalogue = Catalogue(tables, search_tables_of(tables.generation), self.connection.dialect.name)
        self.satisfying = self.catalogue.satisfying(tree)
        self.looked_at = 0

    def run(self) -> tuple[list[bytes], bool]:
        """Return the keys of the runs found, in order, and whether there are no more."""
        few = self._few()
        if few is not None:
            self.looked_at = len(few)
            found = self._ordered([key for chunk in _chunks(few) for key in self._satisfying(chunk)])
            return found[: self.limit], len(found) <= self.limit
        found = []
        for chunk in self._in_order():
            self.looked_at += len(chunk)
            satisfying = self._satisfying(chunk)
            found += [key for key in dict.fromkeys(chunk) if key in satisfying and key not in found]
            if len(found) > self.limit or self.looked_at >= MAX_RUNS_LOOKED_AT:
                return found[: self.limit], False
        return found, True

    def hits_of(self, keys: Sequence[bytes]) -> tuple[Hit, ...]:
        """Return the runs with the values that the expression and the ordering name."""
        runs = {run.run_key: run for run in self.snapshot.runs(keys)}
        parents = {run.run_key: run.run_id for run in self.snapshot.runs(_parents(runs.values()))}
        values: dict[bytes, dict[str, str | float]] = {key: {} for key in keys}
        terms = list(terms_of(self.tree))
        metrics = dict.fromkeys([self.ordering.metric] if self.ordering.metric else [])
        metrics |= dict.fromkeys(term.name for term in terms if term.kind == "metric")
        for key, name, value in self._rows(self.catalogue.metrics_of(list(metrics)), keys) if metrics else ():
            values[key].setdefault(f"metrics.{name}", float("nan") if value is None else value)
        for kind, prefix in (("param", "params"), ("tag", "tags")):
            names = list(dict.fromkeys(term.name for term in terms if term.kind == kind))
            for key, name, text in self._rows(self.catalogue.texts_of(kind, names), keys) if names else ():
                values[key][f"{prefix}.{name}"] = text
        return tuple(
            Hit(run_line(runs[key]), values[key], parents.get(runs[key].parent_key or b"", "") if key in runs else "")
            for key in keys
            if key in runs
        )

    def _few(self) -> list[bytes] | None:
        """Return the runs of that necessary comparison which has fewest; None where all have more than 1,000."""
        best: list[bytes] | None = None
        for part in conjuncts_of(self.tree):
            statement = self.catalogue.keys_of(part) if isinstance(part, Term) else None
            if statement is None:
                continue
            limit = FEW_RUNS + 1 if best is None else len(best)
            keys = [bytes(row[0]) for row in self.connection.execute(statement.limit(limit))]
            if len(keys) <= FEW_RUNS and (best is None or len(keys) < len(best)):
                best = list(dict.fromkeys(keys))
        return best

    def _in_order(self) -> Iterator[list[bytes]]:
        return self._by_metric() if self.ordering.metric else self._by_time()

    def _by_metric(self) -> Iterator[list[bytes]]:
        name, descending = self.ordering.metric, self.ordering.descending
        bound: dict[str, Any] = {"row_limit": MAX_KEYS_PER_STATEMENT}
        first = self.catalogue.by_metric(name, descending=descending, after=False)
        rows = self.connection.execute(first, {"row_limit": FIRST_LOOK_RUNS})
        following = self.catalogue.by_metric(name, descending=descending, after=True)
        while chunk := rows.fetchall():
            yield [bytes(row[0]) for row in chunk]
            rows = self.connection.execute(following, bound | {"key": chunk[-1][0], "value": chunk[-1][1]})

    def _by_time(self) -> Iterator[list[bytes]]:
        after: tuple[int, bytes] | None = None
        while runs := self.snapshot.runs_page(job_key=None, since_ns=None, after=after, limit=MAX_KEYS_PER_STATEMENT):
            yield [run.run_key for run in runs]
            after = (runs[-1].first_time_ns, runs[-1].run_key)

    def _satisfying(self, keys: Sequence[bytes]) -> set[bytes]:
        return {bytes(row[0]) for row in self.connection.execute(self.satisfying, {"keys": list(keys)})}

    def _ordered(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return ``keys`` in the order asked for; a run without the metric is left out."""
        begun = {run.run_key: run.first_time_ns for run in self.snapshot.runs(keys)}
        newest = sorted((key for key in keys if key in begun), key=lambda key: (begun[key], key), reverse=True)
        if not self.ordering.metric:
            return newest
        best: dict[bytes, float] = {}
        better = max if self.ordering.descending else min
        for key, _, value in self._rows(self.catalogue.metrics_of([self.ordering.metric]), keys):
            if value is not None:
                best[key] = better(best.get(key, value), value)
        return sorted((key for key in newest if key in best), key=best.__getitem__, reverse=self.ordering.descending)

    def _rows(self, statement: Any, keys: Sequence[bytes]) -> Iterator[tuple[bytes, str, Any]]:
        for chunk in _chunks(keys):
            for row in self.connection.execute(statement, {"keys": list(chunk)}):
                yield bytes(row[0]), row[1], row[2]


def index_is_empty(snapshot: Snapshot) -> bool:
    """Return whether the index holds no parameter, metric or tag."""
    index = search_tables_of(snapshot.tables.generation)
    for table in (index.parameter, index.metric, index.tag):
        if snapshot.connection.execute(select(table.c.name).limit(1)).first() is not None:
            return False
    return True


def _parents(runs: Any) -> list[bytes]:
    return list({run.parent_key for run in runs if run.parent_key})


def _chunks(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for begin in range(0, len(keys), MAX_KEYS_PER_STATEMENT):
        yield keys[begin : begin + MAX_KEYS_PER_STATEMENT]
