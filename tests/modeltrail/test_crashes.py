"""A real process is killed at any moment: what it was told is written is in the log, once, and its run is ended."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from modeltrail.config import Config
from modeltrail.sending.flushing import flush_spools
from modeltrail.spool.layout import spool_folders, spool_root
from modeltrail_schemas.event import LineageEvent

Logged = Callable[[Config], list[LineageEvent]]
LIVES = 6
FLUSH_MS = 60_000

TRAINING = """
import os, sys, time
from pathlib import Path
from modeltrail.config import Config
from modeltrail.emitter import emitter_for
home, log, run_id = sys.argv[1:]
emitter = emitter_for(Config(Path(home), log, "", Path("audit")))
emitter.emit({"kind": "run", "type": "START", "run_id": run_id, "job": "a/b"})
step = 0
while True:
    emitter.emit({"kind": "run", "type": "RUNNING", "run_id": run_id, "metrics": [{"name": "m", "step": step}]})
    os.write(1, b"%d\\n" % step)
    step += 1
    if step % 50 == 0:
        time.sleep(0.01)
"""


def live_and_die(config: Config, run_id: str, seconds: float) -> int:
    """Run a training, kill it, and return the last step that it was told is written."""
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(config.home), config.log, run_id], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        output = bytearray(first)
        os.set_blocking(process.stdout.fileno(), False)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            output += process.stdout.read() or b""
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        output += process.stdout.read() or b""
    return int(bytes(output).rpartition(b"\n")[0].rpartition(b"\n")[2])


@pytest.mark.fault
def test_a_killed_process_loses_nothing_and_its_run_is_ended(config: Config, logged: Logged) -> None:
    chance = random.Random(20_260_301)
    last_steps = {
        f"run{life}": live_and_die(config, f"run{life}", chance.choice([0.0, chance.uniform(0, 0.8)]))
        for life in range(LIVES)
    }
    assert flush_spools(config, timeout_ms=FLUSH_MS).is_complete
    assert spool_folders(spool_root(config.home)) == []
    events = logged(config)
    for run_id, last_step in last_steps.items():
        mine = [event for event in events if event.run_id == run_id]
        steps = [metric.step for event in mine for metric in event.metrics]
        assert steps == list(range(len(steps)))
        assert len(steps) > last_step
        mine.sort(key=lambda event: (event.event_time_ns, event.event_id))
        assert [event.type for event in mine if event.type != "RUNNING"] == ["START", "ABORT"]
        assert mine[-1].inferred


@pytest.mark.fault
def test_a_killed_flush_is_taken_up_by_the_next(config: Config, logged: Logged) -> None:
    last_step = live_and_die(config, "run", 0.5)
    program = """
import sys
from pathlib import Path
from modeltrail.config import Config
from modeltrail.sending.flushing import flush_spools
print("go", flush=True)
flush_spools(Config(Path(sys.argv[1]), sys.argv[2], "", Path("audit")), timeout_ms=60000)
"""
    for delay_s in (0.0, 0.005, 0.01, 0.02, 0.04, 0.08):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(config.home), config.log], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay_s)
            process.kill()
    assert flush_spools(config, timeout_ms=FLUSH_MS).is_complete
    steps = sorted(metric.step for event in logged(config) for metric in event.metrics)
    assert steps == list(range(len(steps)))
    assert len(steps) > last_step
    assert [event.type for event in logged(config) if event.inferred] == ["ABORT"]


@pytest.mark.fault
def test_a_living_process_sends_what_a_dead_one_left(config: Config, logged: Logged, tmp_path: Path) -> None:
    last_step = live_and_die(config, "dead", 0.1)
    program = """
import sys
from pathlib import Path
from modeltrail.config import Config
from modeltrail.emitter import emitter_for
emitter = emitter_for(Config(Path(sys.argv[1]), sys.argv[2], "", Path("audit")))
emitter.emit({"kind": "run", "type": "START", "run_id": "alive", "job": "a/b"})
emitter.emit({"kind": "run", "type": "COMPLETE", "run_id": "alive"})
emitter.close(60000)
"""
    subprocess.run([sys.executable, "-c", program, str(config.home), config.log], check=True)
    flush_spools(config, timeout_ms=FLUSH_MS)
    events = logged(config)
    assert len([metric for event in events for metric in event.metrics]) > last_step
    ends = {(event.run_id, event.type, event.inferred) for event in events if event.type in ("ABORT", "COMPLETE")}
    assert ends == {("dead", "ABORT", True), ("alive", "COMPLETE", False)}
