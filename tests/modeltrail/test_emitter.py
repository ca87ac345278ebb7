"""Emitting never hurts the caller: not by waiting, not by raising, whatever the disk, the log or the fork does."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from modeltrail.config import Config
from modeltrail.emitter import Emitter, emitter_for
from modeltrail.sending.flushing import flush_spools
from modeltrail.spool.layout import spool_folders, spool_root
from modeltrail.spool.ownership import is_alive
from modeltrail.spool.status import spool_status
from modeltrail.spool.writing import SpoolWriter
from modeltrail_schemas.event import LineageEvent

Logged = Callable[[Config], list[LineageEvent]]
MakeNote = Callable[..., dict[str, object]]
FLUSH_MS = 120_000


@pytest.fixture
def emitter(config: Config) -> Iterator[Emitter]:
    emitter = Emitter(config)
    yield emitter
    emitter.close()


@pytest.fixture
def untraced() -> Iterator[None]:
    """Let nothing measure the coverage of this test's threads.

    What does holds a lock of its own now and then: a child that is forked meanwhile would wait for it for ever.
    """
    own, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type]
    yield
    threading.settrace(of_threads)  # type: ignore[arg-type]
    sys.settrace(own)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + FLUSH_MS / 1000
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def steps(events: list[LineageEvent]) -> list[int]:
    return sorted(metric.step for event in events for metric in event.metrics)


def test_what_is_emitted_is_in_the_log_after_a_flush(
    config: Config, emitter: Emitter, logged: Logged, metric_note: MakeNote
) -> None:
    emitter.emit({"kind": "run", "type": "START", "run_id": "r1", "job": "a/b"}, durable=True)
    for step in range(100):
        emitter.emit(metric_note(step), rank=3)
    emitter.emit({"kind": "run", "type": "COMPLETE", "run_id": "r1"})
    assert emitter.flush(FLUSH_MS)
    events = logged(config)
    assert steps(events) == list(range(100))
    assert (events[0].type, events[-1].type) == ("START", "COMPLETE")
    assert {event.emitter.process_id for event in events} == {os.getpid()}
    assert {event.emitter.rank for event in events} == {0, 3}
    assert [event.event_time_ns for event in events] == sorted(event.event_time_ns for event in events)


def test_a_closed_spool_that_was_sent_is_gone_and_a_later_note_opens_another(
    config: Config, emitter: Emitter, logged: Logged, metric_note: MakeNote
) -> None:
    emitter.emit(metric_note(0))
    first = emitter.id
    emitter.close()
    wait_until(lambda: spool_folders(spool_root(config.home)) == [])
    emitter.emit(metric_note(1))
    assert emitter.id not in ("", first)
    emitter.close()
    assert steps(logged(config)) == [0, 1]


def test_nothing_is_written_before_the_first_note(config: Config) -> None:
    emitter = emitter_for(config)
    assert emitter is emitter_for(config)
    assert emitter.flush(0)
    emitter.close()
    assert not config.home.exists()


def test_threads_may_emit_together(config: Config, emitter: Emitter, logged: Logged, metric_note: MakeNote) -> None:
    def work(first: int) -> None:
        for step in range(first, first + 200):
            emitter.emit(metric_note(step, run_id=f"r{first}"))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 1_600, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert emitter.flush(FLUSH_MS)
    assert steps(logged(config)) == list(range(1_600))


def test_tasks_may_emit_together(config: Config, emitter: Emitter, logged: Logged, metric_note: MakeNote) -> None:
    async def work(step: int) -> None:
        emitter.emit(metric_note(step))
        await asyncio.sleep(0)
        emitter.emit(metric_note(step + 1))

    async def all_work() -> None:
        await asyncio.gather(*(work(step) for step in range(0, 100, 2)))

    asyncio.run(all_work())
    assert emitter.flush(FLUSH_MS)
    assert steps(logged(config)) == list(range(100))


def test_a_signal_handler_may_emit(config: Config, emitter: Emitter, logged: Logged, metric_note: MakeNote) -> None:
    numbers = count(1_000_000)
    handled = []

    def handler(*_: object) -> None:
        number = next(numbers)  # another signal may come at any line of this
        handled.append(number)
        emitter.emit(metric_note(number))

    previous = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
    try:
        for step in range(20_000):
            emitter.emit(metric_note(step))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert emitter.flush(FLUSH_MS)
    assert steps(logged(config)) == [*range(20_000), *sorted(handled)]


def test_a_signal_handler_may_emit_within_a_call(
    config: Config, emitter: Emitter, metric_note: MakeNote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one cuts in while a note is being written, its own is written before the call returns."""
    written: list[bytes] = []
    append = SpoolWriter.append

    def interrupted(writer: SpoolWriter, payload: bytes) -> int:
        if not written:
            written.append(payload)
            emitter.emit(metric_note(2))
            return append(writer, payload)
        written.append(payload)
        return append(writer, payload)

    monkeypatch.setattr(SpoolWriter, "append", interrupted)
    emitter.emit(metric_note(1))
    assert [b'"step":1' in written[0], b'"step":2' in written[1]] == [True, True]


