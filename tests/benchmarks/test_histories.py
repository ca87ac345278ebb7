"""The histories of the benchmarks: the same every time, and distributed as they say."""

from collections import Counter
from itertools import pairwise

import pytest
from benchmarks.histories import FEATURES, LATE_POSITIONS, generate
from modeltrail_schemas.codec import decode, encode
from modeltrail_schemas.event import LineageEvent, RunState

RUNS = 3_000


@pytest.fixture(scope="module")
def events() -> list[LineageEvent]:
    return list(generate(11, RUNS))


@pytest.fixture(scope="module")
def once(events: list[LineageEvent]) -> dict[bytes, LineageEvent]:
    return {event.event_id: event for event in events}


def share(count: float, of: float) -> float:
    return count / of


def test_the_same_seed_and_size_give_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = ([encode(event) for event in generate(seed, 200)] for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_every_event_can_be_written_and_read(events: list[LineageEvent]) -> None:
    assert all(decode(encode(event)) == event for event in events[:500])


def test_each_run_starts_once_and_ends_at_most_once(once: dict[bytes, LineageEvent]) -> None:
    runs = Counter((event.run_id, event.type) for event in once.values() if event.run_id)
    assert set(runs.values()) == {1}
    started = {run_id for run_id, type_ in runs if type_ == RunState.START}
    assert len(started) == RUNS
    assert started == {run_id for run_id, _ in runs}


def test_fates_are_distributed_as_documented(once: dict[bytes, LineageEvent]) -> None:
    states = Counter(event.type for event in once.values() if event.kind == "run")
    ended = states["COMPLETE"] + states["FAIL"] + states["ABORT"]
    assert share(states["FAIL"], RUNS) == pytest.approx(0.05, abs=0.015)
    assert share(states["ABORT"], RUNS) == pytest.approx(0.01, abs=0.008)
    assert share(RUNS - ended, RUNS) == pytest.approx(0.01, abs=0.008)
    assert share(states["RUNNING"], RUNS) == pytest.approx(0.1, abs=0.01)


def test_a_third_of_the_finished_runs_make_a_model_and_few_models_have_most_versions(
    once: dict[bytes, LineageEvent],
) -> None:
    completed = [event for event in once.values() if event.type == RunState.COMPLETE and event.metrics]
    made = Counter(output.name for event in completed for output in event.outputs if output.kind == "model")
    assert share(made.total(), len(completed)) == pytest.approx(1 / 3, abs=0.04)
    most = sum(count for _, count in made.most_common(len(made) // 5))
    assert share(most, made.total()) > 0.5


def test_features_are_shared_and_chained(once: dict[bytes, LineageEvent]) -> None:
    starts = [event for event in once.values() if event.type == RunState.START]
    used = Counter(ref.name for event in starts for ref in event.inputs if ref.role == "train")
    assert len(used) <= FEATURES
    preparations = [event for event in starts if event.job.namespace == "features"]
    assert len(preparations) == RUNS // 50
    unversioned = sum(not ref.version for event in starts for ref in event.inputs if ref.role == "train")
    assert share(unversioned, len(starts)) == pytest.approx(0.02, abs=0.01)


def test_sweeps_share_a_parent(once: dict[bytes, LineageEvent]) -> None:
    parents = Counter(event.parent_run_id for event in once.values() if event.parent_run_id)
    assert parents
    assert max(parents.values()) <= 30


def test_some_events_come_late_and_some_twice_but_none_too_late(
    events: list[LineageEvent], once: dict[bytes, LineageEvent]
) -> None:
    assert share(len(events) - len(once), len(once)) == pytest.approx(0.01, abs=0.005)
    in_order = sorted(once.values(), key=lambda event: event.event_time_ns)
    happened = {event.event_id: place for place, event in enumerate(in_order)}
    places = [happened[event.event_id] for event in once.values()]
    late = sum(later < earlier for earlier, later in pairwise(places))
    assert share(late, len(once)) == pytest.approx(0.02, abs=0.008)
    last: dict[bytes, int] = {event.event_id: place for place, event in enumerate(events)}
    assert all(place - happened[event_id] <= LATE_POSITIONS * 1.1 for event_id, place in last.items())
