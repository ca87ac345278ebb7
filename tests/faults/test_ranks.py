"""Promise 1, ranks: eight processes record into one run, and what befalls one of them is kept, and shown.

Real processes under torchrun's variables; what a person then sees is that of ``show`` and ``check``.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from modeltrail.config import load
from modeltrail.log import open_log, read
from modeltrail.sending.flushing import flush_spools
from modeltrail_schemas.codec import decode
from modeltrail_schemas.event import LineageEvent
from modeltrail_server.cli.rendering.show import render_answer
from modeltrail_server.queries.completeness import check_run
from modeltrail_server.queries.fold import fold_run
from modeltrail_server.queries.records import RunView

pytestmark = pytest.mark.fault

RANKS = 8
WAIT_S = 120
OUTLIVED_S = 1.5

TRAIN = """
import os, sys, time
from pathlib import Path
import modeltrail

rank, gate = int(os.environ["RANK"]), Path(sys.argv[1])

def tell(what):
    (gate / f"{what}.{rank}").touch()

def wait(what, ranks=range(int(os.environ["WORLD_SIZE"]))):
    deadline = time.monotonic() + 120
    while not all((gate / f"{what}.{one}").exists() for one in ranks):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)

run = modeltrail.start_run(job="risk/train", capture=CAPTURE)
for step in range(50):
    run.log_metrics({"loss": rank + step / 100}, step=step)
tell("trained")
wait("trained")
STORY
"""


class Launch:
    """Eight processes of one launch, in a folder with a home and a gate where they wait for each other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.gate = folder / "gate"
        self.gate.mkdir()
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, story: str, *, capture: bool = False, folders: dict[int, Path] | None = None) -> None:
        text = TRAIN.replace("STORY", story).replace("CAPTURE", str(capture))
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("MODELTRAIL_", "GIT_"))
        }
        of_rank = dict.fromkeys(range(RANKS), self._folder) | (folders or {})
        for where in set(of_rank.values()):
            (where / "train.py").write_text(text)
        for rank, where in of_rank.items():
            ranked = {"RANK": str(rank), "WORLD_SIZE": str(RANKS), "TORCHELASTIC_RUN_ID": "job-7"}
            environ = inherited | ranked | {"MODELTRAIL_HOME": str(self._folder / "home")}
            command = [sys.executable, str(where / "train.py"), str(self.gate)]
            self._processes.append(
                subprocess.Popen(command, cwd=where, env=environ, stderr=subprocess.PIPE, text=True)
            )

    def wait_for(self, what: str, ranks: range | tuple[int, ...] = range(RANKS)) -> None:
        deadline = time.monotonic() + WAIT_S
        while not all((self.gate / f"{what}.{rank}").exists() for rank in ranks):
            assert time.monotonic() < deadline, what
            time.sleep(0.01)

    def kill(self, rank: int) -> None:
        self._processes[rank].send_signal(signal.SIGKILL)

    def finish(self) -> list[int]:
        """Return how each process ended, and hold that none was hurt by what we do."""
        codes = []
        for process in self._processes:
            _, complaints = process.communicate(timeout=WAIT_S)
            assert "Traceback" not in complaints, complaints
            codes.append(process.returncode)
        return codes

    def events(self) -> list[LineageEvent]:
        config = load({"MODELTRAIL_HOME": str(self._folder / "home")}, self._folder)
        assert flush_spools(config, timeout_ms=WAIT_S * 1_000).is_complete
        with open_log(config.log) as log:
            return [decode(record.value) for record in read(log, log.start(), log.end())]

    def view(self) -> RunView:
        events = self.events()
        (run_id,) = {event.run_id for event in events}
        return fold_run(run_id, events)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    launch = Launch(tmp_path)
    yield launch
    launch.close()


def shown(view: RunView) -> str:
    return "\n".join(line.plain for line in render_answer(view, check_run(view), width=200))


def found(view: RunView, piece: str) -> list[str]:
    return [finding.what for finding in check_run(view).findings if finding.piece == piece]


def test_eight_ranks_record_one_run_which_rank_0_starts_and_ends(launch: Launch) -> None:
    launch.start("run.end()")
    assert launch.finish() == [0] * RANKS
    events = launch.events()
    told = [(event.type, event.emitter.rank) for event in events if event.type != "RUNNING"]
    assert told == [("START", 0), ("COMPLETE", 0)]
    view = launch.view()
    assert (view.state, view.ranks, view.troubles) == ("COMPLETE", RANKS, ())
    assert {(curve.rank, curve.steps, curve.first) for curve in view.metrics} == {
        (r, 50, float(r)) for r in range(RANKS)
    }
    for rank in range(RANKS):
        steps = [metric.step for event in events if event.emitter.rank == rank for metric in event.metrics]
        assert steps == list(range(50)), "in the order in which the rank told them, each once"


