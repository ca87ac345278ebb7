"""search, from arguments to text, JSON and exit codes, on a real embedded log."""

import json

from modeltrail_schemas.event import Metric


def test_search_shows_the_best_first_with_the_values_asked_about(told, modeltrail):
    told.run("run-2", job="risk/fraud-train", parameters={"lr": "0.05"}, metrics=(Metric("accuracy", 0.97, 1, 0),))

    code, out, _ = modeltrail("search", "metrics.accuracy > 0.9 and params.lr < 0.5")

    assert code == 0
    header, *rows = [line.split() for line in out.splitlines()]
    assert header == ["run", "state", "began", "job", "accuracy", "lr"]
    assert [(row[0], row[-2:]) for row in rows] == [("run-2", ["0.97", "0.05"]), ("run-train", ["0.95", "0.1"])]
    assert max(map(len, out.splitlines())) <= 80


def test_a_sweep_is_one_line_unless_all_are_asked_for(told, modeltrail):
    told.run("sweep", job="risk/sweep")
    for number in range(4):
        told.run(f"child-{number}", parent_run_id="sweep", metrics=(Metric("auc", number / 10, 1, 0),))

    assert "sweep ×4" in modeltrail("search", "metrics.auc >= 0")[1]
    assert len(modeltrail("search", "metrics.auc >= 0", "--all")[1].splitlines()) == 5
    found = json.loads(modeltrail("search", "metrics.auc >= 0", "--json")[1])
    assert [len(found["hits"]), len(found["folded"])] == [4, 1]


def test_nothing_found_is_exit_1_and_says_what_can_be_asked(told, modeltrail):
    code, out, _ = modeltrail("search", "params.depth > 100")

    assert code == 1
    assert "no run satisfies" in out


def test_a_mistake_points_at_its_column_with_exit_2(told, modeltrail):
    code, out, err = modeltrail("search", "metrics.auc >> 1")

    assert (code, out) == (2, "")
    assert "column 14" in err
    assert err.splitlines()[2].endswith("             ^")


def test_a_word_finds_things(told, modeltrail):
    code, out, _ = modeltrail("search", "fraud")

    assert code == 0
    assert "model  risk/fraud        by name" in out
    assert modeltrail("search", "nonsense")[0] == 1


def test_an_empty_home_is_told_so(home, modeltrail):
    assert modeltrail("search", "metrics.auc > 1")[0] == 1