def test_a_forked_child_writes_as_an_emitter_of_its_own(
    config: Config, emitter: Emitter, logged: Logged, metric_note: MakeNote
) -> None:
    emitter.emit(metric_note(0))
    child = os.fork()
    if child == 0:
        emitter.emit(metric_note(1))
        os._exit(0 if emitter.flush(FLUSH_MS) else 1)
    emitter.emit(metric_note(2))
    assert os.waitpid(child, 0)[1] == 0
    assert emitter.flush(FLUSH_MS)
    events = logged(config)
    assert steps(events) == [0, 1, 2]
    assert {event.emitter.process_id: steps([event]) for event in events if steps([event]) == [1]} == {child: [1]}
    assert len({event.emitter.id for event in events}) == 2


@pytest.mark.usefixtures("untraced")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_another_thread_writes_leaves_the_child_free_to_write(
    config: Config, emitter: Emitter, logged: Logged, metric_note: MakeNote
) -> None:
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            emitter.emit(metric_note(0, tags={"long": "x" * 5_000}))

    emitter.emit(metric_note(0))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        children = []
        for number in range(1, 21):
            child = os.fork()
            if child == 0:
                signal.alarm(120)
                emitter.emit(metric_note(number))
                os._exit(0)
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 20
    finally:
        done.set()
        writer.join()
    emitter.close(FLUSH_MS)
    assert flush_spools(config, timeout_ms=FLUSH_MS).is_complete
    assert set(steps(logged(config))) == set(range(21))


@pytest.mark.usefixtures("untraced")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_does_not_hold_what_its_parents_sending_thread_holds(
    config: Config, metric_note: MakeNote
) -> None:
    SpoolWriter.create(spool_root(config.home), "e1", host="h", log="").close()
    threaded = replace(config, log=str(config.home), sender="thread")  # a folder is no log: the spool is kept
    emitter = Emitter(threaded)
    emitter.emit(metric_note(0))
    dead = spool_root(config.home) / "e1"
    wait_until(lambda: is_alive(dead))
    assert not emitter.flush(500)
    hold, begun = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hold[1])
        os.write(begun[1], b"!")
        os.read(hold[0], 1)
        os._exit(0)
    os.read(begun[0], 1)  # by then it has closed what it inherited
    emitter.close(0)
    emitter._launcher.stop(FLUSH_MS / 1000)
    assert not is_alive(dead)
    assert not emitter._launcher.place.is_served()
    os.close(hold[1])
    os.waitpid(child, 0)
    for descriptor in (hold[0], *begun):
        os.close(descriptor)


