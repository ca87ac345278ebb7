"""The fold of a run: a function of the set of its events, that keeps contradictions and the last of the rest."""

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from modeltrail_schemas.event import Emitter, Gap, Kind, LineageEvent, Metric, Retraction, RunError, SourceCode
from modeltrail_schemas.names import EntityRef
from modeltrail_server.queries.comparison import compare_runs
from modeltrail_server.queries.fold import fold_run

IDS = st.binary(min_size=16, max_size=16)
NAMES = st.sampled_from(["lr", "depth", "auc"])
DATASETS = st.sampled_from(
    [EntityRef(), EntityRef("dataset", "x", "test", "1"), EntityRef("dataset", "x", "test", "2")]
)
METRICS = st.builds(Metric, name=NAMES, value=st.floats(), step=st.integers(0, 3), dataset=DATASETS)
EVENTS = st.builds(
    LineageEvent,
    event_id=IDS,
    kind=st.sampled_from([Kind.RUN, Kind.GAP, Kind.RETRACTION]),
    type=st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "CORRECTED", "ANNOTATED", ""]),
    event_time_ns=st.integers(1, 5),
    run_id=st.just("run-1"),
    inputs=st.lists(DATASETS.filter(lambda ref: ref.name != ""), max_size=2).map(tuple),
    commit=st.sampled_from(["", "a" * 40, "b" * 40]),
    emitter=st.builds(Emitter, rank=st.integers(0, 2)),
    parameters=st.dictionaries(NAMES, st.sampled_from(["1", "2"]), max_size=2),
    metrics=st.lists(METRICS, max_size=3).map(tuple),
    tags=st.dictionaries(NAMES, st.sampled_from(["x", "y"]), max_size=2),
    code=st.none() | st.builds(SourceCode, commit=st.sampled_from(["a" * 40, "c" * 40]), dirty=st.booleans()),
)


def distinct(events):
    return list({event.event_id: event for event in events}.values())


def event(number, event_type="RUNNING", **fields):
    fields.setdefault("kind", Kind.RUN)
    return LineageEvent(
        event_id=bytes([number]) * 16, type=event_type, event_time_ns=number, run_id="run-1", **fields
    )


@given(st.lists(EVENTS, max_size=6).map(distinct), st.randoms(use_true_random=False))
def test_any_order_and_any_duplication_of_events_is_one_run(events, random):
    shuffled = events + events[:2]
    random.shuffle(shuffled)

    assert repr(fold_run("run-1", shuffled)) == repr(fold_run("run-1", events))


def test_what_befalls_a_process_that_does_not_end_the_run_is_a_trouble_of_the_run_and_not_its_error():
    second = 1_000_000_000
    rank = [Emitter(id=f"e{number}", rank=number) for number in range(4)]

    def at(number, event_type, time_ns, **fields):
        return replace(event(number, event_type, **fields), event_time_ns=time_ns)

    run = fold_run(
        "run-1",
        [
            at(1, "START", 1, emitter=rank[0]),
            at(2, "RUNNING", 2, emitter=rank[1], inferred=True, error=RunError("ProcessLost", "gone")),
            at(3, "RUNNING", 3, emitter=rank[2], error=RunError("ValueError", "no data")),
            at(4, "COMPLETE", 4, emitter=rank[0]),
            at(5, "RUNNING", 5, emitter=rank[2], metrics=(Metric("soon after", 1.0, time_ns=5),)),
            at(6, "RUNNING", 9 * second, emitter=rank[3], metrics=(Metric("late", 1.0, time_ns=9 * second),)),
            at(7, "RUNNING", 9 * second, emitter=rank[0], parameters={"of the one that ended it": "1"}),
        ],
    )

    assert (run.state, run.error) == ("COMPLETE", None)
    assert [trouble.what for trouble in run.troubles] == [
        "rank 1 was lost: its process ended without leaving the run",
        "rank 2 failed: ValueError: no data",
        "rank 3 recorded for 9 s after the run had ended",
    ]


def test_two_values_of_a_parameter_are_both_kept_with_who_said_them():
    run = fold_run(
        "run-1", [event(1, parameters={"lr": "0.1"}), event(2, parameters={"lr": "0.2"}, emitter=Emitter(rank=1))]
    )

    (lr,) = run.parameters
    assert lr.contradicting
    assert [(claim.value, claim.rank, claim.event_id) for claim in lr.claims] == [
        ("0.1", 0, bytes([1]) * 16),
        ("0.2", 1, bytes([2]) * 16),
    ]


def test_one_value_told_twice_is_no_contradiction():
    run = fold_run("run-1", [event(1, parameters={"lr": "0.1"}), event(2, parameters={"lr": "0.1"})])

    assert not run.parameters[0].contradicting
    assert len(run.parameters[0].claims) == 1


def test_parameters_that_end_in_numbers_are_told_in_the_order_of_these():
    run = fold_run("run-1", [event(1, parameters={f"layer_{number}": "1" for number in (10, 9, 2)})])

    assert [parameter.name for parameter in run.parameters] == ["layer_2", "layer_9", "layer_10"]


