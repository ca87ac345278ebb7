"""Training scripts as people write them, each in a process of its own, read back from the log they wrote to."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.fault

TRAIN = """
    import modeltrail, sys
    with modeltrail.start_run(job="risk/train", parameters={"epochs": 3}) as run:
        for epoch in range(3):
            run.log_metrics({"loss": 1 / (epoch + 1)}, step=epoch)
        run.log_model("fraud", data=b"weights", version="1.2")
"""


def test_a_script_leaves_its_whole_story_behind_without_any_configuration(workshop, complaints) -> None:
    done = workshop.train(TRAIN, "--api-key", "abc" + "defgh1")
    assert (done.returncode, complaints(done)) == (0, [])
    events = workshop.events()
    assert workshop.states() == ["START", "COMPLETE"]
    assert events[0].command[-2:] == ("--api-key", "[redacted]")
    assert [metric.step for event in events for metric in event.metrics] == [0, 1, 2]


def test_a_script_that_ends_without_ending_its_run_completes_it_by_inference(workshop, complaints) -> None:
    done = workshop.train(
        "import modeltrail\nmodeltrail.start_run(job='train')\nmodeltrail.log_metric('loss', 1.0)\n"
    )
    assert (done.returncode, complaints(done)) == (0, [])
    assert workshop.states() == ["START", "COMPLETE"]
    assert workshop.events()[-1].inferred


def test_a_script_that_dies_of_an_exception_fails_its_open_run(workshop) -> None:
    done = workshop.train("import modeltrail\nmodeltrail.start_run(job='train')\nraise ValueError('no data')\n")
    assert done.returncode == 1
    last = workshop.events()[-1]
    assert (last.type, last.error.type, last.error.message, last.inferred) == ("FAIL", "ValueError", "no data", False)


WAITING = """
    import modeltrail, time
    with modeltrail.start_run(job="train"):
        with modeltrail.start_run(job="trial"):
            modeltrail.flush()
            print("ready", flush=True)
            time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_told_to_stop_aborts_its_runs_and_dies_of_the_signal(workshop, number: signal.Signals) -> None:
    process = workshop.start(WAITING)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    done = workshop.finish(process)
    assert done.returncode == -number
    assert workshop.states() == ["START", "START", "ABORT", "ABORT"]


def test_a_handler_of_the_training_code_stays_in_charge_of_sigterm(workshop) -> None:
    script = """
        import modeltrail, os, signal, sys
        signal.signal(signal.SIGTERM, lambda *_: print("mine"))
        with modeltrail.start_run(job="train"):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    """
    assert workshop.train(script).stdout == "mine\n"
    assert workshop.states() == ["START", "COMPLETE"]


def test_sigterm_is_as_it_was_once_the_run_has_ended(workshop, complaints) -> None:
    script = """
        import modeltrail, signal
        with modeltrail.start_run(job="train"):
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    """
    done = workshop.train(script)
    assert (done.returncode, complaints(done)) == (0, [])


def test_a_home_that_cannot_be_written_leaves_training_as_it_would_be(workshop) -> None:
    (workshop.folder / "file").write_text("not a folder")
    done = workshop.train(TRAIN + "    print('trained')\n", MODELTRAIL_HOME=str(workshop.folder / "file" / "home"))
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert "nothing is recorded" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_configuration_leaves_training_as_it_would_be(workshop) -> None:
    workshop.home.mkdir()
    (workshop.home / "config.toml").write_text("log = [")
    done = workshop.train(TRAIN + "    print('trained')\n")
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert "is not TOML" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_forked_child_adds_to_the_run_and_does_not_end_it(workshop, complaints) -> None:
    script = """
        import modeltrail, os, sys
        with modeltrail.start_run(job="train", capture=False) as run:
            run.log_metric("parent", 1.0)
            child = os.fork()
            if child == 0:
                run.log_metric("child", 2.0)
                run.use_dataset("tx", data=b"x")
                sys.exit(3)
            os.waitpid(child, 0)
            run.log_metric("after", 3.0)
    """
    done = workshop.train(script)
    assert (done.returncode, complaints(done)) == (0, [])
    events = workshop.events()
    assert workshop.states() == ["START", "COMPLETE"]
    assert {metric.name for event in events for metric in event.metrics} == {"parent", "child", "after"}
    assert [ref.name for event in events for ref in event.inputs] == ["tx"]


