"""The sender is a process of its own: it outlives training, is replaced when it dies, and goes when none needs it."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from modeltrail.config import Config
from modeltrail.emitter import Emitter
from modeltrail.log import open_log, read
from modeltrail.sending import launching
from modeltrail.sending.flushing import flush_spools
from modeltrail.sending.launching import start_process
from modeltrail.sending.place import SendingPlace
from modeltrail.spool.layout import events_file, spool_folders, spool_root
from modeltrail_schemas.event import LineageEvent

pytestmark = pytest.mark.fault

Logged = Callable[[Config], list[LineageEvent]]
MakeNote = Callable[..., dict[str, object]]
FLUSH_MS = 120_000
NOT_A_LOG = "this is no log, and long enough to be looked at as one" * 20

TRAINING = """
import os, sys, time
from pathlib import Path
from modeltrail.config import Config
from modeltrail.emitter import emitter_for
from modeltrail.sending import launching
launching.FIRST_INTERVAL_S = launching.MAX_INTERVAL_S = 0.05
home, log, run_id, stay_s = sys.argv[1:]
emitter = emitter_for(Config(Path(home), log, "", Path("audit"), sender_stay_s=int(stay_s)))
emitter.emit({"kind": "run", "type": "START", "run_id": run_id, "job": "a/b"})
step = 0
while not os.path.exists(home + "/enough"):
    emitter.emit({"kind": "run", "type": "RUNNING", "run_id": run_id, "metrics": [{"name": "m", "step": step}]})
    os.write(1, b"%d\\n" % step)
    step += 1
    if step % 50 == 0:
        time.sleep(0.01)
