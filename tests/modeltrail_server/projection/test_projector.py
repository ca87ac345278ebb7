"""Each record counts once: under races, zombies, restarts, bad records and recreated logs."""

import logging
import threading
from pathlib import Path

import pytest
from event_cases import EngineFactory, history, outgoing
from modeltrail.errors import LogIdentityError, LogUnavailableError, OffsetOutOfRangeError
from modeltrail.log.embedded import EmbeddedLog
from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Outgoing, Position
from modeltrail_schemas.codec import MARKER, encode
from modeltrail_schemas.errors import ModeltrailError, UnknownSchemaError
from modeltrail_schemas.event import LineageEvent
from modeltrail_server.errors import DatabaseUnavailableError, DatabaseUrlError, ProjectionVersionError
from modeltrail_server.projection.dead_letters import (
    DeadLetterNotFoundError,
    list_dead_letters,
    requeue_dead_letters,
    show_dead_letter,
)
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.engine import open_engine, writing
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.projector import BatchStats, Projector, catch_up
from modeltrail_server.projection.tables import control_tables
from sqlalchemy import Engine, select, update

UNKNOWN_SCHEMA = MARKER + b"12345678" + b"whatever"


class Heard:
    """An observer that remembers."""

    def __init__(self, stop: threading.Event | None = None, *, after_records: int = 0) -> None:
        self.batches: list[BatchStats] = []
        self.errors: list[ModeltrailError] = []
        self._stop, self._after_records = stop, after_records

    def batch_written(self, stats: BatchStats) -> None:
        self.batches.append(stats)
        if self._stop is not None and sum(batch.records for batch in self.batches) >= self._after_records:
            self._stop.set()

    def retrying(self, error: ModeltrailError, delay_s: float) -> None:
        self.errors.append(error)


def _expected_digest(tmp_path: Path, messages: list[bytes]) -> str:
    engine = open_engine(f"sqlite:///{tmp_path / 'expected.db'}")
    log = MemoryLog()
    log.append(outgoing(messages))
    catch_up(log, engine)
    digest = compute_digest(engine).hex
    engine.dispose()
    return digest


def test_catching_up_reaches_the_end_and_then_reads_nothing_more(engine: Engine) -> None:
    log = MemoryLog()
    log.append(outgoing(history(30)))
    heard = Heard()
    assert catch_up(log, engine, observer=heard).records == 60
    progress = catch_up(log, engine, observer=heard)
    assert (progress.records, progress.records_behind, progress.position) == (0, 0, Position((60,)))
    assert [(batch.first_offset, batch.next_offset, batch.new_events) for batch in heard.batches] == [(0, 60, 60)]


