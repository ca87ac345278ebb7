"""Importing a real MLflow store: all of it, once, however often and however it was interrupted."""

import json
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from modeltrail.log import open_log, read
from modeltrail_schemas.codec import decode
from modeltrail_schemas.event import LineageEvent
from modeltrail_server.cli import main

TIMEOUT_S = 900
STEPS = 1_000
FILL = """
import math, sys, time
import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, Dataset, DatasetInput, InputTag

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
made = {name: client.create_experiment(name) for name in ("sweep", "nightly", "Ünïcode / names")}
parent = client.create_run(made["sweep"], start_time=1_000_000, run_name="parent")
for number in range(12):
    child = client.create_run(
        made["sweep"], start_time=1_000_100 + number, tags={"mlflow.parentRunId": parent.info.run_id}
    ).info.run_id
    client.log_batch(child, [Metric("auc", number / 12, 1_000_200, 0)], [Param("lr", f"{number / 10}")], [])
    client.set_terminated(child, end_time=1_000_300)
client.set_terminated(parent.info.run_id, end_time=1_000_400)
commit = {"mlflow.source.git.commit": "a1b2c3d"}
long = client.create_run(made["nightly"], start_time=2_000_000, tags=commit).info.run_id
points = [Metric("loss", 1 / (step + 1), 2_000_000 + step, step) for step in range(STEPS)]
client.log_batch(long, points, [], [RunTag("team", "risk"), RunTag("mlflow.note.content", "the long one")])
client.log_batch(long, [Metric("odd", math.nan, 2_000_000, 0), Metric("odd", math.inf, 2_000_001, 1)], [], [])
client.log_inputs(long, [DatasetInput(
    Dataset("tx", "ab12cd34", "local", '{"uri": "s3://lake/tx.parquet"}',
            '{"mlflow_colspec": [{"type": "double", "name": "amount", "required": true}]}', '{"num_rows": 12}'),
    [InputTag("mlflow.data.context", "training")],
)])
client.set_terminated(long, end_time=2_100_000)
failed = client.create_run(made["nightly"], start_time=3_000_000).info.run_id
client.set_terminated(failed, status="FAILED", end_time=3_000_001)
open_run = client.create_run(made["Ünïcode / names"], start_time=4_000_000).info.run_id
gone = client.create_run(made["Ünïcode / names"], start_time=4_000_001).info.run_id
client.delete_run(gone)
client.create_registered_model("fraud", description="finds fraud")
for number in (1, 2):
    client.create_model_version("fraud", f"runs:/{long}/model", run_id=long, description=f"try {number}")
client.set_registered_model_alias("fraud", "champion", "2")
client.set_registered_model_alias("fraud", "previous", "1")
client.transition_model_version_stage("fraud", "1", "Archived")
""".replace("STEPS", str(STEPS))
KILLED = """
import os, signal, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from modeltrail.log import open_log
from modeltrail.mlflow.naming import Naming
from modeltrail_server.mlflow import importing
from modeltrail_server.mlflow.ledger import Ledger, LEDGER_NAME
from modeltrail_server.mlflow.source import open_source

home, source = Path(sys.argv[1]), sys.argv[2]
importing.MAX_BATCH_RECORDS = 5
home.mkdir()
with open_log(str(home / "log.db")) as log:
    ledger = Ledger(home / LEDGER_NAME, f"{log.identity.topic_id} mlflow")
    for so_far in importing.MlflowImporter(open_source(source), log, ledger, Naming()).run():
        if so_far.runs == 8:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def _python(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MODELTRAIL_", "MLFLOW_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environ | {"PYTHONWARNINGS": "ignore", "MLFLOW_ALLOW_FILE_STORE": "true"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def _modeltrail(home: Path, *arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, output and errors."""
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = main(["--home", str(home), *arguments])
    return code, out.getvalue(), err.getvalue()


def _answer(home: Path, *arguments: str) -> Any:
    code, out, err = _modeltrail(home, *arguments, "--json")
    assert code == 0, out + err
    return json.loads(out)


