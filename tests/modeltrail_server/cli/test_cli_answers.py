"""The commands that answer, from arguments to text, JSON and exit codes, on a real embedded log."""

import json
import os
import subprocess
import sys

import pytest
from modeltrail_schemas.event import SourceCode
from modeltrail_server.reproduction.commits import MAX_COMMITS
from told_history import dataset, model

WIDTH = 80


def test_show_answers_in_a_screen_what_made_the_model(told, modeltrail):
    code, out, _ = modeltrail("show", "fraud")

    assert code == 0
    for words in (
        "risk/fraud@1.2  production  deployed eu-west  approved",
        "sha256:" + "3f9c" * 16,
        "risk/dataset_v3@dddddddd  (content)  train  1.2M rows  3.1 GB",
        "risk/tx-old  version not recorded",
        "a1b2c3d" + "0" * 33,
        "params  depth 6  lr 0.1",
        "accuracy 0.95",
        "Python 3.11.9",
        "check   1 missing",
    ):
        assert words in out


def test_check_says_no_with_exit_1_and_the_line_that_would_have_recorded_it(told, modeltrail):
    code, out, _ = modeltrail("check", "fraud@1.2")

    assert code == 1
    assert "MISSING data risk/tx-old: version not recorded" in out
    assert '→ run.use_dataset("risk/tx-old", version=…)' in out


def test_check_says_yes_with_exit_0_once_corrected(told, modeltrail):
    told.run("run-train", "CORRECTED", job="", inputs=(dataset("risk/tx-old@v7", digest="sha256:77"),))

    code, out, _ = modeltrail("check", "fraud")

    assert code == 0
    assert out.splitlines()[-1] == "complete: model:risk/fraud@1.2"


def test_lineage_draws_a_tree_in_which_a_chain_is_one_line(told, modeltrail):
    told.declare("RETRACTED", dataset("risk/raw@9f1"), why="wrong labels")

    code, out, _ = modeltrail("lineage", "fraud")

    assert code == 0
    assert out.splitlines() == [
        "risk/fraud@1.2 (deployed eu-west)",
        "└ run run-train  2026-03-03  COMPLETE  risk/fraud-train",
        "  ├ risk/dataset_v3@dddddddd as train ← job risk/clean ← risk/raw@9f1 RETRACTED",
        "  ├ risk/tx-old (version not recorded)",
        "  └ code a1b2c3d",
    ]


def test_lineage_as_of_an_earlier_position_shows_what_was_known_then(told, modeltrail):
    _, out, _ = modeltrail("lineage", "run-train", "--up", "--down", "--as-of", "0:3")

    assert "RUNNING" in out
    assert "fraud@1.2" not in out


def test_compare_prints_the_differences_in_columns(told, modeltrail):
    told.run("run-2", job="risk/fraud-train", parameters={"lr": "0.05", "depth": "6"})
    told.run("run-2", "COMPLETE", job="risk/fraud-train", outputs=(model("risk/fraud@1.3"),))

    code, out, _ = modeltrail("compare", "fraud@1.2", "fraud@1.3")

    assert code == 0
    header, *rows = [line.split() for line in out.splitlines()]
    assert header == ["1.2", "1.3"]
    assert ["lr", "0.1", "0.05", "-0.05"] in rows
    assert not [row for row in rows if row[0] == "depth"]


def test_history_tells_versions_and_lifecycle_in_order(told, modeltrail):
    _, out, _ = modeltrail("history", "fraud")

    lines = out.splitlines()
    assert [line.split("  ")[2].split()[0] for line in lines[1:]] == [
        "run",
        "registered",
        "aliased",
        "approved",
        "deployed",
    ]


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (("show", "fraud"), {"model", "made_by", "lifecycle", "detail", "words"}),
        (
            ("show", "run-train"),
            {"run_id", "state", "parameters", "metrics", "inputs", "duration_seconds", "started"},
        ),
        (("check", "fraud"), {"subject", "findings", "complete"}),
        (("lineage", "fraud"), {"start", "direction", "nodes", "edges", "complete"}),
        (("history", "fraud"), {"name", "versions", "steps", "earlier"}),
        (("compare", "run-train", "run-clean"), {"subjects", "rows"}),
        (("runs",), {"items", "next"}),
        (("models",), {"items", "next"}),
        (("datasets",), {"items", "next"}),
        (("jobs",), {"items", "next"}),
    ],
)
def test_every_answer_is_json_with_stable_keys(told, modeltrail, arguments, keys):
    _, out, _ = modeltrail(*arguments, "--json")

    assert keys <= set(json.loads(out))


