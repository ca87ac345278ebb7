"""A replay gives the same state again: from a log or kept records, whole or up to a point, at once or in parts."""

import threading
from pathlib import Path

import pytest
from event_cases import EngineFactory, history
from modeltrail.errors import LogIdentityError
from modeltrail.log.embedded import EmbeddedLog
from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Outgoing, Position, Record
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.replay import republishing
from modeltrail_server.replay.replaying import ReplayProgress, ReplayTargetError, dry_run, replay
from modeltrail_server.replay.republishing import ORIGIN_OFFSET, ORIGIN_TIMESTAMP, ORIGIN_TOPIC, replay_to_log
from modeltrail_server.replay.sources import KeptRecords, position_at, read_all
from sqlalchemy import Engine


def _filled_log(messages: list[bytes], *, partitions: int = 1) -> MemoryLog:
    log = MemoryLog(partitions)
    log.append([Outgoing(message, partition=number % partitions) for number, message in enumerate(messages)])
    return log


def _kept(log: MemoryLog) -> KeptRecords:
    """Return the records of ``log``, kept elsewhere."""
    by_partition: dict[int, list[Record]] = {}
    for records in read_all(log, start=Position(), end=log.end()):
        by_partition.setdefault(records[0].partition, []).extend(records)
    return KeptRecords(
        log.identity,
        lambda partition, start: (record for record in by_partition[partition] if record.offset >= start),
        log.end(),
    )


def test_a_replay_ends_with_the_digest_of_the_state_it_replays(new_engine: EngineFactory) -> None:
    log, original, copy = _filled_log(history(30), partitions=2), new_engine(), new_engine()
    catch_up(log, original)
    seen: list[ReplayProgress] = []
    replayed = replay(log, copy, on_progress=seen.append)
    assert replayed.digest == compute_digest(original)
    assert (seen[-1].records, seen[-1].total) == (60, 60)
    assert replayed.progress.seconds_left == 0


def test_kept_records_replay_to_the_same_digest_as_the_log(new_engine: EngineFactory) -> None:
    log = _filled_log(history(30), partitions=2)
    log.forget(0, 4)
    kept = _kept(log)
    assert kept.start() == log.start()
    assert replay(kept, new_engine()).digest == replay(log, new_engine()).digest


def test_an_interrupted_replay_goes_on_where_it_ended(new_engine: EngineFactory) -> None:
    kept, engine, stop = _kept(_filled_log(history(30), partitions=3)), new_engine(), threading.Event()
    stopped = replay(kept, engine, on_progress=lambda progress: stop.set(), stop=stop)
    assert (stopped.digest, stopped.progress.records) == (None, 20)
    resumed = replay(kept, engine)
    assert resumed.progress.records == resumed.progress.total == 40
    assert resumed.digest == replay(kept, new_engine()).digest


def test_as_of_a_position_is_the_state_when_the_log_ended_there(new_engine: EngineFactory) -> None:
    messages = history(20)
    log, then = _filled_log(messages), _filled_log(messages[:13])
    engine = new_engine()
    as_of = replay(log, engine, until=Position((13,))).digest
    assert as_of is not None
    expected = replay(then, new_engine()).digest
    assert expected is not None
    assert (as_of.hex, as_of.position) == (expected.hex, Position((13,)))
    assert replay(log, engine).digest == replay(log, new_engine()).digest


def test_a_database_past_the_point_that_is_asked_for_is_refused(engine: Engine) -> None:
    log = _filled_log(history(3))
    replay(log, engine)
    with pytest.raises(ReplayTargetError, match="cannot forget"):
        replay(log, engine, until=Position((2,)))


def test_a_database_of_another_log_is_refused(engine: Engine) -> None:
    replay(_filled_log(history(1)), engine)
    with pytest.raises(LogIdentityError):
        replay(_filled_log(history(1)), engine)


def test_a_time_is_the_position_before_the_first_record_that_the_log_took_later() -> None:
    times = [10, 20, 15, 30, 25]
    records = [Record(0, offset, time_ms, None, b"") for offset, time_ms in enumerate(times)]
    kept = KeptRecords(MemoryLog().identity, lambda partition, start: records[start:], Position((len(records),)))
    assert [position_at(kept, time_ms).offsets for time_ms in (9, 10, 19, 20, 29, 30)] == [
        (), (1,), (1,), (3,), (3,), (5,),
    ]  # fmt: skip


def test_a_dry_run_counts_and_writes_nothing() -> None:
    messages = history(4)
    log = _filled_log([*messages, messages[0], b"nothing"])
    counted = dry_run(log)
    assert (counted.records, counted.events, counted.invalid) == (10, 8, 1)
    assert counted.kinds == {"run START": 5, "run COMPLETE": 4}
    assert counted.position == Position((10,))


def test_a_replay_into_another_log_keeps_order_bytes_and_origin(new_engine: EngineFactory, tmp_path: Path) -> None:
    source = _filled_log(history(10))
    with EmbeddedLog(tmp_path / "copy.db") as copy:
        assert replay_to_log(source, copy).records == 20
        originals = [record for batch in read_all(source, start=Position(), end=source.end()) for record in batch]
        copies = [record for batch in read_all(copy, start=Position(), end=copy.end()) for record in batch]
        assert [record.value for record in copies] == [record.value for record in originals]
        headers = [dict(record.headers) for record in copies]
        assert [int(header[ORIGIN_OFFSET]) for header in headers] == list(range(20))
        assert headers[3][ORIGIN_TOPIC] == source.identity.name.encode()
        assert int(headers[3][ORIGIN_TIMESTAMP]) == originals[3].timestamp_ms
        replayed, expected = replay(copy, new_engine()).digest, replay(source, new_engine()).digest
        assert replayed is not None
        assert expected is not None
        assert replayed.hex == expected.hex


def test_an_interrupted_replay_into_another_log_goes_on_without_repeating(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(republishing, "MAX_APPEND_RECORDS", 5)
    source, target, stop = _filled_log(history(10), partitions=2), MemoryLog(2), threading.Event()
    first = replay_to_log(source, target, on_progress=lambda progress: stop.set(), stop=stop)
    assert first.records == 5
    assert replay_to_log(source, target).records == 15
    assert replay_to_log(source, target).records == 0
    assert target.end() == source.end()