def test_a_child_that_outlives_its_parent_does_not_hold_the_parents_spool(tmp_path: Path, config: Config) -> None:
    program = f"""
import os, sys, time
from pathlib import Path
from modeltrail.config import Config
from modeltrail.emitter import Emitter
emitter = Emitter(Config(Path({str(config.home)!r}), "kafka://127.0.0.1:1/x", "", Path("audit")))
emitter.emit({{"kind": "run", "type": "START", "run_id": "r", "job": "a/b"}})
child = os.fork()
if child == 0:
    print("forked", flush=True)
    sys.stdin.read()
    os._exit(0)
os._exit(0)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"forked\n"
        process.wait()
        (status,) = spool_status(spool_root(config.home))
        assert not status.is_alive
    finally:
        process.stdin.close()
        process.stdout.close()


def test_a_note_with_a_value_of_no_plain_form_is_counted_and_becomes_a_gap(
    config: Config, emitter: Emitter, logged: Logged, metric_note: MakeNote, caplog: pytest.LogCaptureFixture
) -> None:
    emitter.emit(metric_note(0))
    emitter.emit(metric_note(1, tags=object()))
    emitter.emit(metric_note(2, tags=object()))
    emitter.emit(metric_note(3))
    assert emitter.flush(FLUSH_MS)
    assert emitter.dropped_notes == 2
    assert [event.kind for event in logged(config)] == ["run", "gap", "run"]
    (gap,) = [event for event in logged(config) if event.kind == "gap"]
    assert gap.gap is not None
    assert (gap.run_id, gap.gap.lost_events, gap.gap.first_sequence, gap.gap.last_sequence) == ("r1", 2, 2, 3)
    assert steps(logged(config)) == [0, 3]
    assert caplog.text.count("could not be kept") == 1


def test_a_full_spool_drops_and_says_so_and_the_log_shows_a_gap(
    config: Config, logged: Logged, metric_note: MakeNote
) -> None:
    unreachable = replace(config, log="kafka://127.0.0.1:1/x", max_spool_bytes=20_000)
    emitter = Emitter(unreachable)
    for step in range(500):
        emitter.emit(metric_note(step))
    kept = 500 - emitter.dropped_notes
    assert 0 < kept < 500
    emitter.close(0)


@pytest.mark.fault
def test_a_full_disk_drops_and_recording_goes_on_when_there_is_space(
    tmp_path: Path, config: Config, logged: Logged, metric_note: MakeNote
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    small = replace(config, home=disk)
    emitter = Emitter(small)
    try:
        emitter.emit(metric_note(0))
        assert emitter.flush(FLUSH_MS)
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(512)):
                    pass
            except OSError:
                pass
        for step in range(1, 1_001):
            emitter.emit(metric_note(step))
        dropped = emitter.dropped_notes
        assert dropped > 500
        ballast.unlink()
        for step in range(2_000, 2_010):
            emitter.emit(metric_note(step))
        assert emitter.flush(FLUSH_MS)
        events = logged(small)
        assert sum(event.gap.lost_events for event in events if event.gap) == dropped
        assert steps(events) == [*range(1_001 - dropped), *range(2_000, 2_010)]
    finally:
        emitter.close()
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_home_that_cannot_be_made_is_told_once_and_training_goes_on(
    tmp_path: Path, config: Config, metric_note: MakeNote, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    emitter = Emitter(replace(config, home=tmp_path / "file" / "home"))
    for step in range(100):
        emitter.emit(metric_note(step))
    assert not emitter.flush(1_000)
    emitter.close()
    assert emitter.dropped_notes == 100
    assert caplog.text.count("nothing is recorded") == 1
    assert "MODELTRAIL_HOME" in caplog.text


@pytest.mark.fault
def test_a_read_only_home_is_told_once_and_training_goes_on(
    tmp_path: Path, config: Config, metric_note: MakeNote, caplog: pytest.LogCaptureFixture
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting a read-only disk needs root")
    try:
        emitter = Emitter(replace(config, home=disk / "home"))
        emitter.emit(metric_note(0))
        emitter.emit(metric_note(1))
        emitter.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert emitter.dropped_notes == 2
    assert caplog.text.count("nothing is recorded") == 1
    assert "Read-only" in caplog.text


def run_program(config: Config, body: str, log: str) -> "subprocess.CompletedProcess[str]":
    program = f"""
