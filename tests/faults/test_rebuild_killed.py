"""Promise 2, the log is the truth: a rebuild killed anywhere leaves the old generation serving whoever reads."""

import threading
import time
from pathlib import Path
from random import Random

import pytest
from event_cases import history, outgoing
from faults.conftest import StartWorker
from faults.states import opened, undisturbed, wait_until_projected
from faults.work import project, rebuild_model
from modeltrail.log.memory import MemoryLog
from modeltrail.log.opening import open_log
from modeltrail_schemas.errors import ModeltrailError
from modeltrail_server.errors import DatabaseUnavailableError
from modeltrail_server.projection import rebuilding
from modeltrail_server.projection.digest import Digest, compute_digest
from modeltrail_server.projection.engine import writing
from modeltrail_server.projection.generations import current_generation
from modeltrail_server.projection.projector import catch_up
from services.fixtures import DatabaseFactory
from sqlalchemy import Engine, inspect

KILLS = 8
ROUND = 60


class Reading:
    """A thread that reads on and on, and keeps what it saw."""

    def __init__(self, engine: Engine) -> None:
        self.seen: list[Digest] = []
        self.errors: list[ModeltrailError | LookupError] = []
        self._engine, self._stop = engine, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.seen.append(compute_digest(self._engine))
            except (ModeltrailError, LookupError) as error:
                self.errors.append(error)
            self._stop.wait(0.005)

    def __enter__(self) -> "Reading":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.fault
def test_readers_see_whole_states_only_and_the_projector_keeps_up(
    database: str, tmp_path: Path, start: StartWorker, chance: Random
) -> None:
    messages, address = history(ROUND * (KILLS + 1) // 2), str(tmp_path / "log.db")
    with open_log(address) as log, opened(database) as engine:
        log.append(outgoing(messages[:ROUND]))
        start(project, address, database)
        wait_until_projected(engine, log.end())
        with Reading(engine) as reading:
            for kill in range(1, KILLS + 1):
                builder = start(rebuild_model, address, database)
                builder.wait_for("ready")
                time.sleep(chance.random() * 0.3)
                log.append(outgoing(messages[kill * ROUND : (kill + 1) * ROUND]))
                builder.kill()
                wait_until_projected(engine, log.end())
            builder = start(rebuild_model, address, database)
            builder.wait_for("done")
            digest = wait_until_projected(engine, log.end())
        assert digest.hex == undisturbed(messages).hex
        # All that was half built is gone.
        generations = {name.partition("_")[0] for name in inspect(engine).get_table_names() if name[0] == "g"}
        assert len(generations) == 1
    assert reading.errors == []
    for earlier, later in zip(reading.seen, reading.seen[1:], strict=False):
        assert later.position.covers(earlier.position)
    for state in reading.seen:
        assert state.counts["event"] == state.position[0] >= ROUND


@pytest.mark.fault
@pytest.mark.service
def test_a_swap_waits_for_whoever_writes_the_old_generation(
    new_database: DatabaseFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its commit would go into tables that nobody reads any more, and readers would step back in time."""
    monkeypatch.setattr(rebuilding, "LOCK_TIMEOUT_MS", 50)
    monkeypatch.setattr(rebuilding, "LOCK_ATTEMPTS", 2)
    log = MemoryLog()
    log.append(outgoing(history(3)))
    with opened(new_database()) as engine:
        catch_up(log, engine)
        with writing(engine) as connection:
            assert current_generation(connection, lock=True)
            with pytest.raises(DatabaseUnavailableError, match="lock timeout"):
                rebuilding.rebuild(log, engine)
            assert current_generation(connection).number == 1
        assert rebuilding.rebuild(log, engine) == compute_digest(engine)