def test_metrics_and_tags_that_end_in_numbers_are_told_in_the_order_of_these_and_compared_so():
    names = [f"layer_{number}" for number in (10, 9, 2)]
    told = {"metrics": tuple(Metric(name, 1.0) for name in names), "tags": dict.fromkeys(names, "x")}
    run = fold_run("run-1", [event(1, parameters=dict.fromkeys(names, "1"), **told)])
    backwards = [replace(run, parameters=run.parameters[::-1]), run]

    assert [curve.name for curve in run.metrics] == names[::-1]
    assert list(run.tags) == names[::-1]
    assert [row.name for row in compare_runs(backwards) if row.section == "params"] == names[::-1]


def test_a_correction_stands_and_what_it_corrects_is_kept():
    told = [event(1, parameters={"lr": "0.1"}), event(2, parameters={"lr": "0.2"})]
    run = fold_run("run-1", [*told, event(3, "CORRECTED", parameters={"lr": "0.1"})])

    (lr,) = run.parameters
    assert (lr.value, lr.contradicting, len(lr.claims)) == ("0.1", False, 3)


def test_a_metric_is_its_last_step_and_a_summary_of_the_rest_per_dataset_and_rank():
    one, two = EntityRef("dataset", "x", "test", "1"), EntityRef("dataset", "x", "test", "2")
    values = [(0.5, 0, one), (0.9, 1, one), (0.7, 2, one), (0.4, 0, two)]
    curves = fold_run(
        "run-1", [event(1, metrics=tuple(Metric("auc", v, step, 0, on) for v, step, on in values))]
    ).metrics

    assert [(c.value, c.step, c.steps, c.first, c.minimum, c.maximum) for c in curves] == [
        (0.7, 2, 3, 0.5, 0.5, 0.9),
        (0.4, 0, 1, 0.4, 0.4, 0.4),
    ]


def test_nan_in_a_curve_spoils_no_summary():
    metrics = (Metric("loss", math.nan, 0), Metric("loss", 2.0, 1), Metric("loss", 1.0, 2))
    (curve,) = fold_run("run-1", [event(1, metrics=metrics)]).metrics

    assert (curve.minimum, curve.maximum) == (1.0, 2.0)


def test_a_terminal_state_beats_a_later_running_one_and_the_last_terminal_wins():
    events = [event(1, "START"), event(2, "COMPLETE"), event(3, "FAIL"), event(4, "RUNNING")]
    run = fold_run("run-1", events)

    assert (run.state, run.started_ns, run.ended_ns) == ("FAIL", 1, 3)


def test_an_event_that_was_retracted_does_not_count_and_is_told():
    wrong = event(1, parameters={"lr": "9"})
    retracting = event(2, "", kind=Kind.RETRACTION, retraction=Retraction(wrong.event_id, "typed wrongly"))
    run = fold_run("run-1", [wrong, retracting])

    assert run.parameters == ()
    assert [(step.event_id, step.why) for step in run.withdrawn] == [(wrong.event_id, "typed wrongly")]


def test_lost_events_are_told():
    run = fold_run("run-1", [event(1, "", kind=Kind.GAP, gap=Gap("disk full", 12))])

    assert [(gap.reason, gap.lost_events) for gap in run.gaps] == [("disk full", 12)]


def test_ranks_on_different_commits_are_both_kept():
    run = fold_run(
        "run-1",
        [
            event(1, commit="a" * 40, code=SourceCode(commit="a" * 40)),
            event(2, commit="b" * 40, code=SourceCode(commit="b" * 40), emitter=Emitter(rank=1)),
            event(3, commit="a" * 40),
        ],
    )

    assert [code.commit for code in run.codes] == ["a" * 40, "b" * 40]


def test_data_named_before_its_digest_was_known_is_the_version_named_later_in_the_same_role():
    early, late = (
        EntityRef("dataset", "x", "tx", role="train"),
        EntityRef("dataset", "x", "tx", "", "sha256:1", "train"),
    )
    other = EntityRef("dataset", "x", "tx", role="test")

    run = fold_run(
        "run-1",
        [
            event(1, "START", inputs=(early, other), outputs=(EntityRef("dataset", "x", "scores"),)),
            event(2, metrics=(Metric("auc", 0.9, dataset=early),)),
            event(3, inputs=(late,), outputs=(EntityRef("dataset", "x", "scores", "", "sha256:2"),)),
        ],
    )

    assert [(use.entity.version, use.roles) for use in run.inputs] == [("sha256:1", ("train",)), ("", ("test",))]
    assert [use.entity.version for use in run.outputs] == ["sha256:2"]
    assert run.metrics[0].dataset == late.target


def test_a_correction_tells_the_version_whatever_the_role_and_takes_the_role_over():
    run = fold_run(
        "run-1",
        [
            event(1, "START", inputs=(EntityRef("dataset", "x", "tx", role="train"),)),
            event(2, "CORRECTED", inputs=(EntityRef("dataset", "x", "tx", "v7"),)),
        ],
    )

    assert [(use.entity.version, use.roles) for use in run.inputs] == [("v7", ("train",))]


def test_two_versions_of_one_name_and_role_are_both_kept_and_the_mention_without_version_goes():
    names = [EntityRef("dataset", "x", "tx", version, role="train") for version in ("", "1", "2")]

    run = fold_run("run-1", [event(1, "START", inputs=(names[0],)), event(2, inputs=tuple(names[1:]))])

    assert [use.entity.version for use in run.inputs] == ["1", "2"]
