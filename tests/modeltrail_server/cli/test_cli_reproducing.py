"""A model is made again, or not, each for the right reason: on a real scikit-learn project in a real repository."""

import json
import os
import subprocess
import sys

import pytest
from modeltrail.config import load
from modeltrail.sending.flushing import flush_spools
from told_history import model

TRAIN = """\
import csv, sys
import modeltrail
from sklearn.linear_model import SGDClassifier

with modeltrail.start_run(job="risk/train") as run:
    data = run.use_dataset("risk/tx", path="data/tx.csv", role="train")
    rows = [[float(cell) for cell in row] for row in csv.reader(open("data/tx.csv"))]
    X, y = [row[:2] for row in rows], [row[2] for row in rows]
    parameters = {"alpha": 0.05, "max_iter": 3, SEED}
    run.log_params(parameters)
    model = SGDClassifier(tol=None, **parameters).fit(X, y)
    run.log_metrics({"loss": float(abs(model.decision_function(X)).mean())}, dataset=data)
    run.log_model("risk/fraud", data=model.coef_.tobytes(), version="1")
"""


def git(folder, *arguments):
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def make_project(folder, seed):
    """Make a repository with a training script; its data lies beside it, outside git."""
    (folder / "data").mkdir(parents=True)
    rows = (f"{n % 7},{n % 5},{int((n % 7) > (n % 5))}\n" for n in range(200))
    (folder / "data" / "tx.csv").write_text("".join(rows))
    (folder / "src").mkdir()
    (folder / "src" / "train.py").write_text(TRAIN.replace("SEED", seed))
    (folder / ".gitignore").write_text("data\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "Add the training")
    return folder


def train(project, home):
    environ = os.environ | {"MODELTRAIL_HOME": str(home), "GIT_CEILING_DIRECTORIES": str(project.parent)}
    subprocess.run([sys.executable, "src/train.py"], cwd=project, env=environ, check=True, timeout=120)
    assert flush_spools(load(environ, project), timeout_ms=120_000).is_complete  # what a busy machine left


@pytest.fixture
def project(tmp_path, home, monkeypatch):
    """Return a project that was trained once, with a seed; the test's working directory."""
    folder = make_project(tmp_path / "project", '"random_state": 7')
    train(folder, home)
    monkeypatch.chdir(folder)
    return folder


AGAIN = ("reproduce", "risk/fraud@1", "--run", "--yes", "--reuse-environment")


@pytest.mark.slow
def test_a_seeded_training_is_reproduced_and_the_new_run_is_linked_to_the_original(project, home, modeltrail):
    (project / "src" / "train.py").write_text("changed since, and not committed")

    code, out, err = modeltrail(*AGAIN)

    assert code == 0, out + err
    assert out.splitlines()[-2].startswith("reproduced: run:")
    assert "risk/fraud@1 has the same bytes" in out
    again, original = (word[4:] for word in out.partition("reproduced:")[2].split() if word.startswith("run:"))
    run = json.loads(modeltrail("show", f"run:{again}", "--json")[1])
    assert run["tags"] == {"reproduces": original}
    assert "made again by" in modeltrail("show", "risk/fraud@1")[1]
    assert "run" not in {
        found["piece"] for found in json.loads(modeltrail("check", "risk/fraud@1", "--json")[1])["findings"]
    }
    assert modeltrail(*AGAIN)[0] == 0
    assert "in /" in err
    assert "src/train.py" in err
    listed = subprocess.run(["git", "worktree", "list"], cwd=project, capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 1


@pytest.mark.slow
def test_what_was_not_committed_is_part_of_what_is_reproduced(project, home, modeltrail):
    script = project / "src" / "train.py"
    script.write_text(script.read_text().replace("0.05", "0.5"))
    train(project, home)
    git(project, "checkout", "-q", ".")

    code, out, _ = modeltrail("runs", "--limit", "1", "--json")
    latest = json.loads(out)["items"][0]["run_id"]
    assert '+    parameters = {"alpha": 0.5' in modeltrail("reproduce", latest, "--print", "diff")[1]
    code, out, err = modeltrail("reproduce", latest, "--run", "--yes", "--reuse-environment")

    assert code == 0, out + err


@pytest.mark.slow
def test_an_unseeded_training_is_not_reproduced_and_chance_is_named(tmp_path, home, modeltrail, monkeypatch):
    folder = make_project(tmp_path / "project", '"shuffle": True')
    train(folder, home)
    monkeypatch.chdir(folder)

    code, out, _ = modeltrail(*AGAIN)

    assert code == 1
    assert "not reproduced" in out
    assert "loss on risk/tx is" in out
    assert "no seed is recorded: chance may have had a part" in out


@pytest.mark.slow
def test_changed_data_is_found_before_anything_runs(project, home, modeltrail):
    with (project / "data" / "tx.csv").open("a") as file:
        file.write("9,9,0\n")

    code, out, err = modeltrail(*AGAIN)

    assert (code, out) == (1, "")
    assert "the data has changed: risk/tx@" in err
    assert len(json.loads(modeltrail("runs", "--json")[1])["items"]) == 1
    listed = subprocess.run(["git", "worktree", "list"], cwd=project, capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 1


@pytest.mark.slow
def test_the_steps_are_shown_and_nothing_is_done_without_being_asked(project, home, modeltrail):
    code, out, _ = modeltrail("reproduce", "risk/fraud@1")

    assert code == 0
    for words in ("git worktree add --detach again-", "-m pip install --no-deps -r", "src/train.py", "whatis"):
        assert words in out
    assert "scikit-learn==" in modeltrail("reproduce", "risk/fraud@1", "--print", "requirements")[1]
    recipe = json.loads(modeltrail("reproduce", "risk/fraud@1", "--json")[1])["recipe"]
    assert (recipe["entry_point"], recipe["folder"], recipe["obstacles"]) == ("src/train.py", "", [])
    code, _, err = modeltrail("reproduce", "risk/fraud@1", "--run", "--reuse-environment")
    assert (code, "say --yes" in err) == (2, True)
    assert len(json.loads(modeltrail("runs", "--json")[1])["items"]) == 1


def test_a_commit_that_is_not_at_hand_is_a_no_with_what_to_do(told, modeltrail, tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    monkeypatch.chdir(tmp_path)

    code, _, err = modeltrail("reproduce", "run-train", "--run", "--yes", "--reuse-environment")

    assert code == 1
    assert "the commit a1b2c3d" in err
    assert "https://example.org/risk.git" in err


def test_a_recipe_is_that_of_what_was_known_then(told, modeltrail):
    known = len(told.events)
    told.run("run-later", "COMPLETE", outputs=(model("risk/fraud@9"),))

    for asked, run in (((), "run-later"), (("--as-of", f"0:{known}"), "run-train")):
        recipe = json.loads(modeltrail("reproduce", "fraud", "--json", *asked)[1])["recipe"]
        assert recipe["run_id"] == run


def test_a_record_without_code_cannot_be_reproduced_and_says_why(told, modeltrail):
    code, out, _ = modeltrail("reproduce", "run-clean")

    assert code == 1
    assert "cannot be reproduced: no command line is recorded" in out
