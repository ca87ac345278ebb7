"""Recipes: where a command ran, what stands in its way; verdicts: what is the same and what is not."""

import pytest
from modeltrail_schemas.event import LineageEvent, SourceCode
from modeltrail_server.queries.records import MetricCurve, RunView
from modeltrail_server.reproduction.recipe import folder_of, recipe_of
from modeltrail_server.reproduction.verdict import judge

COMMIT = "a" * 40


@pytest.mark.parametrize(
    ("entry_point", "command", "folder"),
    [
        ("train.py", ("python", "train.py"), ""),
        ("src/train.py", ("python", "./src/train.py"), ""),
        ("src/train.py", ("python", "train.py", "--x", "other.py"), "src"),
        ("src/train.py", ("python", "/home/ana/src/train.py"), ""),
        ("src/pkg/train.py", ("python", "-m", "pkg.train"), ""),
        ("../../train.py", ("python", "train.py"), ""),
        ("", ("python", "train.py"), ""),
    ],
)
def test_the_folder_is_where_the_command_names_the_entry_point(entry_point, command, folder):
    assert folder_of(entry_point, command) == folder


@pytest.mark.parametrize(
    ("code", "command", "words"),
    [
        (SourceCode(), ("python", "x.py"), "no commit"),
        (SourceCode(commit="--upload-pack=x"), ("python", "x.py"), "no commit of git"),
        (SourceCode(commit=COMMIT), (), "no command line"),
        (SourceCode(commit=COMMIT), ("python", "x.py", "--key", "[redacted]"), "held a secret"),
        (SourceCode(commit=COMMIT, dirty=True), ("python", "x.py"), "were not recorded"),
        (SourceCode(commit=COMMIT, dirty=True, diff="-x", diff_truncated=True), ("python", "x.py"), "too large"),
    ],
)
def test_what_was_not_recorded_stands_in_the_way(code, command, words):
    recipe = recipe_of(RunView("run-1", command=command), [LineageEvent(code=code)])

    assert len([obstacle for obstacle in recipe.obstacles if words in obstacle]) == 1


def run(value, *, state="COMPLETE", name="auc"):
    return RunView("run", state=state, metrics=(MetricCurve(name, value, 0),))


@pytest.mark.parametrize(
    ("now", "tolerance", "reasons"),
    [
        (run(0.9), 0, ()),
        (run(0.9000001), 1e-6, ()),
        (run(0.91), 1e-6, ("auc is 0.91, was 0.9",)),
        (run(0.91), 0.02, ()),
        (run(0.9, name="f1"), 0, ("auc was not measured again",)),
        (run(0.9, state="FAIL"), 0, ("it ended with FAIL, and then with COMPLETE",)),
        (run(float("nan")), 1, ("auc is nan, was 0.9",)),
    ],
)
def test_metrics_within_the_tolerance_are_the_same(now, tolerance, reasons):
    assert judge(run(0.9), now, tolerance=tolerance).reasons == reasons


def test_what_could_explain_a_difference_is_said_only_where_there_is_one():
    assert judge(run(0.9), run(0.9), tolerance=0, doubts=["no seed"]).remarks == ()
    assert judge(run(0.9), run(0.8), tolerance=0, doubts=["no seed"]).remarks == ("no seed",)