def test_json_spells_values_as_what_they_are(told, modeltrail):
    _, out, _ = modeltrail("show", "run-train", "--json")
    run = json.loads(out)

    assert {item["name"]: item["value"] for item in run["parameters"]} == {"lr": 0.1, "depth": 6}
    assert run["inputs"][1]["entity"] == "dataset:risk/tx-old"
    assert run["started"].endswith("Z")
    assert run["outputs"][0]["digests"] == ["sha256:" + "3f9c" * 16]


def test_lists_name_what_there_is(told, modeltrail):
    assert "risk/fraud  1.2" in modeltrail("models")[1]
    assert "risk/tx-old" in modeltrail("datasets")[1]
    assert "risk/fraud-train" in modeltrail("jobs")[1]
    assert "run-train" in modeltrail("runs", "--state", "complete", "--job", "risk/fraud-train")[1]
    assert modeltrail("runs", "--state", "FAIL")[1] == "no runs FAIL\n"


def test_a_typo_is_answered_on_standard_error_with_near_names_and_exit_1(told, modeltrail):
    code, out, err = modeltrail("show", "frad")

    assert (code, out) == (1, "")
    assert "nothing is called 'frad'" in err
    assert "did you mean model:risk/fraud?" in err


@pytest.mark.parametrize(
    "arguments",
    [("show",), ("nonsense",), ("compare", "fraud"), ("runs", "--since", "yesterday"), ("runs", "--page", "?")],
)
def test_wrong_use_ends_with_2_and_without_a_traceback(told, modeltrail, arguments):
    code, out, err = modeltrail(*arguments)

    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err


def test_an_empty_home_says_where_it_looked_and_what_to_do_and_makes_nothing(home, modeltrail):
    home.rmdir()

    code, _, err = modeltrail("runs")

    assert code == 1
    assert str(home) in err.replace("\n", "")
    assert "make demo" in err
    assert not home.exists()


def test_a_log_that_is_down_ends_with_3_or_reads_what_was_projected(told, modeltrail, monkeypatch, tmp_path):
    monkeypatch.setenv("MODELTRAIL_DATABASE", "postgresql://nobody@127.0.0.1:1/none")

    code, _, err = modeltrail("runs")

    assert code == 3
    assert "does not answer" in err
    assert "Traceback" not in err


