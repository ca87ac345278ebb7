"""A spool is drained once: whatever dies when, the log gets every note, and a resent event has the same bytes."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from modeltrail.notes import encode_note, track_open_runs
from modeltrail.spool.draining import SpoolDrain
from modeltrail.spool.layout import Header, damaged_file, events_file, notes_file, segments
from modeltrail.spool.ownership import adopt, remove_unfinished
from modeltrail.spool.status import spool_status
from modeltrail.spool.writing import SpoolWriter
from modeltrail_schemas.codec import decode
from modeltrail_schemas.event import LineageEvent

MakeNote = Callable[..., dict[str, object]]


def stamped(sequence: int, note: dict[str, object]) -> bytes:
    emitter = {"id": "e1", "rank": 0, "sequence": sequence, "host": "h", "process_id": 7}
    return encode_note(note | {"event_time_ns": 10**18 + sequence * 300_000_000, "emitter": emitter})


def write_spool(root: Path, metric_note: MakeNote, count: int = 8) -> Path:
    """Leave the spool of a process that died after ``count`` metrics of a run, in two segments."""
    writer = SpoolWriter.create(root, "e1", host="h", log="the log")
    start = {"kind": "run", "type": "START", "run_id": "r1", "job": "a/b"}
    writer.append(stamped(0, start))
    for step in range(count):
        if step == count // 2:
            writer.rotate(Header({"r1": {"run_id": "r1", "job": "a/b"}}, 10**18, {"id": "e1"}))
        writer.append(stamped(1 + step, metric_note(step)))
    writer.close()
    return root / "e1"


def drain(folder: Path) -> list[bytes]:
    ownership = adopt(folder)
    assert ownership is not None
    spool = SpoolDrain(folder, ownership)
    sent = []
    while (batch := spool.next_batch()) is not None:
        sent += [event.value for event in batch.events]
        spool.acknowledge(batch)
    assert spool.finished
    spool.close()
    return sent


def distinct(sent: list[bytes]) -> list[LineageEvent]:
    """Return the events; one that was sent again must have been sent as it was."""
    by_id: dict[bytes, bytes] = {}
    for value in sent:
        assert by_id.setdefault(decode(value).event_id, value) == value
    return [decode(value) for value in by_id.values()]


def check_complete(events: list[LineageEvent], count: int = 8) -> None:
    assert sorted(metric.step for event in events for metric in event.metrics) == list(range(count))
    assert Counter(event.type for event in events if event.type != "RUNNING") == {"START": 1, "ABORT": 1}


def test_a_dead_process_spool_is_sent_and_removed(tmp_path: Path, metric_note: MakeNote) -> None:
    folder = write_spool(tmp_path, metric_note)
    events = distinct(drain(folder))
    check_complete(events)
    assert not folder.exists()
    assert events[-1].inferred
    assert events[-1].event_time_ns > max(event.event_time_ns for event in events[:-1])
    assert events[-1].job.format() == "a/b"


@pytest.mark.parametrize("left", [False, True])
def test_a_process_that_joined_a_run_and_died_is_told_from_one_that_left_it(
    tmp_path: Path, metric_note: MakeNote, left: bool
) -> None:
    """Also where the segment in which it joined is gone: the header of the next one knows. The run is not ended."""
    notes = [metric_note(0, takes_part=True), metric_note(1), *([{**metric_note(2), "takes_part": False}] * left)]
    writer = SpoolWriter.create(tmp_path, "e1", host="h", log="the log")
    open_runs: dict[str, dict[str, object]] = {}
    for number, note in enumerate(notes):
        writer.append(stamped(number, note))
        track_open_runs(open_runs, note)
        writer.rotate(Header(open_runs, 10**18 + number * 300_000_000, {"id": "e1", "rank": 3}))
    writer.close()
    events = distinct(drain(tmp_path / "e1"))
    assert {event.type for event in events} == {"RUNNING"}
    lost = [event for event in events if event.error]
    assert len(lost) == (0 if left else 1)
    assert all(event.inferred and event.error and event.error.type == "ProcessLost" for event in lost)


def test_a_crash_after_any_step_neither_loses_nor_changes_an_event(tmp_path: Path, metric_note: MakeNote) -> None:
    folder = write_spool(tmp_path / "spool", metric_note)
    crashes: list[tuple[Path, list[bytes]]] = []
    sent: list[bytes] = []

    def crash() -> None:
        copy = tmp_path / f"crash{len(crashes)}" / folder.name
        shutil.copytree(folder, copy)
        crashes.append((copy, list(sent)))

    ownership = adopt(folder)
    assert ownership is not None
    spool = SpoolDrain(folder, ownership)
    crash()
    while (batch := spool.next_batch()) is not None:
        crash()
        sent += [event.value for event in batch.events]
        crash()
        spool.acknowledge(batch)
        crash()
    assert len(crashes) > 5
    for copy, sent_before in crashes:
        check_complete(distinct(sent_before + drain(copy)))


def test_a_batch_torn_at_any_byte_was_never_sent_and_is_made_anew(tmp_path: Path, metric_note: MakeNote) -> None:
    folder = write_spool(tmp_path / "spool", metric_note)
    ownership = adopt(folder)
    assert ownership is not None
    spool = SpoolDrain(folder, ownership)
    assert spool.next_batch() is not None
    whole = events_file(folder, 1).read_bytes()
    spool.close()
    for cut in range(0, len(whole), 7):
        copy = tmp_path / f"torn{cut}" / "e1"
        shutil.copytree(folder, copy)
        events_file(copy, 1).write_bytes(whole[:cut])
        check_complete(distinct(drain(copy)))


def test_events_left_without_their_notes_were_all_sent(tmp_path: Path, metric_note: MakeNote) -> None:
    folder = write_spool(tmp_path, metric_note)
    ownership = adopt(folder)
    assert ownership is not None
    spool = SpoolDrain(folder, ownership)
    while (batch := spool.next_batch()) is not None and spool.place[0] < 2:
        spool.acknowledge(batch)
    spool.close()
    events_file(folder, 1).write_bytes(b"left by a crash between the two removals")
    assert segments(folder) == [2]
    drain(folder)
    assert not folder.exists()


def test_a_crash_between_removing_notes_and_events_sends_nothing_anew(
    tmp_path: Path, metric_note: MakeNote, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_spool(tmp_path, metric_note)
    ownership = adopt(folder)
    assert ownership is not None
    spool = SpoolDrain(folder, ownership)
    batch = spool.next_batch()
    assert batch is not None
    sent = [event.value for event in batch.events]
    spool.acknowledge(batch)
    unlink = Path.unlink

    def unlink_and_die(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink_and_die)
        with pytest.raises(KeyboardInterrupt):
            spool.next_batch()
    spool.close()
    check_complete(distinct(sent + drain(folder)))


def test_a_damaged_note_is_set_aside_and_a_gap_stands_for_it(
    tmp_path: Path, metric_note: MakeNote, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_spool(tmp_path, metric_note)
    path = notes_file(folder, 1)
    data = bytearray(path.read_bytes())
    at = data.index(b'"step":1}')
    data[at] ^= 0xFF
    path.write_bytes(data)
    events = distinct(drain(folder))
    gaps = [event.gap for event in events if event.kind == "gap"]
    assert [(gap.lost_events, gap.first_sequence, gap.last_sequence) for gap in gaps if gap] == [(1, 2, 2)]
    assert sorted(metric.step for event in events for metric in event.metrics) == [0, 2, 3, 4, 5, 6, 7]
    assert b'"step"'.replace(b'"', b"", 0)[1:] in damaged_file(folder).read_bytes()
    assert "set aside" in caplog.text


def test_a_damaged_header_costs_nothing_but_itself(tmp_path: Path, metric_note: MakeNote) -> None:
    folder = write_spool(tmp_path, metric_note)
    path = notes_file(folder, 1)
    data = bytearray(path.read_bytes())
    data[14] ^= 0xFF
    path.write_bytes(data)
    check_complete([event for event in distinct(drain(folder)) if event.kind != "gap"])


def test_a_note_that_no_event_can_be_made_of_becomes_a_gap(tmp_path: Path, metric_note: MakeNote) -> None:
    writer = SpoolWriter.create(tmp_path, "e1", host="h", log="")
    writer.append(stamped(1, metric_note(0)))
    writer.append(stamped(2, metric_note(2**64)))
    writer.append(stamped(3, metric_note(2, no_such_field=1)))
    writer.append(stamped(4, metric_note(3)))
    writer.close()
    events = distinct(drain(tmp_path / "e1"))
    assert [event.gap.first_sequence for event in events if event.gap] == [2, 3]
    assert sorted(metric.step for event in events for metric in event.metrics) == [0, 3]


def test_a_spool_has_one_owner(tmp_path: Path, metric_note: MakeNote) -> None:
    folder = write_spool(tmp_path, metric_note)
    first = adopt(folder)
    assert first is not None
    assert adopt(folder) is None
    first.release()
    second = adopt(folder)
    assert second is not None
    second.release()


def test_a_spool_is_adopted_for_its_own_log_only(tmp_path: Path, metric_note: MakeNote) -> None:
    folder = write_spool(tmp_path, metric_note)
    assert adopt(folder, log="another log") is None
    ownership = adopt(folder, log="the log")
    assert ownership is not None
    ownership.release()


def test_the_status_counts_what_waits(tmp_path: Path, metric_note: MakeNote) -> None:
    folder = write_spool(tmp_path, metric_note)
    (status,) = spool_status(tmp_path)
    assert (status.waiting_notes, status.waiting_events, status.is_alive) == (9, 0, False)
    assert status.owner.process_id > 0
    ownership = adopt(folder)
    assert ownership is not None
    spool = SpoolDrain(folder, ownership)
    batch = spool.next_batch()
    assert batch is not None
    (status,) = spool_status(tmp_path)
    assert (status.waiting_notes, status.waiting_events, status.is_alive) == (4, len(batch.events), True)
    spool.close()


def test_a_spool_that_was_never_finished_is_cleared_away_later(tmp_path: Path) -> None:
    (tmp_path / ".new-e9").mkdir()
    remove_unfinished(tmp_path)
    assert (tmp_path / ".new-e9").exists()
    remove_unfinished(tmp_path, older_than_s=-1)
    assert not (tmp_path / ".new-e9").exists()


def test_a_reader_of_the_living_process_follows_the_writer_over_segments(
    tmp_path: Path, metric_note: MakeNote
) -> None:
    writer = SpoolWriter.create(tmp_path, "e1", host="h", log="")
    spool = SpoolDrain(tmp_path / "e1")
    sent: list[bytes] = []

    def pump() -> None:
        while (batch := spool.next_batch()) is not None:
            sent.extend(event.value for event in batch.events)
            spool.acknowledge(batch)

    for step in range(12):
        writer.append(stamped(step, metric_note(step)))
        if step % 3 == 0:
            pump()
            assert spool.place == writer.place
        if step % 4 == 0:
            writer.rotate(Header())
    pump()
    assert spool.place == writer.place
    assert sorted(metric.step for event in distinct(sent) for metric in event.metrics) == list(range(12))
    assert segments(tmp_path / "e1") == [writer.place[0]]
    spool.close()
    writer.close()
