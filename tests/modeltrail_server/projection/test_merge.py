"""Rows merge to the same whatever the order, the repetition and the grouping."""

from collections.abc import Sequence
from typing import Any

from event_cases import lineage_events
from hypothesis import given
from hypothesis import strategies as st
from modeltrail_schemas.event import LineageEvent
from modeltrail_server.projection.facts import Facts, facts_of
from modeltrail_server.projection.merge import fold, merge_contents, merge_entities, merge_runs

_distinct_events = st.lists(lineage_events(), min_size=1, max_size=12, unique_by=lambda event: event.event_id)


def _as_facts(rows: Any) -> Facts:
    return Facts(None, tuple(rows.entities), tuple(rows.links), tuple(rows.contents))


@given(_distinct_events, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_of_events_folds_to_the_same_rows(
    events: Sequence[LineageEvent], random: Any
) -> None:
    shuffled = [*events, *random.sample(events, k=random.randint(0, len(events)))]
    random.shuffle(shuffled)
    assert fold(map(facts_of, shuffled)) == fold(map(facts_of, events))


@given(_distinct_events, st.integers(0, 12))
def test_folding_two_parts_and_merging_them_is_folding_the_whole(events: Sequence[LineageEvent], cut: int) -> None:
    whole = fold(map(facts_of, events))
    parts = [fold(map(facts_of, events[:cut])), fold(map(facts_of, events[cut:]))]
    rest = fold(map(_as_facts, parts))
    assert (rest.entities, rest.links, rest.contents) == (whole.entities, whole.links, whole.contents)
    runs: dict[bytes, Any] = {}
    for part in reversed(parts):
        for run in part.runs:
            runs[run.run_key] = merge_runs(runs[run.run_key], run) if run.run_key in runs else run
    assert [runs[key] for key in sorted(runs)] == whole.runs


@given(_distinct_events)
def test_each_merge_is_commutative_associative_and_idempotent(events: Sequence[LineageEvent]) -> None:
    facts = [facts_of(event) for event in events]
    for merge, rows in (
        (merge_runs, [fact.run for fact in facts if fact.run]),
        (merge_entities, [row for fact in facts for row in fact.entities]),
        (merge_contents, [row for fact in facts for row in fact.contents]),
    ):
        key = 2 if merge is merge_contents else 1
        for a in rows:
            same = [row for row in rows if row[:key] == a[:key]]
            assert merge(a, a) == a  # type: ignore[operator]
            for b in same:
                assert merge(a, b) == merge(b, a)  # type: ignore[operator]
                for c in same:
                    assert merge(merge(a, b), c) == merge(a, merge(b, c))  # type: ignore[operator]


def test_the_state_of_a_run_before_1970_is_kept_beside_an_event_without_a_state() -> None:
    started = facts_of(LineageEvent(b"1" * 16, "run", "START", -5, "r"))
    other = facts_of(LineageEvent(b"2" * 16, "dataset", "DESCRIBED", 7, "r"))
    for order in ([started, other], [other, started]):
        (run,) = fold(order).runs
        assert (run.state, run.state_time_ns) == ("START", -5)
