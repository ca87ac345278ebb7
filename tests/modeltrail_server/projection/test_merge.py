"""Rows merge to the same whatever the order, the repetition and the grouping."""

from collections.abc import Sequence
from typing import Any

from event_cases import lineage_events
from hypothesis import given
from hypothesis import strategies as st
from modeltrail_schemas.event import LineageEvent
from modeltrail_server.projection.merge import facts_of, fold, merge_contents, merge_entities, merge_runs

_distinct_events = st.lists(lineage_events(), min_size=1, max_size=12, unique_by=lambda event: event.event_id)


@given(_distinct_events, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_of_events_folds_to_the_same_rows(
    events: Sequence[LineageEvent], random: Any
) -> None:
    shuffled = [*events, *random.sample(events, k=random.randint(0, len(events)))]
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(events)


@given(_distinct_events, st.integers(0, 12))
def test_folding_two_parts_and_merging_them_is_folding_the_whole(events: Sequence[LineageEvent], cut: int) -> None:
    whole, parts = fold(events), [fold(events[cut:]), fold(events[:cut])]
    assert _merged(merge_runs, 1, [part.runs for part in parts]) == whole.runs
    assert _merged(merge_entities, 1, [part.entities for part in parts]) == whole.entities
    assert _merged(merge_contents, 2, [part.contents for part in parts]) == whole.contents
    assert {link for part in parts for link in part.links} == set(whole.links)


def _merged(merge: Any, key_columns: int, parts: list[Any]) -> list[Any]:
    merged: dict[Any, Any] = {}
    for row in (row for part in parts for row in part):
        key = row[:key_columns]
        merged[key] = merge(merged[key], row) if key in merged else row
    return [merged[key] for key in sorted(merged)]


@given(_distinct_events)
def test_each_merge_is_commutative_associative_and_idempotent(events: Sequence[LineageEvent]) -> None:
    facts = [facts_of(event) for event in events]
    for merge, rows in (
        (merge_runs, [row for fact in facts for row in fact.runs]),
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
    started = LineageEvent(b"1" * 16, "run", "START", -5, "r")
    other = LineageEvent(b"2" * 16, "dataset", "DESCRIBED", 7, "r")
    for order in ([started, other], [other, started]):
        (run,) = fold(order).runs
        assert (run.state, run.state_time_ns) == ("START", -5)


def test_a_terminal_state_stands_against_a_later_running_one_and_of_two_terminal_ones_the_last() -> None:
    def told(state: str, time_ns: int) -> LineageEvent:
        return LineageEvent(time_ns.to_bytes(16, "big"), "run", state, time_ns, "r")

    started, failed, completed, late = told("START", 1), told("FAIL", 2), told("COMPLETE", 3), told("RUNNING", 4)
    for events, state in (
        ([started, late], "RUNNING"),
        ([started, failed, late], "FAIL"),
        ([completed, failed, late], "COMPLETE"),
    ):
        assert [run.state for run in fold(events).runs] == [state]
