"""Promise 1, endings: however a process ends, what it was told is recorded is recorded, and its run ends as it did.

Real processes, each ended in a way of its own; a notebook's kernel is an interactive interpreter that is fed cells.
"""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable

import psutil
import pytest
from modeltrail.config import load
from modeltrail.sending.place import SendingPlace

pytestmark = pytest.mark.fault

WAIT_S = 120


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def steps(events) -> list[int]:
    return [metric.step for event in events for metric in event.metrics]


def test_an_exit_that_runs_nothing_loses_no_call_that_returned(workshop) -> None:
    script = """
        import modeltrail, os
        modeltrail.start_run(job="train", capture=False)
        for step in range(1_000):
            modeltrail.log_metric("loss", 1.0, step=step)
        os._exit(4)
    """
    done = workshop.train(script)
    assert (done.returncode, done.stderr) == (4, "")
    assert steps(workshop.events()) == list(range(1_000))
    assert workshop.states() == ["START", "ABORT"]
    assert workshop.events()[-1].inferred


def test_an_exit_in_a_thread_ends_that_thread_and_not_the_run(workshop, complaints) -> None:
    script = """
        import modeltrail, sys, threading
        def work():
            modeltrail.log_metric("in thread", 1.0)
            sys.exit(3)
        with modeltrail.start_run(job="train", capture=False):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            modeltrail.log_metric("after", 1.0)
    """
    done = workshop.train(script)
    assert (done.returncode, complaints(done)) == (0, [])
    assert [metric.name for event in workshop.events() for metric in event.metrics] == ["in thread", "after"]
    assert workshop.states() == ["START", "COMPLETE"]


def test_a_daemon_thread_that_records_while_the_interpreter_ends_hurts_nothing(workshop) -> None:
    script = """
        import modeltrail, threading
        told = threading.Event()
        run = modeltrail.start_run(job="train", capture=False)
        def work():
            step = 0
            while True:
                run.log_metric("loss", 1.0, step=step)
                step += 1
                if step == 200:
                    told.set()
        threading.Thread(target=work, daemon=True).start()
        assert told.wait(60)
    """
    done = workshop.train(script)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Fatal" not in done.stderr
    found = steps(workshop.events())
    assert found == list(range(len(found)))
    assert len(found) >= 200
    assert workshop.states() == ["START", "COMPLETE"]


def test_what_the_program_registers_for_its_exit_may_record(workshop, complaints) -> None:
    """Handlers run in reverse: one from before the first call comes after the run's end, and is told so."""
    script = """
        import atexit, modeltrail
        atexit.register(lambda: modeltrail.start_run(job="after").end())
        modeltrail.start_run(job="train", capture=False)
        atexit.register(lambda: modeltrail.log_metric("last", 1.0))
        modeltrail.log_metric("first", 1.0)
    """
    done = workshop.train(script)
    assert (done.returncode, complaints(done)) == (0, [])
    events = workshop.events()
    assert [metric.name for event in events for metric in event.metrics] == ["first", "last"]
    assert workshop.states() == ["START", "COMPLETE", "START", "COMPLETE"]


class Kernel:
    """An interpreter as a notebook's kernel is one: cells come one by one, `sys.ps1` is set, there is no script."""

    def __init__(self, workshop) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MODELTRAIL_")}
        self.process = subprocess.Popen(
            [sys.executable, "-i", "-q"],
            cwd=workshop.folder,
            env=environ | {"MODELTRAIL_HOME": str(workshop.home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, cell: str) -> str:
        """Run a cell, and return the next line that the kernel prints."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(textwrap.dedent(cell).strip() + "\n\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self) -> str:
        self.process.kill()
        return self.process.communicate()[1]


def test_a_notebook_that_is_restarted_keeps_what_was_told_and_its_open_run_is_ended(workshop) -> None:
    """Twice: a kernel that is shut down ends by itself, one that hangs is killed. The next one starts anew."""
    kernels = [Kernel(workshop) for _ in range(3)]
    try:
        ids = []
        for number, kernel in enumerate(kernels):
            ids.append(
                kernel.run(f"""
                import modeltrail
                run = modeltrail.start_run(job="notebook", capture=False)
                modeltrail.log_metric("loss", {number}.0, step={number})
                print(run.id)
                """)
            )
            if number == 0:
                assert kernel.run("raise_this_cell\nprint('next cell')") == "next cell"
                assert kernel.run("modeltrail.log_metric('loss', 0.5, step=10); print('on')") == "on"
                kernel.run("exit()")  # what a restart asks for first
                kernel.process.wait(WAIT_S)
            elif number == 1:
                kernel.process.kill()  # and what it does with one that does not answer
            else:
                assert kernel.run("modeltrail.end_run(); print('ended')") == "ended"
    finally:
        complaints = [kernel.close() for kernel in kernels]
    events = workshop.events()
    told = {run_id: steps([event for event in events if event.run_id == run_id]) for run_id in ids}
    assert list(told.values()) == [[0, 10], [1], [2]]
    ends = {event.run_id: (event.type, event.inferred) for event in events if event.type in ("COMPLETE", "ABORT")}
    assert ends == {ids[0]: ("COMPLETE", True), ids[1]: ("ABORT", True), ids[2]: ("COMPLETE", False)}
    assert "".join(complaints).count("Traceback") == 1, "that of the cell"


POD = """
    import modeltrail, time
    with modeltrail.start_run(job="train", capture=False):
        step = 0
        while True:
            modeltrail.log_metric("loss", 1.0, step=step)
            print(step, flush=True)
            step += 1
"""


@pytest.mark.parametrize("grace", ["is enough", "is over at once"])
def test_a_pod_told_to_stop_loses_nothing_and_aborts_its_run_once(workshop, grace: str) -> None:
    """All processes of a container get SIGTERM, and what is left when the grace is over SIGKILL: the sender too."""
    config = load({"MODELTRAIL_HOME": str(workshop.home)}, workshop.folder)
    place = SendingPlace.of(config.home, config.log)
    process = workshop.start(POD)
    assert process.stdout is not None
    wait_until(place.is_served)
    sender = psutil.Process(int(place.lock_file.read_text()))
    process.stdout.readline()
    numbers = [signal.SIGTERM] if grace == "is enough" else [signal.SIGTERM, signal.SIGKILL]
    for number in numbers:
        for each in (process.pid, sender.pid):
            try:
                os.kill(each, number)
            except ProcessLookupError:
                continue
    done = workshop.finish(process)
    assert done.returncode in {-number for number in numbers}
    assert "Traceback" not in done.stderr
    wait_until(lambda: has_ended(sender))
    last = int(done.stdout.rpartition("\n")[0].rpartition("\n")[2] or -1)
    found = steps(workshop.events())
    assert found == list(range(len(found)))
    assert len(found) > last
    assert workshop.states() == ["START", "ABORT"]