emitter.emit({"kind": "run", "type": "COMPLETE", "run_id": run_id})
"""


def training(config: Config, run_id: str = "r1") -> "subprocess.Popen[bytes]":
    arguments = [str(config.home), config.log, run_id, str(config.sender_stay_s)]
    with steps_file(config, run_id).open("wb") as file:
        return subprocess.Popen([sys.executable, "-c", TRAINING, *arguments], stdout=file)


def wait_for_step(config: Config, run_id: str = "r1") -> None:
    wait_until(lambda: steps_file(config, run_id).stat().st_size)


def steps_file(config: Config, run_id: str) -> Path:
    return config.home.with_name(f"{run_id}.steps")


def last_step(config: Config, process: "subprocess.Popen[bytes]", run_id: str = "r1") -> int:
    """Return the last step that a training was told is written; the process must be on its way out."""
    process.wait(FLUSH_MS / 1000)
    return int(steps_file(config, run_id).read_bytes().rpartition(b"\n")[0].rpartition(b"\n")[2] or -1)


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + FLUSH_MS / 1000
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def sender_of(config: Config) -> psutil.Process:
    """Return the sender that listens; one may go, and the next come, while this looks."""
    found: list[psutil.Process] = []

    def look() -> bool:
        if is_served(config):
            with suppress(ValueError, psutil.NoSuchProcess):
                found.append(psutil.Process(sender_id(config)))
        return bool(found) and is_served(config) and sender_id(config) == found[-1].pid

    wait_until(look)
    return found[-1]


def sender_id(config: Config) -> int:
    """Return the process id that the last sender wrote; 0 while the next one is about to write its own."""
    return int(SendingPlace.of(config.home, config.log).lock_file.read_text() or 0)


def has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # in between
        return True


def is_served(config: Config) -> bool:
    return SendingPlace.of(config.home, config.log).is_served()


def is_empty(config: Config) -> bool:
    return not spool_folders(spool_root(config.home))


def check_history(events: list[LineageEvent], run_id: str, last: int, end: str) -> None:
    mine = sorted((e for e in events if e.run_id == run_id), key=lambda event: (event.event_time_ns, event.event_id))
    steps = [metric.step for event in mine for metric in event.metrics]
    assert steps == list(range(len(steps)))
    assert len(steps) > last
    assert [event.type for event in mine if event.type != "RUNNING"] == ["START", end]


@pytest.fixture
def emitter(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emitter]:
    monkeypatch.setattr(launching, "FIRST_INTERVAL_S", 0.05)
    monkeypatch.setattr(launching, "MAX_INTERVAL_S", 0.05)
    emitter = Emitter(config)
    yield emitter
    emitter.close()


def test_what_a_killed_training_wrote_is_delivered_though_nothing_else_is_started(
    config: Config, logged: Logged
) -> None:
    chance = random.Random(4)
    for life in range(4):
        process = training(config, f"r{life}")
        wait_for_step(config, f"r{life}")
        time.sleep(chance.choice([0.0, chance.uniform(0, 0.7)]))
        process.kill()
        last = last_step(config, process, f"r{life}")
        wait_until(lambda: is_empty(config))
        check_history(logged(config), f"r{life}", last, "ABORT")


def test_a_killed_sender_is_replaced_and_loses_changes_and_doubles_nothing(config: Config, logged: Logged) -> None:
    chance = random.Random(5)
    process = training(config)
    killed = set()
    for _ in range(4):
        sender = sender_of(config)
        time.sleep(chance.uniform(0, 0.3))
        sender.kill()
        killed.add(sender.pid)
        wait_until(lambda gone=sender: has_ended(gone) and sender_id(config) not in (0, gone.pid))
    (config.home / "enough").touch()
    last = last_step(config, process)
    flush_spools(config, timeout_ms=FLUSH_MS)
    wait_until(lambda: is_empty(config))
    assert len(killed) == 4
    check_history(logged(config), "r1", last, "COMPLETE")


def test_where_both_are_killed_the_next_process_delivers(
    config: Config, logged: Logged, emitter: Emitter, metric_note: MakeNote
) -> None:
    process = training(config)
    sender = sender_of(config)
    time.sleep(0.1)
    sender.kill()
    process.kill()
    last = last_step(config, process)
    wait_until(lambda: not is_served(config))
    emitter.emit(metric_note(0, run_id="next"))
    wait_until(lambda: len(spool_folders(spool_root(config.home))) == 1)
    check_history(logged(config), "r1", last, "ABORT")


def test_eight_ranks_share_one_sender(config: Config, logged: Logged) -> None:
    ranks = [training(config, f"r{rank}") for rank in range(8)]
    for rank in range(8):
        wait_for_step(config, f"r{rank}")
    sender = sender_of(config)
    (config.home / "enough").touch()
    lasts = [last_step(config, process, f"r{rank}") for rank, process in enumerate(ranks)]
    wait_until(lambda: is_empty(config))
    assert sender_id(config) == sender.pid  # which may have gone meanwhile: nobody needs it
    for rank, last in enumerate(lasts):
        check_history(logged(config), f"r{rank}", last, "COMPLETE")


def test_two_homes_have_two_senders(config: Config, tmp_path: Path, metric_note: MakeNote) -> None:
    other = replace(config, home=tmp_path / "other", log=str(tmp_path / "other.db"))
    emitters = [Emitter(config), Emitter(other)]
    for emitter in emitters:
        emitter.emit(metric_note(0))
        assert emitter.flush(FLUSH_MS)
    assert sender_of(config).pid != sender_of(other).pid
    for emitter in emitters:
        emitter.close()


def test_a_child_that_leaves_without_any_exit_handler_is_delivered(
    config: Config, logged: Logged, emitter: Emitter, metric_note: MakeNote
) -> None:
    emitter.emit(metric_note(0))
    child = os.fork()
    if child == 0:
        emitter.emit(metric_note(1))
        os._exit(0)
    os.waitpid(child, 0)
    wait_until(lambda: len(spool_folders(spool_root(config.home))) == 1)
    assert emitter.flush(FLUSH_MS)
    assert sorted(metric.step for event in logged(config) for metric in event.metrics) == [0, 1]


def test_a_sender_that_nobody_needs_goes_and_the_next_note_starts_another(
    config: Config, logged: Logged, monkeypatch: pytest.MonkeyPatch, metric_note: MakeNote
) -> None:
    monkeypatch.setattr(launching, "FIRST_INTERVAL_S", 0.05)
    hurried = replace(config, sender_stay_s=0)
    for step in range(8):
        emitter = Emitter(hurried)
        emitter.emit(metric_note(step))
        emitter.close()  # the sender is about to go when the next emitter comes
        time.sleep(0.01 * step)
    wait_until(lambda: is_empty(hurried) and not is_served(hurried))
    assert sorted(metric.step for event in logged(config) for metric in event.metrics) == list(range(8))


def test_a_sender_goes_when_its_home_is_removed(config: Config, emitter: Emitter, metric_note: MakeNote) -> None:
    emitter.emit(metric_note(0))
    assert emitter.flush(FLUSH_MS)
    sender = sender_of(config)
    shutil.rmtree(config.home)
    wait_until(lambda: has_ended(sender))
    assert emitter._session is not None
    emitter._session.writer.close()
    emitter._session = None


def test_training_leaves_a_dead_log_at_once_and_the_sender_after_its_bound(
    config: Config, logged: Logged, metric_note: MakeNote, tmp_path: Path
) -> None:
    dead = replace(config, log=str(tmp_path / "text"), sender_stay_s=1)
    Path(dead.log).write_text(NOT_A_LOG)
    first = Emitter(dead)
    first.emit(metric_note(0))
    assert not first.flush(10 * FLUSH_MS, patient=False)
    sender = sender_of(dead)
    first.close()
    wait_until(lambda: not is_served(dead))
    wait_until(lambda: has_ended(sender))
    assert not is_empty(dead)
    Path(dead.log).unlink()
    second = Emitter(dead)
    second.emit(metric_note(1))
    second.close()
    wait_until(lambda: is_empty(dead))
    assert sorted(metric.step for event in logged(dead) for metric in event.metrics) == [0, 1]


def test_a_sender_told_to_stop_sends_what_is_there_and_another_follows(
    config: Config, logged: Logged, emitter: Emitter, metric_note: MakeNote
) -> None:
    emitter.emit(metric_note(0))
    assert emitter.flush(FLUSH_MS)
    first = sender_of(config)
    emitter.emit(metric_note(1))
    assert emitter._session is not None
    emitter._session.writer.close()  # as if the process were gone
    emitter._session = None
    first.send_signal(signal.SIGTERM)
    wait_until(lambda: has_ended(first))
    assert is_empty(config)
    emitter.emit(metric_note(2))
    assert emitter.flush(FLUSH_MS)
    assert sender_of(config).pid != first.pid
    assert sorted(metric.step for event in logged(config) for metric in event.metrics) == [0, 1, 2]


@pytest.mark.parametrize("broken", ["", "python-that-ends", "not-an-interpreter", "/no/such/python"])
def test_where_no_process_can_be_started_a_thread_sends_and_the_user_is_told_once(
    config: Config,
    logged: Logged,
    metric_note: MakeNote,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broken: str,
) -> None:
    if broken.startswith("python"):
        executable = tmp_path / broken
        executable.write_text("#!/bin/sh\nexit 3\n")
        executable.chmod(0o755)
        broken = str(executable)
    monkeypatch.setattr(sys, "executable", broken)
    emitter = Emitter(config)
    for step in range(100):
        emitter.emit(metric_note(step))
    assert emitter.flush(FLUSH_MS)
    assert SendingPlace.of(config.home, config.log).lock_file.read_text() == f"{os.getpid()}\n"
    emitter.emit({"kind": "run", "type": "START", "run_id": "r2", "job": "a/b"})
    emitter.close()
    emitter._launcher.stop(FLUSH_MS / 1000)
    assert is_empty(config)
    assert sorted(metric.step for event in logged(config) for metric in event.metrics) == list(range(100))
    assert caplog.text.count("a thread of this one does") == 1


def test_a_sender_takes_nothing_of_training_but_what_it_needs(
    config: Config, metric_note: MakeNote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLOUD_SECRET", "hunter2")
    monkeypatch.setenv("MODELTRAIL_LOG_PASSWORD", "hunter3")
    port = os.open(tmp_path / "port", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(port, True)
    emitter = Emitter(replace(config, log_options={"password": "hunter3"}))
    emitter.emit(metric_note(0))
    assert emitter.flush(FLUSH_MS)
    sender = sender_of(config)
    assert str(tmp_path / "port") not in {file.path for file in sender.open_files()}
    assert sender.cwd() == "/"
    assert os.getsid(sender.pid) != os.getsid(0)
    assert "hunter" not in json.dumps([sender.environ(), sender.cmdline()])
    emitter.close()
    os.close(port)


def test_modules_in_the_scripts_folder_do_not_take_the_place_of_the_senders_own(
    config: Config, tmp_path: Path, logged: Logged, complaints: "Callable[..., list[str]]"
) -> None:
    for name in ("sqlite3", "fastavro", "queue"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not meant for you')\n")
    (tmp_path / "train.py").write_text(TRAINING)
    config.home.mkdir()
    (config.home / "enough").touch()
    arguments = [str(tmp_path / "train.py"), str(config.home), config.log, "r1", "5"]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120)
    assert (done.returncode, complaints(done)) == (0, [])
    wait_until(lambda: is_empty(config))
    check_history(logged(config), "r1", -1, "COMPLETE")


def test_a_start_beside_a_sender_changes_nothing(config: Config, emitter: Emitter, metric_note: MakeNote) -> None:
    emitter.emit(metric_note(0))
    assert emitter.flush(FLUSH_MS)
    sender = sender_of(config)
    assert os.waitpid(start_process(config), 0)[1] == 0
    assert sender_of(config).pid == sender.pid


def test_a_full_disk_does_not_keep_what_is_encoded_from_a_log_that_answers(
    config: Config, tmp_path: Path, metric_note: MakeNote
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)], capture_output=True
    ).returncode:
        pytest.skip("mounting a small disk needs root")
    small = replace(config, home=disk, log=str(tmp_path / "text"))
    Path(small.log).write_text(NOT_A_LOG)
    emitter = Emitter(small)
    try:
        emitter.emit(metric_note(0))
        assert not emitter.flush(FLUSH_MS, patient=False)
        (folder,) = spool_folders(spool_root(disk))
        wait_until(lambda: events_file(folder, 1).is_file() and events_file(folder, 1).stat().st_size)
        with (disk / "ballast").open("wb", buffering=0) as ballast:
            try:
                while ballast.write(bytes(512)):
                    pass
            except OSError:
                pass
        Path(small.log).unlink()
        assert emitter.flush(FLUSH_MS)
        time.sleep(0.3)  # time to send it again, if it were not known that it was sent
        with open_log(small.log) as log:
            assert len(list(read(log, log.start(), log.end()))) == 1
    finally:
        emitter.close(0)
        sender_of(small).kill()
        wait_until(lambda: not is_served(small))
        subprocess.run(["umount", "-l", str(disk)], check=True)
