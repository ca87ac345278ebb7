"""A rebuild serves the old generation until the new one is whole, then swaps."""

import threading

import pytest
from event_cases import history, outgoing
from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Position
from modeltrail_server.errors import GenerationDroppedError, ProjectionVersionError
from modeltrail_server.projection import rebuilding
from modeltrail_server.projection.digest import compute_digest
from modeltrail_server.projection.engine import writing
from modeltrail_server.projection.generations import create_generation, reading
from modeltrail_server.projection.projector import BatchStats, LoggingObserver, Projector, catch_up
from modeltrail_server.projection.rebuilding import rebuild
from modeltrail_server.projection.tables import control_tables
from sqlalchemy import Engine, inspect, select, text, update


def _generations_with_tables(engine: Engine) -> set[str]:
    return {name.split("_")[0] for name in inspect(engine).get_table_names() if name.startswith("g")}


def _filled_log(runs: int = 20) -> MemoryLog:
    log = MemoryLog()
    log.append(outgoing(history(runs)))
    return log


def test_a_rebuild_gives_the_same_digest_in_a_new_generation_and_drops_the_old(engine: Engine) -> None:
    log = _filled_log()
    catch_up(log, engine)
    before = compute_digest(engine)
    assert rebuild(log, engine) == before
    assert _generations_with_tables(engine) == {"g2"}
    assert catch_up(log, engine).records == 0


def test_a_read_model_of_another_version_or_another_log_is_replaced_by_a_rebuild(engine: Engine) -> None:
    catch_up(_filled_log(3), engine)
    with writing(engine) as connection:
        connection.execute(update(control_tables().generation).values(projection_version=99))
    log = _filled_log(5)
    with pytest.raises(ProjectionVersionError):
        catch_up(log, engine)
    digest = rebuild(log, engine)
    assert digest is not None
    assert digest.position == Position((10,))
    assert catch_up(log, engine).records == 0


def test_a_rebuild_of_an_empty_database_makes_the_first_generation(engine: Engine) -> None:
    digest = rebuild(_filled_log(2), engine)
    assert digest is not None
    assert digest.counts["event"] == 4


class _StoppingObserver(LoggingObserver):
    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def batch_written(self, stats: BatchStats) -> None:
        self._stop.set()


def test_a_rebuild_that_ends_early_leaves_the_old_generation_serving_and_the_next_one_cleans_up(
    engine: Engine,
) -> None:
    log, stop = _filled_log(), threading.Event()
    catch_up(log, engine)
    before = compute_digest(engine)
    assert rebuild(log, engine, observer=_StoppingObserver(stop), stop=stop) is None
    assert compute_digest(engine) == before
    assert _generations_with_tables(engine) == {"g1", "g2"}
    assert rebuild(log, engine) == before
    assert _generations_with_tables(engine) == {"g3"}


def test_a_projector_of_the_old_generation_goes_on_with_the_new_one(engine: Engine) -> None:
    log = _filled_log(2)
    with Projector(log, engine) as projector:
        projector.step(wait_ms=0)
        rebuild(log, engine)
        log.append(outgoing(history(1, seed=5)))
        projector.step(wait_ms=0)  # finds that the pointer moved
        assert projector.step(wait_ms=0) == 2
    with reading(engine) as (connection, tables):
        assert tables.generation == 2
        assert connection.scalar(select(tables.position.c.next_offset)) == 6


def test_a_builder_whose_generation_was_dropped_by_another_rebuild_stops(engine: Engine) -> None:
    log = _filled_log(2)
    catch_up(log, engine)
    with writing(engine) as connection:
        generation = create_generation(connection, log.identity)
    rebuild(log, engine)
    with Projector(log, engine, into=generation) as projector, pytest.raises(GenerationDroppedError):
        projector.step(wait_ms=0)


def test_a_reader_sees_one_generation_throughout_and_its_tables_stay_until_nobody_reads_them(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rebuilding, "LOCK_TIMEOUT_MS", 50)
    monkeypatch.setattr(rebuilding, "DROP_ATTEMPTS", 2)
    log = _filled_log(4)
    catch_up(log, engine)
    before = compute_digest(engine)
    is_held = engine.dialect.name == "postgresql"  # a reader of SQLite has its snapshot, whatever is dropped
    with reading(engine) as (connection, tables):
        for number in (2, 3):
            assert rebuild(log, engine) == before
            assert _generations_with_tables(engine) == ({"g1"} if is_held else set()) | {f"g{number}"}
            assert ("somebody reads generation 1" in caplog.text) == is_held
        assert connection.scalar(text(f"SELECT count(*) FROM {tables.event.name}")) == 8
    with reading(engine) as (_, tables):
        assert tables.generation == 3
    rebuild(log, engine)
    assert _generations_with_tables(engine) == {"g4"}


def test_a_new_generation_is_swapped_in_only_when_it_has_all_that_the_old_one_has(engine: Engine) -> None:
    """The log grows, and is projected, while the new generation is built: it follows before it serves."""
    log = _filled_log(2)
    catch_up(log, engine)

    class Growing(LoggingObserver):
        """After the first batch of the new generation the old one gets ahead again, once."""

        rounds = 0

        def batch_written(self, stats: BatchStats) -> None:
            self.rounds += 1
            if self.rounds == 1:
                log.append(outgoing(history(3, seed=8)))
                catch_up(log, engine)

    positions: list[Position] = []
    original = rebuilding.drop_unused

    def seen(database: Engine) -> None:
        positions.append(compute_digest(database).position)
        original(database)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rebuilding, "drop_unused", seen)
        rebuild(log, engine, observer=Growing())
    # Before anything was built, and right after the swap.
    assert positions == [Position((4,)), Position((10,))]
