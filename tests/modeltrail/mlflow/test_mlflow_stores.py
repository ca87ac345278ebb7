"""A real MLflow under the plugin: its users' programs run unchanged, and the log knows what they did."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from modeltrail.config import load
from modeltrail.log import open_log, read
from modeltrail.sending.flushing import flush_spools
from modeltrail_schemas.codec import decode
from modeltrail_schemas.event import LineageEvent

TIMEOUT_S = 900
MODELTRAIL = ("-c", "from modeltrail.command import main; raise SystemExit(main())")
AUTOLOGGED = """
import warnings; warnings.simplefilter("ignore")
import json, math, mlflow, mlflow.sklearn, pickle
from mlflow import MlflowClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

mlflow.set_experiment("iris")
mlflow.sklearn.autolog()
features, kinds = load_iris(return_X_y=True, as_frame=True)
with mlflow.start_run(run_name="logistic") as run:
    LogisticRegression(C=0.5, random_state=3, max_iter=500).fit(features, kinds)
    mlflow.log_metric("odd", math.nan)
    mlflow.log_metric("odd", math.inf, step=1)
client = MlflowClient()
model = client.search_logged_models([run.info.experiment_id])[0]
version = mlflow.register_model(f"models:/{model.model_id}", "iris-kind")
client.set_registered_model_alias("iris-kind", "champion", version.version)
store = client._tracking_client.store
assert isinstance(store, __import__("mlflow.store.tracking.sqlalchemy_store", fromlist=["x"]).SqlAlchemyStore)
assert type(pickle.loads(pickle.dumps(store))).__module__ == type(store).__module__
print(json.dumps({"run": run.info.run_id, "model": model.model_id}))
"""
LOGGED = """
import mlflow
from mlflow import MlflowClient
mlflow.set_experiment("plain")
with mlflow.start_run() as outer:
    mlflow.log_params({"lr": "0.10", "api_key": "hunter22222", "layers": "[1, 2]"})
    mlflow.set_tag("team", "risk")
    with mlflow.start_run(nested=True):
        mlflow.log_metric("loss", 0.5, step=4, synchronous=False)
        mlflow.flush_async_logging()
try:
    with mlflow.start_run():
        raise RuntimeError("boom")
except RuntimeError:
    pass
