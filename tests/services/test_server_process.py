"""What every launcher of a real server promises, shown with the smallest server there is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from services.server_process import PORT_RANGE, ServerProcess, free_ports

WAIT_S = 30
A_TEST_RUN = """
import sys
from pathlib import Path
from services.test_server_process import Sleeper
server = Sleeper(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


class Sleeper(ServerProcess):
    ready_text = "ready"

    def prepare(self) -> None:
        (self.folder / "prepared").touch(exist_ok=False)

    def command(self) -> list[str]:
        return ["/bin/sh", "-c", "echo ready; exec sleep 600"]


class Failing(Sleeper):
    def command(self) -> list[str]:
        return ["/bin/sh", "-c", "echo the disk is on fire; exit 3"]


def test_a_server_is_prepared_once_and_runs_from_start_to_stop(tmp_path: Path):
    with Sleeper(tmp_path / "server") as server:
        first = server.pid
        server.restart()
        assert server.pid != first
        assert not psutil.pid_exists(first)
        second = server.pid
    assert not psutil.pid_exists(second)


def test_a_server_that_does_not_start_says_its_last_words(tmp_path: Path):
    with pytest.raises(RuntimeError, match=r"(?s)ended with 3.*the disk is on fire"):
        Failing(tmp_path).start()


def test_a_paused_server_can_be_stopped(tmp_path: Path):
    with Sleeper(tmp_path) as server:
        server.pause()
        assert psutil.Process(server.pid).status() == psutil.STATUS_STOPPED


def test_a_killed_server_can_be_started_again(tmp_path: Path):
    with Sleeper(tmp_path) as server:
        server.kill()
        server.start()
        assert psutil.pid_exists(server.pid)


def test_a_server_does_not_outlive_the_tests_however_they_end(tmp_path: Path):
    tests = str(Path(__file__).parents[1])
    run = subprocess.Popen(
        [sys.executable, "-c", A_TEST_RUN, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": tests},
    )
    with run:
        server = psutil.Process(int(run.stdout.readline()))
        run.send_signal(signal.SIGKILL)
    server.wait(WAIT_S)


def test_free_ports_differ_and_lie_outside_those_of_outgoing_connections():
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert set(ports) <= set(PORT_RANGE)
