"""Promise 1, what was accepted survives: what must be on the disk at a power cut was synced, and in that order.

The power is not cut here; the calls to the kernel are watched.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from modeltrail.config import Config
from modeltrail.emitter import Emitter
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Outgoing
from modeltrail.log.reading import read
from modeltrail.spool.layout import owner_file
from modeltrail.spool.outbox import Outbox
from modeltrail.spool.writing import SpoolWriter
from modeltrail_schemas.codec import decode

pytestmark = pytest.mark.fault


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the inodes that fsync was called for, in order."""
    inodes: list[int] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        inodes.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    return inodes


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tmp_path / "home", str(tmp_path / "log.db"), "", tmp_path / "audit")


@pytest.fixture
def emitter(config: Config) -> Iterator[Emitter]:
    emitter = Emitter(config)
    yield emitter
    emitter.close(5_000)


def test_a_sync_reaches_the_notes_and_the_name_of_their_file(tmp_path: Path, synced: list[int]) -> None:
    writer = SpoolWriter.create(tmp_path, "emitter", host="h", log="l")
    writer.append(b"{}")
    synced.clear()
    writer.sync()
    folder = writer.ownership.folder
    notes = {path.stat().st_ino for path in folder.iterdir() if path.suffix == ".notes"}
    assert notes
    named = {path.stat().st_ino for path in (folder, tmp_path, owner_file(folder))}
    assert notes | named <= set(synced)
    writer.close()


def test_events_are_on_the_disk_before_they_are_given_to_be_sent(tmp_path: Path, synced: list[int]) -> None:
    """Else a power cut after sending would send them again under other ids."""
    outbox = Outbox(tmp_path / "1.events")
    outbox.append([Outgoing(b"event")], notes_offset=1)
    assert synced == [(tmp_path / "1.events").stat().st_ino]
    assert outbox.state.pending
    outbox.close()


def test_a_clock_that_steps_back_does_not_turn_the_order_of_an_emitter(
    config: Config, emitter: Emitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns()
    clock = iter(range(now, now - 50 * 10**9, -(10**9)))
    for step in range(10):
        with monkeypatch.context() as patch:
            patch.setattr("modeltrail.emitter.time.time_ns", lambda: next(clock))
            emitter.emit({"kind": "run", "type": "START", "run_id": f"r{step}", "job": "a/b"})
    assert emitter.flush(60_000)
    with open_log(config.log) as log:
        events = [decode(record.value) for record in read(log, log.start(), log.end())]
    in_time = sorted(events, key=lambda event: (event.event_time_ns, event.event_id))
    assert [event.run_id for event in in_time] == [f"r{step}" for step in range(10)]