def test_projectors_that_race_over_one_partition_write_each_record_once(
    new_engine: EngineFactory, tmp_path: Path
) -> None:
    engine, messages = new_engine(), history(150)
    log = MemoryLog()
    log.append(outgoing(messages))
    heard, failures = Heard(), []

    def race() -> None:
        try:
            catch_up(log, engine, observer=heard)
            with Projector(log, engine, observer=heard, max_batch_records=7) as projector:
                projector.catch_up(log.end(), threading.Event())
        except Exception as error:
            failures.append(error)

    for _ in range(2):
        log.append(outgoing(history(40, seed=2)))
    threads = [threading.Thread(target=race) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    covered = sorted((batch.first_offset, batch.next_offset) for batch in heard.batches)
    assert [first for first, _ in covered] == [0, *(end for _, end in covered[:-1])]
    assert covered[-1][1] == 460
    assert compute_digest(engine).hex == _expected_digest(tmp_path, messages + history(40, seed=2))


def test_a_zombie_that_believes_in_an_old_position_writes_nothing_and_goes_on(engine: Engine) -> None:
    log, messages = MemoryLog(), history(10)
    log.append(outgoing(messages))
    heard = Heard()
    with Projector(log, engine, observer=heard, max_batch_records=4) as zombie:
        assert zombie.step(wait_ms=0) == 4
        catch_up(log, engine)
        assert zombie.step(wait_ms=0) == 0
        log.append(outgoing(history(1, seed=3)))
        assert zombie.step(wait_ms=0) == 2
    assert [(batch.first_offset, batch.next_offset) for batch in heard.batches] == [(0, 4), (20, 22)]


def test_many_partitions_give_the_state_of_one(new_engine: EngineFactory, tmp_path: Path) -> None:
    engine, messages = new_engine(), history(40)
    log = MemoryLog(partitions=3)
    log.append([Outgoing(message, partition=number % 3) for number, message in enumerate(messages)])
    progress = catch_up(log, engine)
    assert sum(progress.position.offsets) == 80
    assert compute_digest(engine).hex == _expected_digest(tmp_path, messages)


def test_what_cannot_be_read_is_set_aside_and_takes_effect_once_it_can(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    good, late = history(3), encode(LineageEvent(b"z" * 16, "run", "START", 5, "late"))
    log = MemoryLog()
    log.append([*outgoing(good), Outgoing(b"", key=b"k"), Outgoing(late[:20]), Outgoing(encode(LineageEvent()))])
    with caplog.at_level(logging.WARNING):
        catch_up(log, engine)
    assert "3 dead letters" in caplog.text
    letters = list_dead_letters(engine, limit=10)
    assert [letter.offset for letter in letters] == [6, 7, 8]
    assert letters[0].key == b"k"
    assert show_dead_letter(engine, 0, 6).reason.startswith("not an Avro single-object message")
    with pytest.raises(DeadLetterNotFoundError):
        show_dead_letter(engine, 0, 0)
    assert list_dead_letters(engine, limit=10, after=(0, letters[-1].offset)) == []
    assert requeue_dead_letters(engine) == (0, 3)
    with writing(engine) as connection, reading(engine) as (_, tables):
        table = tables.dead_letter
        connection.execute(update(table).where(table.c.offset == 6).values(value=late))
    assert requeue_dead_letters(engine) == (1, 2)
    with reading(engine) as (connection, tables):
        assert connection.scalar(select(tables.run.c.state).where(tables.run.c.run_id == "late")) == "START"
        assert connection.scalar(select(tables.event.c.offset).where(tables.event.c.event_id == b"z" * 16)) == 6


def test_a_newer_schema_stops_the_projector_with_everything_before_it_kept(engine: Engine) -> None:
    log = MemoryLog()
    log.append([*outgoing(history(2)), Outgoing(UNKNOWN_SCHEMA), *outgoing(history(1, seed=9))])
    for _ in range(2):
        with pytest.raises(UnknownSchemaError, match="newer modeltrail"):
            catch_up(log, engine)
        assert compute_digest(engine).position == Position((4,))
    assert list_dead_letters(engine, limit=1) == []


def test_another_log_under_the_same_name_is_refused(engine: Engine) -> None:
    first, second = MemoryLog(), MemoryLog()
    first.append(outgoing(history(1)))
    catch_up(first, engine)
    with pytest.raises(LogIdentityError, match="recreated") as refusal:
        catch_up(second, engine)
    assert "rebuild" in refusal.value.remedy


def test_a_log_that_lost_records_the_read_model_has_not_seen_is_refused(engine: Engine) -> None:
    log = MemoryLog()
    log.append(outgoing(history(1)))
    catch_up(log, engine)
    log.append(outgoing(history(2, seed=2)))
    log.forget(0, 5)
    with pytest.raises(OffsetOutOfRangeError):
        catch_up(log, engine)


def test_a_log_whose_first_records_expired_before_the_first_projection_is_read_from_its_start(engine: Engine) -> None:
    log = MemoryLog()
    log.append(outgoing(history(3)))
    log.forget(0, 2)
    assert catch_up(log, engine).position == Position((6,))
    assert compute_digest(engine).counts["event"] == 4


def test_a_read_model_of_another_projection_version_is_refused_with_the_remedy(engine: Engine) -> None:
    log = MemoryLog()
    log.append(outgoing(history(1)))
    catch_up(log, engine)
    with writing(engine) as connection:
        connection.execute(update(control_tables().generation).values(projection_version=99))
    for attempt in (lambda: catch_up(log, engine), lambda: compute_digest(engine)):
        with pytest.raises(ProjectionVersionError) as refusal:
            attempt()
        assert "modeltrail rebuild" in refusal.value.remedy


def test_nothing_can_be_read_where_nothing_was_projected(engine: Engine) -> None:
    with pytest.raises(LookupError):
        compute_digest(engine)


class _FailingLog(MemoryLog):
    """A log that cannot be reached at first."""

    failures = 2

    def reader(self, *, group: str | None = None):
        if self.failures:
            self.failures -= 1
            raise LogUnavailableError("the broker does not answer")
        return super().reader(group=group)


def test_the_daemon_waits_for_what_is_down_and_ends_when_told(engine: Engine) -> None:
    log, stop = _FailingLog(), threading.Event()
    log.append(outgoing(history(5)))
    heard = Heard(stop, after_records=10)
    Projector(log, engine, observer=heard).run(stop)
    assert [str(error) for error in heard.errors] == ["the broker does not answer"] * 2
    assert compute_digest(engine).position == Position((10,))


def test_an_embedded_log_is_followed_while_it_is_written(sqlite_engine: Engine, tmp_path: Path) -> None:
    stop, messages = threading.Event(), history(20)
    with EmbeddedLog(tmp_path / "log.db") as log:
        follower = threading.Thread(
            target=Projector(log, sqlite_engine, observer=Heard(stop, after_records=40)).run, args=(stop,)
        )
        follower.start()
        for message in messages:
            log.append([Outgoing(message)])
        follower.join()
    assert compute_digest(sqlite_engine).hex == _expected_digest(tmp_path, messages)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://h/d", "sqlite://", "oracle://x"])
def test_an_address_that_is_none_says_how_one_is_written(url: str) -> None:
    with pytest.raises(DatabaseUrlError) as refusal:
        open_engine(url)
    assert "sqlite:///PATH" in refusal.value.remedy


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    engine = open_engine("postgresql://me:secret@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnavailableError, match="does not answer") as refusal:
        compute_digest(engine)
    assert "secret" not in str(refusal.value)


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database at all" * 100)
    engine = open_engine(f"sqlite:///{tmp_path / 'notes.txt'}")
    with pytest.raises(DatabaseUrlError, match="not a SQLite database"):
        catch_up(MemoryLog(), engine)
    engine.dispose()