def _events(home: Path) -> list[LineageEvent]:
    with open_log(str(home / "log.db"), create=False) as log:
        return [decode(record.value) for record in read(log, log.start(), log.end())]


# MLflow and its libraries, in this process here, warn of what is theirs and close their databases when they like.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    """Take back what opening an MLflow sets in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        patch.setenv("MLFLOW_TRACKING_URI", "")
        yield


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the SQLite file of a tracking store with a bit of everything."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    done = _python("-c", FILL, f"sqlite:///{path}")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def imported(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home that ``filled`` was imported into, once."""
    home = tmp_path_factory.mktemp("imported") / "home"
    code, out, err = _modeltrail(home, "import", "mlflow", f"sqlite:///{filled}")
    assert code == 0, out + err
    assert "17 runs, 2 registered versions imported" in " ".join(out.split())
    return home


def test_everything_of_a_run_comes_with_its_times(imported: Path) -> None:
    events = [event for event in _events(imported) if event.run_id]
    assert all(event.imported_from == "mlflow" for event in events)
    (long,) = {event.run_id for event in events if event.commit == "a1b2c3d"}
    run = _answer(imported, "show", f"run:{long}")
    assert (run["started"], run["ended"]) == ("1970-01-01T00:33:20.000000000Z", "1970-01-01T00:35:00.000000000Z")
    assert (run["state"], run["description"], run["tags"]["team"]) == ("COMPLETE", "the long one", "risk")
    (use,) = run["inputs"]
    assert use["entity"] == "dataset:mlflow/tx@ab12cd34"
    assert (use["location"], use["rows"], use["columns"]) == ("s3://lake/tx.parquet", 12, {"amount": "double"})
    assert (use["strength"], use["roles"]) == ("claimed", ["training"])
    curves = {curve["name"]: curve for curve in run["metrics"]}
    assert (curves["loss"]["steps"], curves["loss"]["value"]) == (STEPS, 1 / STEPS)
    odd = [metric.value for event in events for metric in event.metrics if metric.name == "odd"]
    assert math.isnan(odd[0])
    assert odd[1] == math.inf


def test_nested_failed_open_and_deleted_runs_keep_what_they_were(imported: Path) -> None:
    events = _events(imported)
    states = Counter(event.type for event in events if event.type in ("START", "COMPLETE", "FAIL", "ABORT"))
    assert states == {"START": 17, "COMPLETE": 14, "FAIL": 1}
    assert sum(bool(event.parent_run_id) for event in events if event.type == "START") == 12
    assert sum(event.tags.get("mlflow.lifecycleStage") == "deleted" for event in events) == 1
    assert {event.job.name for event in events if event.job.name} == {"sweep", "nightly", "Ünïcode / names"}


def test_registry_versions_have_their_run_aliases_and_stages(imported: Path) -> None:
    shown = _answer(imported, "show", "fraud@champion")
    assert shown["model"] == "model:mlflow/fraud@2"
    (run,) = shown["made_by"]
    assert run["codes"][0]["commit"] == "a1b2c3d"
    assert "model:mlflow/fraud@1" in json.dumps(_answer(imported, "show", "fraud@previous"))
    staged = [event for event in _events(imported) if event.type == "STAGED"]
    assert [(event.subjects[0].version, event.statement.stage) for event in staged if event.statement] == [
        ("1", "Archived")
    ]


