"""Promise 2, the log is the truth: a database put back from a backup has older positions, and converges."""

import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from event_cases import history, outgoing
from faults.states import opened, undisturbed, wait_until_projected
from modeltrail.log.memory import MemoryLog
from modeltrail_server.projection.projector import Projector
from services.local_postgres import LocalPostgres

RUNS = 60


@pytest.mark.fault
@pytest.mark.service
def test_postgresql_restored_under_a_projector_that_runs_on(breakable_postgres: LocalPostgres) -> None:
    data, backup = breakable_postgres.folder / "data", breakable_postgres.folder / "backup"
    messages, log, stop = history(RUNS), MemoryLog(), threading.Event()
    third = len(messages) // 3

    def copy(source: Path, target: Path) -> None:
        breakable_postgres.stop()
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", source, target], check=True)
        breakable_postgres.start()

    with opened(breakable_postgres.url) as engine:
        running = threading.Thread(target=Projector(log, engine, max_batch_records=7).run, args=(stop,))
        running.start()
        try:
            log.append(outgoing(messages[:third]))
            wait_until_projected(engine, log.end())
            copy(data, backup)
            log.append(outgoing(messages[third : 2 * third]))
            wait_until_projected(engine, log.end())
            copy(backup, data)
            log.append(outgoing(messages[2 * third :]))
            digest = wait_until_projected(engine, log.end())
        finally:
            stop.set()
            running.join()
    assert (digest.hex, digest.counts["event"]) == (undisturbed(messages).hex, len(messages))
