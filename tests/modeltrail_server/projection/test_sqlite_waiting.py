"""First commands on one new read model wait for each other, also where SQLite itself would not."""

import sqlite3
import threading
from pathlib import Path

from modeltrail_server.projection.engine import open_engine, writing

HELD_S = 0.3


def test_a_write_that_keeps_the_file_from_becoming_a_write_ahead_log_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "model.db"
    held = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    held.execute("CREATE TABLE t (a)")
    held.execute("BEGIN IMMEDIATE")
    release = threading.Timer(HELD_S, lambda: held.execute("COMMIT"))
    release.start()
    engine = open_engine(f"sqlite:///{path}")
    try:
        with writing(engine) as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    finally:
        release.join()
        engine.dispose()
        held.close()