def test_importing_again_appends_nothing_and_reading_all_of_it_again_changes_nothing(
    imported: Path, filled: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(imported, home)
    before, digest = len(_events(home)), _answer(home, "digest")["hex"]
    again = _answer(home, "import", "mlflow", f"sqlite:///{filled}")
    assert (again["events"], again["runs"], again["versions"]) == (0, 0, 0)
    assert len(_events(home)) == before
    anew = _answer(home, "import", "mlflow", f"sqlite:///{filled}", "--again")
    assert anew["events"] == before
    assert len({event.event_id for event in _events(home)}) == before
    assert _answer(home, "digest")["hex"] == digest


def test_an_import_killed_half_way_goes_on_and_ends_as_one_that_was_not(
    imported: Path, filled: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    killed = _python("-c", KILLED, str(home), f"sqlite:///{filled}")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    begun = len(_events(home))
    assert 0 < begun < len(_events(imported))
    rest = _answer(home, "import", "mlflow", f"sqlite:///{filled}")
    assert rest["unchanged"] > 0
    assert rest["runs"] < 17
    assert {event.event_id for event in _events(home)} == {event.event_id for event in _events(imported)}
    assert _answer(home, "digest")["hex"] == _answer(imported, "digest")["hex"]


def test_a_run_that_went_on_and_an_alias_that_moved_are_told_by_the_next_import(
    imported: Path, filled: Path, tmp_path: Path
) -> None:
    home, store = tmp_path / "home", tmp_path / "mlflow.db"
    shutil.copytree(imported, home)
    shutil.copy(filled, store)
    (open_run,) = {e.run_id for e in _events(home) if e.job.name.startswith("Ü") and "deleted" not in e.tags.values()}
    change = f"""
from mlflow import MlflowClient
client = MlflowClient(tracking_uri="sqlite:///{store}", registry_uri="sqlite:///{store}")
client.log_metric("{open_run}", "auc", 0.9)
client.set_terminated("{open_run}")
client.set_registered_model_alias("fraud", "champion", "1")
client.delete_registered_model_alias("fraud", "previous")
"""
    assert _python("-c", change).returncode == 0
    again = _answer(home, "import", "mlflow", f"sqlite:///{store}")
    assert (again["runs"], again["versions"]) == (1, 0)
    assert _answer(home, "show", f"run:{open_run}")["state"] == "COMPLETE"
    assert _answer(home, "show", "fraud@champion")["model"] == "model:mlflow/fraud@1"
    gone = [e for e in _events(home) if e.statement and e.statement.alias == "previous"]
    assert [event.subjects[0].version for event in gone] == ["1", ""]


def test_a_dry_run_counts_and_appends_nothing(filled: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    counted = _answer(home, "import", "mlflow", f"sqlite:///{filled}", "--dry-run")
    assert (counted["runs"], counted["versions"]) == (17, 2)
    assert _events(home) == []
    assert _answer(home, "import", "mlflow", f"sqlite:///{filled}")["events"] == counted["events"]


def test_a_run_that_cannot_be_read_is_named_and_the_others_come(imported: Path, filled: Path, tmp_path: Path) -> None:
    store = tmp_path / "mlflow.db"
    shutil.copy(filled, store)
    (long,) = {event.run_id for event in _events(imported) if event.commit == "a1b2c3d"}
    with sqlite3.connect(store) as damaged:
        damaged.execute("UPDATE metrics SET value = 'not a number' WHERE run_uuid = ? AND step = 7", (long,))
    damaged.close()
    code, out, err = _modeltrail(tmp_path / "home", "import", "mlflow", f"sqlite:///{store}")
    assert code == 1, out + err
    assert f"run {long}" in " ".join(out.split())
    assert "16 runs" in " ".join(out.split())


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    code, _, err = _modeltrail(tmp_path / "home", "import", "mlflow", f"sqlite:///{tmp_path / 'none.db'}")
    assert code == 3
    assert "there is no MLflow store" in err
    assert not (tmp_path / "none.db").exists()


def test_a_folder_of_files_is_imported_too_and_no_other_store_is_opened_or_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = _python("-c", FILL, f"file://{tmp_path / 'mlruns'}")
    assert filled.returncode == 0, filled.stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    result = _answer(tmp_path / "home", "import", "mlflow", str(tmp_path / "mlruns"))
    assert (result["runs"], result["versions"], result["failures"]) == (17, 2, [])
    assert list(elsewhere.iterdir()) == []
