"""Which runs satisfied an expression as of a time: runs are folded from the events that count, and asked.

The index holds what is so now. So runs are taken in the order of their beginning, the latest first, each folded as
the index folds it, up to a bound; whoever names a job, a run or a time in the expression narrows which are taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from modeltrail_schemas.identity import job_key, run_key
from modeltrail_schemas.names import parse_name

from modeltrail_server.queries.answering import run_line
from modeltrail_server.queries.rows import RunBrief
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.search.expression import Expression, terms_of
from modeltrail_server.search.indexing import events_of_runs
from modeltrail_server.search.meaning import Condition, Meaning, conjuncts_of, meaning_of, satisfies
from modeltrail_server.search.results import Found, Hit, Ordering, shown_keys, shown_values
from modeltrail_server.search.rows import ATTRIBUTE, METRIC, Key, Values, values_of

MAX_RUNS_FOLDED = 2_000
RUNS_A_FETCH = 100
LAST_KEY = b"\xff" * 16
_JOB, _RUN, _STARTED = Key(ATTRIBUTE, "job"), Key(ATTRIBUTE, "run"), Key(ATTRIBUTE, "started")


def find_then(snapshot: Snapshot, tree: Expression, ordering: Ordering, limit: int) -> Found:
    """Return the runs that satisfied ``tree`` within the bound of ``snapshot``. Raises SearchSyntaxError."""
    meaning, shown = meaning_of(tree), shown_keys(terms_of(tree), ordering)
    found: list[tuple[RunBrief, Values]] = []
    looked_at, complete = 0, True
    for runs in _in_order(snapshot, conjuncts_of(meaning)):
        values = {key: values_of(run_id, events) for key, run_id, events in events_of_runs(snapshot, _keys(runs))}
        looked_at += len(runs)
        found += [
            (run, values[run.run_key])
            for run in runs
            if run.run_key in values and satisfies(meaning, values[run.run_key].by_key)
        ]
        if looked_at >= MAX_RUNS_FOLDED or (len(found) > limit and not ordering.metric and ordering.descending):
            complete = False
            break
    ordered = _ordered(found, ordering)
    hits = tuple(_hit(run, shown_values(shown, values.by_key, ordering), values) for run, values in ordered[:limit])
    return Found(ordering, hits, complete and len(ordered) <= limit, looked_at)


def _in_order(snapshot: Snapshot, parts: Sequence[Meaning]) -> Iterator[list[RunBrief]]:
    """Yield the runs that may satisfy all of ``parts``, the last to begin first."""
    run_ids, job, since_ns = _texts(parts, _RUN), _texts(parts, _JOB), _since(parts)
    if run_ids:
        yield snapshot.runs([run_key(text) for text in run_ids])
        return
    ref = parse_name(job[0].replace("@", "%40"), kind="job") if len(job) == 1 else None
    key = job_key(ref.namespace, ref.name) if ref else None
    bound = snapshot.as_of.event_time_ns if snapshot.as_of else None
    after = None if bound is None else (bound + 1, LAST_KEY)  # what began later had not
    while runs := snapshot.runs_page(job_key=key, since_ns=since_ns, after=after, limit=RUNS_A_FETCH):
        yield runs
        after = (runs[-1].first_time_ns, runs[-1].run_key)


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
        if isinstance(part, Condition) and part.key == _STARTED
        for test in part.tests
        if test.operator in (">", ">=")
    ]
    return int(max(bounds)) - 1_000 if bounds else None


def _ordered(found: Sequence[tuple[RunBrief, Values]], ordering: Ordering) -> list[tuple[RunBrief, Values]]:
    if not ordering.metric:
        return sorted(found, key=lambda each: (each[1].started_ns, each[0].run_key), reverse=ordering.descending)
    key, best = Key(METRIC, ordering.metric), max if ordering.descending else min
    ranked = [
        (best(numbers), values.started_ns, run.run_key, (run, values))
        for run, values in found
        if (numbers := [number for _, number in values.by_key.get(key, ()) if number is not None])
    ]
    return [each[3] for each in sorted(ranked, key=lambda each: each[:3], reverse=ordering.descending)]


def _hit(run: RunBrief, shown: dict[str, str | float], values: Values) -> Hit:
    parents = values.by_key.get(Key(ATTRIBUTE, "parent"), [("", None)])
    return Hit(replace(run_line(run), started_ns=values.started_ns), shown, parents[0][0])


def _keys(runs: Sequence[RunBrief]) -> list[bytes]:
    return [run.run_key for run in runs]