RANK = """
    import modeltrail, os
    with modeltrail.start_run(job="train", capture=False) as run:
        modeltrail.log_metric("loss", float(os.environ["RANK"]))
        with modeltrail.start_run(job="evaluate", capture=False) as inner:
            pass
    with modeltrail.start_run(job="train", capture=False) as second:
        pass
    print(run.id, inner.id, second.id)
"""


def _launch(workshop, complaints, **environ: str) -> list[str]:
    processes = [
        workshop.start(RANK, RANK=str(rank), WORLD_SIZE="3", LOCAL_WORLD_SIZE="3", **environ) for rank in range(3)
    ]
    done = [workshop.finish(process) for process in processes]
    assert not [line for process in done for line in complaints(process)]
    return [process.stdout for process in done]


@pytest.mark.parametrize(
    "environ",
    [
        {"TORCHELASTIC_RUN_ID": "job-7"},
        {"TORCHELASTIC_RUN_ID": "none"},
        {"MODELTRAIL_RUN_ID": "0197c9c2-0000-7000-8000-00000000ABCD"},
    ],
    ids=["rendezvous id", "no rendezvous id, one machine", "given outright"],
)
def test_the_ranks_of_a_launch_are_one_run_which_rank_0_starts_and_ends(workshop, complaints, environ) -> None:
    printed = _launch(workshop, complaints, **environ)
    assert len(set(printed)) == 1
    run_id, inner_id, second_id = printed[0].split()
    assert len({run_id, inner_id, second_id}) == 3
    events = workshop.events()
    assert {event.run_id for event in events} == {run_id, inner_id, second_id}
    told = [
        (event.type, event.emitter.rank) for event in events if event.run_id == run_id and event.type != "RUNNING"
    ]
    assert told == [("START", 0), ("COMPLETE", 0)]
    losses = {event.emitter.rank: metric.value for event in events for metric in event.metrics}
    assert losses == {0: 0.0, 1: 1.0, 2: 2.0}
    if "MODELTRAIL_RUN_ID" in environ:
        assert run_id == environ["MODELTRAIL_RUN_ID"].lower()


def test_another_launch_is_another_run(workshop, complaints) -> None:
    first = _launch(workshop, complaints, TORCHELASTIC_RUN_ID="job-7")
    second = _launch(workshop, complaints, TORCHELASTIC_RUN_ID="job-8")
    restarted = _launch(workshop, complaints, TORCHELASTIC_RUN_ID="job-8", TORCHELASTIC_RESTART_COUNT="1")
    assert len({first[0], second[0], restarted[0]}) == 3


def test_an_attached_process_adds_to_the_run_and_never_ends_it(workshop) -> None:
    script = """
        import modeltrail, os, subprocess, sys
        attached = '''
        import modeltrail
        with modeltrail.attach_run(job="train") as run:
            run.log_metric("from outside", 2.0)
        with modeltrail.attach_run():
            modeltrail.log_param("late", 1)
            raise ValueError("only here")
        '''
        import textwrap
        with modeltrail.start_run(job="train") as run:
            subprocess.run(
                [sys.executable, "-c", textwrap.dedent(attached)], env={**os.environ, "MODELTRAIL_RUN_ID": run.id}
            )
    """
    done = workshop.train(script)
    assert done.returncode == 0
    events = workshop.events()
    assert workshop.states() == ["START", "COMPLETE"]
    assert len({event.run_id for event in events}) == 1
    assert [metric.name for event in events for metric in event.metrics] == ["from outside"]
    assert [event.error.message for event in events if event.error] == ["only here"]


def test_importing_modeltrail_loads_none_of_what_is_slow_and_nothing_of_the_server() -> None:
    script = "import sys, modeltrail; modeltrail.start_run; print(' '.join(sorted(sys.modules)))"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environ)
    roots = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert not roots & {
        "fastavro",
        "kafka",
        "pandas",
        "numpy",
        "modeltrail_server",
        "sqlalchemy",
        "asyncio",
        "sqlite3",
    }
    assert "modeltrail" in roots