import sys
from pathlib import Path
from modeltrail.config import Config
from modeltrail.emitter import emitter_for
emitter = emitter_for(Config(Path({str(config.home)!r}), {log!r}, "", Path("audit")))
{body}
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)


def test_an_exit_with_an_unreachable_broker_loses_nothing(
    config: Config, logged: Logged, metric_note: MakeNote, caplog: pytest.LogCaptureFixture
) -> None:
    broken = run_program(config, f"emitter.emit({metric_note(0)!r})", "kafka://127.0.0.1:1/x")
    assert broken.returncode == 0
    assert "Traceback" not in broken.stderr
    (folder,) = spool_folders(spool_root(config.home))
    owner = folder / "owner"
    owner.write_text(owner.read_text().replace("kafka://127.0.0.1:1/x", config.log))
    emitter = Emitter(config)
    emitter.emit(metric_note(1))
    emitter.close()
    wait_until(lambda: spool_folders(spool_root(config.home)) == [])
    assert steps(logged(config)) == [0, 1]


def test_an_exit_right_after_a_note_sends_it(
    config: Config, logged: Logged, metric_note: MakeNote, complaints: "Callable[..., list[str]]"
) -> None:
    done = run_program(config, f"emitter.emit({metric_note(0)!r})", config.log)
    assert (done.returncode, complaints(done)) == (0, [])
    wait_until(lambda: spool_folders(spool_root(config.home)) == [])  # nobody helps: it was sent, or its sender does
    assert steps(logged(config)) == [0]


def test_the_user_is_told_once_that_the_log_is_away(
    config: Config, metric_note: MakeNote, caplog: pytest.LogCaptureFixture
) -> None:
    not_a_log = config.home.parent / "text"
    not_a_log.write_text("this is no log, and long enough to be looked at as one" * 20)
    emitter = Emitter(replace(config, log=str(not_a_log)))
    emitter.emit(metric_note(0))
    wait_until(lambda: not emitter.flush(100) and "cannot be reached" in caplog.text)
    not_a_log.unlink()
    assert emitter.flush(FLUSH_MS)
    emitter.close()
    told = [record.getMessage() for record in caplog.records if record.name == "modeltrail"]
    assert Counter("is back" in message for message in told) == {False: 1, True: 1}
    assert "cannot be reached" in told[0]


def test_importing_the_sdk_loads_no_client_no_codec_and_no_server() -> None:
    program = """
import sys
import modeltrail, modeltrail.emitter
print([name for name in sys.modules if name.split(".")[0] in ("kafka", "fastavro", "modeltrail_server")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_emitting_loads_no_client_and_no_codec_and_starts_no_thread(
    config: Config, metric_note: MakeNote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # measuring coverage loads sqlite3
    body = f"""
import threading
emitter.emit({metric_note(0)!r})
assert emitter.flush(60000)
print({{"kafka", "fastavro", "sqlite3"}} & set(sys.modules), threading.active_count())
"""
    assert run_program(config, body, config.log).stdout == "set() 1\n"


def test_warnings_go_to_the_modeltrail_logger_only(config: Config) -> None:
    assert not logging.getLogger("modeltrail").handlers


def test_an_event_that_the_log_refuses_becomes_a_gap_and_the_rest_goes_on(
    config: Config, emitter: Emitter, logged: Logged, metric_note: MakeNote
) -> None:
    emitter.emit(metric_note(0))
    emitter.emit({"kind": "model", "type": "ALIASED", "statement": {"text": "x" * 9_000_000}})
    emitter.emit(metric_note(1, tags={"x": "y" * 20_000_000}))
    emitter.emit(metric_note(2))
    assert emitter.flush(FLUSH_MS)
    events = logged(config)
    assert steps(events) == [0, 2]
    gaps = [event.gap for event in events if event.gap]
    assert sorted((gap.lost_events, gap.first_sequence, gap.last_sequence) for gap in gaps) == [(1, 2, 2), (1, 3, 3)]