def test_a_rank_that_dies_loses_nothing_that_it_told_and_is_shown_as_lost(launch: Launch) -> None:
    launch.start(
        """
tell("ready")
if rank in (3, 5):
    time.sleep(600)
wait("dead", (0,))
run.end()
"""
    )
    launch.wait_for("ready")
    for rank in (3, 5):
        launch.kill(rank)
    (launch.gate / "dead.0").touch()
    codes = launch.finish()
    assert [rank for rank in range(RANKS) if codes[rank] == -signal.SIGKILL] == [3, 5]
    view = launch.view()
    assert (view.state, view.state_inferred, view.error) == ("COMPLETE", False, None)
    assert {curve.rank: curve.steps for curve in view.metrics} == dict.fromkeys(range(RANKS), 50)
    lost = {f"rank {rank} was lost: its process ended without leaving the run" for rank in (3, 5)}
    assert {trouble.what for trouble in view.troubles} == lost
    assert lost <= set(found(view, "run"))
    assert all(line in shown(view) for line in lost)


def test_a_rank_that_fails_is_shown_with_its_error_and_does_not_end_the_run(launch: Launch) -> None:
    launch.start(
        """
import atexit
atexit.register(tell, "gone")
if rank == 6:
    try:
        with run:
            raise ValueError("no data on this rank")
    except ValueError:
        sys.exit(1)
wait("gone", (6,))
run.end()
"""
    )
    assert [rank for rank, code in enumerate(launch.finish()) if code] == [6]
    view = launch.view()
    assert view.state == "COMPLETE"
    assert found(view, "run") == ["rank 6 failed: ValueError: no data on this rank"]
    assert "rank 6 failed: ValueError: no data on this rank" in shown(view)


def test_a_rank_told_to_stop_says_so_before_it_goes(launch: Launch) -> None:
    launch.start(
        """
import signal
if rank == 2:
    os.kill(os.getpid(), signal.SIGTERM)
run.end()
"""
    )
    assert launch.finish()[2] == -signal.SIGTERM
    assert found(launch.view(), "run") == ["rank 2 failed: SIGTERM: terminated"]


def test_when_rank_0_dies_the_run_is_aborted_by_inference_and_keeps_what_the_others_tell(launch: Launch) -> None:
    launch.start(
        """
tell("ready")
if rank == 0:
    time.sleep(600)
wait("dead", (0,))
run.log_metrics({"after": 1.0})
run.end()
"""
    )
    launch.wait_for("ready")
    launch.kill(0)
    (launch.gate / "dead.0").touch()
    launch.finish()
    view = launch.view()
    assert (view.state, view.state_inferred) == ("ABORT", True)
    assert {curve.rank for curve in view.metrics if curve.name == "after"} == set(range(1, RANKS))
    assert any(what.startswith("the run ended with ABORT (inferred") for what in found(view, "run"))


def test_a_rank_that_outlives_the_run_is_kept_and_shown(launch: Launch) -> None:
    launch.start(
        f"""
import modeltrail
if rank == 7:
    wait("ended", (0,))
    time.sleep({OUTLIVED_S})
    run.log_metrics({{"late": 7.0}}, step=99)
    run.end()
else:
    run.end()
    tell("ended")
"""
    )
    assert launch.finish() == [0] * RANKS
    view = launch.view()
    assert view.state == "COMPLETE"
    assert [(curve.name, curve.rank) for curve in view.metrics if curve.name == "late"] == [("late", 7)]
    (trouble,) = view.troubles
    assert trouble.who == "rank 7"
    assert trouble.after_ns > 1_000_000_000
    assert trouble.what in found(view, "run")
    assert trouble.what in shown(view)


def test_a_rank_on_another_commit_contradicts_and_is_shown(launch: Launch, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    commits = []
    for folder in (one, other):
        folder.mkdir()
        (folder / "model.py").write_text(f"LAYERS = {len(commits)}\n")
        for question in (("init", "-q"), ("add", "model.py"), ("commit", "-q", "-m", "one")):
            subprocess.run(["git", *_NAMED, *question], cwd=folder, check=True)
        answer = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
        commits.append(answer.stdout.strip())
    folders = {rank: other if rank == 4 else one for rank in range(RANKS)}
    launch.start("run.end()", capture=True, folders=folders)
    assert launch.finish() == [0] * RANKS
    view = launch.view()
    assert {code.commit for code in view.codes} == set(commits)
    (contradiction,) = [what for what in found(view, "code") if what.startswith("2 commits: ")]
    assert not check_run(view).complete
    assert all(commit in contradiction and commit in shown(view) for commit in commits)


_NAMED = ("-c", "user.name=ana", "-c", "user.email=ana@example.com", "-c", "commit.gpgsign=false")
