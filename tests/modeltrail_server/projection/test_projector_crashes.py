"""Projectors that are killed, and several that share a topic: the digest is that of an undisturbed one."""

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from event_cases import history, outgoing
from modeltrail.log.memory import MemoryLog
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Outgoing
from modeltrail_schemas.errors import ModeltrailError
from modeltrail_server.errors import DatabaseUnavailableError
from modeltrail_server.projection.digest import Digest, compute_digest
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import BatchStats, Projector, catch_up
from services.local_postgres import LocalPostgres
from sqlalchemy import Engine

SCRIPT = Path(__file__).with_name("projecting_process.py")
DEADLINE_S = 120

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return ``start(log, database, group, batch_records)``: a projector process; killed at the end."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(SCRIPT), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        processes.append(process)
        return process

    yield begin
    for process in processes:
        _kill(process)


def _kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def _undisturbed(tmp_path: Path, messages: list[bytes]) -> Digest:
    engine = open_engine(f"sqlite:///{tmp_path / 'undisturbed.db'}")
    with MemoryLog() as log:
        log.append(outgoing(messages))
        catch_up(log, engine)
    digest = compute_digest(engine)
    engine.dispose()
    return digest


@pytest.mark.fault
def test_a_projector_killed_again_and_again_leaves_the_state_of_an_undisturbed_one(
    engine: Engine, tmp_path: Path, start: Start
) -> None:
    messages, random, address = history(400), Random(7), str(tmp_path / "log.db")
    database = engine.url.render_as_string(hide_password=False)
    with open_log(address) as log:
        log.append(outgoing(messages))
        for _ in range(5):
            process = start(address, database, "", 10)
            assert process.stdout is not None
            for _ in range(random.randint(1, 12)):
                assert process.stdout.readline()
            time.sleep(random.random() * 0.02)
            _kill(process)
        progress = catch_up(log, engine)
    assert 0 < progress.records < 800
    assert compute_digest(engine) == _undisturbed(tmp_path, messages)


class Heard:
    """An observer that tells when something is down, and when a record was written."""

    def __init__(self) -> None:
        self.down, self.written = threading.Event(), threading.Event()

    def batch_written(self, stats: BatchStats) -> None:
        self.written.set()

    def retrying(self, error: ModeltrailError, delay_s: float) -> None:
        assert isinstance(error, DatabaseUnavailableError)
        self.down.set()


@pytest.mark.service
@pytest.mark.fault
def test_a_database_that_dies_and_comes_back_is_waited_for(breakable_postgres: LocalPostgres, tmp_path: Path) -> None:
    messages, heard, stop = history(40), Heard(), threading.Event()
    engine, log = open_engine(breakable_postgres.url), MemoryLog()
    follower = threading.Thread(target=Projector(log, engine, observer=heard, max_batch_records=5).run, args=(stop,))
    follower.start()
    try:
        log.append(outgoing(messages[:40]))
        assert heard.written.wait(DEADLINE_S)
        breakable_postgres.kill()
        log.append(outgoing(messages[40:]))
        assert heard.down.wait(DEADLINE_S)
        breakable_postgres.start()
        deadline = time.monotonic() + DEADLINE_S
        while catch_up(log, engine).records_behind:
            assert time.monotonic() < deadline
    finally:
        stop.set()
        follower.join()
    assert compute_digest(engine) == _undisturbed(tmp_path, messages)
    engine.dispose()


@pytest.mark.service
@pytest.mark.fault
def test_projectors_that_share_a_topic_and_lose_one_of_them_project_every_record_once(
    kafka_bootstrap: str, new_topic: Callable[..., str], new_database: Callable[[], str], tmp_path: Path, start: Start
) -> None:
    address, database, group = (
        f"kafka://{kafka_bootstrap}/{new_topic(partitions=4)}",
        new_database(),
        uuid.uuid4().hex,
    )
    messages = history(400)
    with open_log(address) as log:
        log.append([Outgoing(message, partition=number % 4) for number, message in enumerate(messages)])
        processes = [start(address, database, group, 10) for _ in range(3)]
        assert processes[0].stdout is not None
        while not (line := processes[0].stdout.readline()).startswith("batch"):
            assert line
        _kill(processes[0])
        engine, deadline = open_engine(database), time.monotonic() + DEADLINE_S
        try:
            digest = compute_digest(engine)
            while not digest.position.covers(log.end()):
                assert time.monotonic() < deadline
                time.sleep(0.2)
                digest = compute_digest(engine)
            assert digest.position == log.end()
            assert digest.hex == _undisturbed(tmp_path, messages).hex
        finally:
            engine.dispose()