def test_piped_output_has_no_colour_and_lines_stay_whole(told, home):
    program = "import sys; from modeltrail_server.cli import main; sys.exit(main(sys.argv[1:]))"
    environ = os.environ | {"MODELTRAIL_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", program, "show", "fraud"], capture_output=True, env=environ, check=True, timeout=120
    )
    text = done.stdout.decode()

    assert "\x1b" not in text
    assert "sha256:" + "3f9c" * 16 in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_a_reader_that_goes_away_ends_the_command_quietly(told, home):
    program = "import sys; from modeltrail_server.cli import main; sys.exit(main(sys.argv[1:]))"
    environ = os.environ | {"MODELTRAIL_HOME": str(home)}
    with subprocess.Popen(
        [sys.executable, "-c", program, "show", "fraud", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
        code = process.wait(timeout=120)

    assert (code, err) == (0, b"")


def test_an_interrupt_ends_with_130_and_says_nothing(told, modeltrail, monkeypatch):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("modeltrail_server.cli.lists.list_models", interrupted)

    code, out, err = modeltrail("models")

    assert (code, out, err) == (130, "", "")


def committed(folder, subjects):
    """Make a repository with an empty commit for each of ``subjects``; return the commits."""
    folder.mkdir()
    git = ("git", "-C", str(folder), "-c", "user.name=Ana", "-c", "user.email=ana@example.org")
    subprocess.run([*git, "init", "-q"], check=True)
    commits = []
    for subject in subjects:
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", subject], check=True)
        done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        commits.append(done.stdout.strip())
    return commits


def tell_runs_from(told, commits):
    names = [f"run-of-{number}" for number in range(len(commits))]
    for run, commit in zip(names, commits, strict=True):
        told.run(run, "COMPLETE", commit=commit, code=SourceCode(commit=commit))
    return names


def test_a_comparison_tells_the_commits_between_where_the_repository_is_at_hand(
    told, modeltrail, tmp_path, monkeypatch
):
    commits = committed(tmp_path / "repository", ("Begin", "Lower the rate", "Grow deeper"))
    runs = tell_runs_from(told, commits)
    monkeypatch.chdir(tmp_path / "repository")

    shown = " ".join(modeltrail("compare", *runs)[1].split())

    for old, new, subject in ((0, 1, "Lower the rate"), (1, 2, "Grow deeper")):
        assert f"commits between {commits[old][:7]} and {commits[new][:7]} {commits[new][:7]} 20" in shown
        assert f"{subject} Ana" in shown
    back = " ".join(modeltrail("compare", runs[1], runs[0])[1].split())
    assert "left out: Lower the rate" in back


def test_the_commits_between_are_values_too(told, modeltrail, tmp_path, monkeypatch):
    commits = committed(tmp_path / "repository", ("Begin", "Lower the rate"))
    runs = tell_runs_from(told, commits)
    monkeypatch.chdir(tmp_path)

    asked = ("compare", *runs, "--json", "--repository", tmp_path / "repository")
    (between,) = json.loads(modeltrail(*asked)[1])["commits"]

    assert (between["old"], between["new"], between["left_out"]) == (*commits, [])
    (commit,) = between["added"]
    assert (commit["sha"], commit["author"], commit["subject"]) == (commits[1], "Ana", "Lower the rate")
    assert commit["date"].startswith("20")
    assert not between["cut"]


def test_commits_that_no_repository_at_hand_has_are_said_not_to_be_known(told, modeltrail, tmp_path, monkeypatch):
    runs = tell_runs_from(told, ["a" * 40, "b" * 40])
    monkeypatch.chdir(tmp_path)

    (between,) = json.loads(modeltrail("compare", *runs, "--json")[1])["commits"]

    assert between["unknown"] == "no git repository is at hand"
    assert "--repository" in modeltrail("compare", *runs)[1]
    committed(tmp_path / "repository", ("Begin",))
    monkeypatch.chdir(tmp_path / "repository")
    assert "does not have both" in modeltrail("compare", *runs)[1]


def test_very_many_commits_are_cut_and_it_is_said(told, modeltrail, tmp_path, monkeypatch):
    commits = committed(tmp_path / "repository", [f"Change {number}" for number in range(MAX_COMMITS + 2)])
    runs = tell_runs_from(told, [commits[0], commits[-1]])
    monkeypatch.chdir(tmp_path / "repository")

    (between,) = json.loads(modeltrail("compare", *runs, "--json")[1])["commits"]

    assert (len(between["added"]), between["cut"]) == (MAX_COMMITS, True)
    assert f"and more: git log {commits[0][:7]}...{commits[-1][:7]}" in modeltrail("compare", *runs)[1]


def test_compared_numbers_and_texts_are_values_in_json(told, modeltrail):
    told.run("run-a", "COMPLETE", parameters={"lr": "0.1", "kind": '"forest"'})
    told.run("run-b", "COMPLETE", parameters={"kind": '"logistic"'})

    rows = {
        row["name"]: row["values"] for row in json.loads(modeltrail("compare", "run-a", "run-b", "--json")[1])["rows"]
    }

    assert (rows["lr"], rows["kind"]) == ([0.1, None], ["forest", "logistic"])
