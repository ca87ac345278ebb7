"""A model is made again in a new environment of the recorded packages, which a real pip installs from a real index.

Needs the index that pip is configured with, as installing this project does; without one it fails and says so.
"""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

import pytest
from modeltrail.datasets.files import DigestCache
from modeltrail_server.reproduction.recipe import Recipe
from modeltrail_server.reproduction.workshop import NotReproducibleError, Workshop

TIMEOUT_S = 600
NEEDS_INDEX = "pip installed nothing: this test needs the package index (or wheels) that pip is configured with"
TRAIN = """\
import modeltrail
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

with modeltrail.start_run(job="flowers/train") as run:
    X, y = load_iris(return_X_y=True)
    data = run.use_dataset("flowers/iris", path="iris.csv", role="train")
    run.log_params({"C": 0.5, "random_state": 3})
    model = LogisticRegression(C=0.5, max_iter=500, random_state=3).fit(X, y)
    run.log_metrics({"accuracy": model.score(X, y)}, dataset=data)
    run.log_model("flowers/iris", data=model.coef_.round(6).tobytes(), version="1")
"""


def needed_by(*names: str) -> set[str]:
    """Return the distributions that these need, themselves among them, as they are installed here."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        try:
            needs = requires(name) or []
        except PackageNotFoundError:
            continue
        if name not in found:
            found.add(name)
            waiting += [re.split(r"[\s;<>=!~\[(]", need)[0] for need in needs if "extra ==" not in need]
    return found


def small_environment(folder: Path) -> Path:
    """Return the Python of an environment that has what the training needs of this one's packages, and no more."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=TIMEOUT_S)
    packages = next(folder.glob("lib/python*/site-packages"))
    for name in needed_by("modeltrail", "scikit-learn"):
        one = distribution(name)
        for top in {file.parts[0] for file in one.files or () if file.parts[0] != ".."}:
            (packages / top).symlink_to(Path(str(one.locate_file(top))))
    return folder / "bin" / "python"


@pytest.fixture
def trained(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with a training that ran once, in a small environment of its own."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "iris.csv").write_text("the measurements\n")
    (project / "train.py").write_text(TRAIN)
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org")
    for arguments in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "Add the training")):
        subprocess.run(["git", *arguments], cwd=project, check=True, capture_output=True)
    environ = os.environ | {"MODELTRAIL_HOME": str(home), "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    python = small_environment(tmp_path / "trained-in")
    done = subprocess.run(
        [python, "train.py"], cwd=project, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(project)
    return project


@pytest.mark.slow
def test_the_recorded_packages_are_installed_anew_and_the_model_is_the_same(trained, modeltrail):
    recorded = json.loads(modeltrail("show", "model:flowers/iris", "--json")[1])["made_by"][0]["environment"][
        "packages"
    ]
    assert {"scikit-learn", "modeltrail"} <= set(recorded)
    assert "pytest" not in recorded

    code, out, err = modeltrail("reproduce", "model:flowers/iris", "--run", "--yes")

    assert "pip install" not in err or "failed" not in err, f"{NEEDS_INDEX}\n{err}"
    assert code == 0, out + err
    assert "accuracy" in out
    assert "reproduced: run:" in out
    again = re.search(r"reproduced: run:(\S+)", out)
    assert again
    ran = json.loads(modeltrail("show", f"run:{again[1]}", "--json")[1])
    installed = ran["environment"]["packages"]
    assert {name: installed.get(name) for name in recorded} == recorded


@pytest.mark.slow
def test_a_package_that_the_index_does_not_have_is_named_as_the_reason(tmp_path):
    workshop = Workshop(tmp_path, tmp_path, DigestCache(tmp_path / "digests"))
    recipe = Recipe("run", packages={"scikit-learn": "0.0.0.dev1"})

    with pytest.raises(NotReproducibleError, match=r"scikit-learn==0\.0\.0\.dev1"):
        workshop.make_environment(recipe, sys.executable)