client = MlflowClient()
client.create_registered_model("plain")
version = client.create_model_version("plain", "file:///models/plain", run_id=outer.info.run_id)
client.set_registered_model_alias("plain", "champion", version.version)
client.delete_registered_model_alias("plain", "champion")
print(outer.info.run_id)
"""

pytestmark = pytest.mark.slow  # MLflow takes seconds to start


def _environ(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MODELTRAIL_", "MLFLOW_"))}
    own = {"MODELTRAIL_HOME": str(folder / "home"), "MLFLOW_ALLOW_FILE_STORE": "true", "PYTHONWARNINGS": "ignore"}
    return {**kept, **own, "MLFLOW_TRACKING_URI": f"modeltrail+{_store(folder)}", **more}


def _store(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def _files(folder: Path) -> str:
    return f"file://{folder / 'mlruns'}"


def _run(folder: Path, *command: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=_environ(folder, **more),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def _modeltrail(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return _run(folder, *MODELTRAIL, *arguments)


def _events(folder: Path) -> list[LineageEvent]:
    config = load({"MODELTRAIL_HOME": str(folder / "home")}, folder)
    assert flush_spools(config, timeout_ms=120_000).is_complete
    with open_log(config.log) as log:
        return [decode(record.value) for record in read(log, log.start(), log.end())]


@pytest.fixture(scope="module")
def autologged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("autologged")
    (folder / "train.py").write_text(AUTOLOGGED, "utf-8")
    for arguments in (["init", "-q"], ["add", "train.py"], ["commit", "-q", "-m", "Train"]):
        identity = ["-c", "user.name=ana", "-c", "user.email=ana@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)
    done = _run(folder, "train.py", MODELTRAIL_STRICT="1")
    assert done.returncode == 0, done.stderr
    assert "unexpected error" not in done.stderr, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_autologging_under_the_plugin_answers_which_data_code_and_parameters_made_the_model(
    autologged: tuple[Path, dict[str, str]],
) -> None:
    folder, made = autologged
    shown = json.loads(_modeltrail(folder, "show", "iris-kind@champion", "--json").stdout)
    (run,) = shown["made_by"]
    assert run["run_id"] == made["run"]
    assert run["state"] == "COMPLETE"
    assert run["inputs"][0]["entity"].startswith("dataset:mlflow/dataset@")
    assert run["environment"]["packages"]["scikit-learn"]
    assert run["codes"][0]["commit"]
    assert {"C", "random_state"} <= {claimed["name"] for claimed in run["parameters"]}
    lineage = _modeltrail(folder, "lineage", "iris-kind").stdout
    assert made["run"] in lineage
    assert "mlflow/dataset@" in lineage
    checked = json.loads(_modeltrail(folder, "check", "iris-kind", "--json").stdout)
    levels = {finding["level"] for finding in checked["findings"]}
    assert levels == {"WEAK", "OK"}, checked


def test_what_the_plugin_recorded_and_the_import_read_is_one_run_without_contradiction(
    autologged: tuple[Path, dict[str, str]],
) -> None:
    folder, made = autologged
    before = json.loads(_modeltrail(folder, "check", "iris-kind", "--json").stdout)
    shown = json.loads(_modeltrail(folder, "show", f"run:{made['run']}", "--json").stdout)
    imported = _modeltrail(folder, "import", "mlflow", _store(folder), "--json")
    assert imported.returncode == 0, imported.stderr
    assert json.loads(imported.stdout)["runs"] == 1
    assert json.loads(_modeltrail(folder, "check", "iris-kind", "--json").stdout) == before
    after = json.loads(_modeltrail(folder, "show", f"run:{made['run']}", "--json").stdout)
    for told in ("state", "started", "ended", "metrics", "inputs", "outputs", "tags", "codes", "environment"):
        assert after[told] == shown[told], told
    runs = json.loads(_modeltrail(folder, "runs", "--json").stdout)
    assert len(runs["items"]) == 1


def test_fluent_calls_nested_runs_failures_and_the_registry_become_events(tmp_path: Path) -> None:
    (tmp_path / "log.py").write_text(LOGGED, "utf-8")
    done = _run(tmp_path, "log.py", MODELTRAIL_STRICT="1")
    assert done.returncode == 0, done.stderr
    outer = done.stdout.split()[-1]
    events = _events(tmp_path)
    starts = [event for event in events if event.type == "START"]
    assert [event.job.format() for event in starts] == ["mlflow/plain"] * 3
    assert [event.parent_run_id for event in starts] == ["", outer, ""]
    ends = [event.type for event in events if event.type in ("COMPLETE", "FAIL", "ABORT")]
    assert sorted(ends) == ["COMPLETE", "COMPLETE", "FAIL"]
    parameters = {name: text for event in events for name, text in event.parameters.items()}
    assert parameters == {"lr": "0.10", "api_key": '"[redacted]"', "layers": '"[1, 2]"'}
    assert [(m.name, m.value, m.step) for event in events for m in event.metrics] == [("loss", 0.5, 4)]
    assert any(event.tags.get("team") == "risk" for event in events)
    aliased = [event for event in events if event.type == "ALIASED"]
    assert [event.subjects[0].version for event in aliased] == ["1", ""]


def test_a_home_that_cannot_be_used_costs_lineage_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "log.py").write_text(LOGGED, "utf-8")
    (tmp_path / "home").write_text("a file where the home should be", "utf-8")
    recording = f"modeltrail+{_files(tmp_path)}"
    done = _run(tmp_path, "log.py", MLFLOW_TRACKING_URI=recording)
    assert done.returncode == 0, done.stderr
    count = "import mlflow; print(len(mlflow.search_runs(search_all_experiments=True)))"
    assert _run(tmp_path, "-c", count, MLFLOW_TRACKING_URI=_files(tmp_path)).stdout.split()[-1] == "3"


def test_without_the_prefix_mlflow_opens_no_store_of_ours(tmp_path: Path) -> None:
    script = "import mlflow; print(type(mlflow.MlflowClient()._tracking_client.store).__module__)"
    done = _run(tmp_path, "-c", script, MLFLOW_TRACKING_URI=_files(tmp_path))
    assert done.stdout.split()[-1] == "mlflow.store.tracking.file_store"
    assert not (tmp_path / "home").exists()
