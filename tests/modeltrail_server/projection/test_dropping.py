"""A table that goes takes no memory of its size: not an old generation, nor an index of an older shape."""

import subprocess
import sys

from modeltrail_server.projection.engine import open_engine

ROWS, ROW_BYTES = 12_000, 8_000
TABLE_KIB = ROWS * ROW_BYTES // 1024
PROGRAM = """
import resource, sys
from sqlalchemy import text
from modeltrail_server.projection.engine import open_engine, writing
engine = open_engine(sys.argv[1])
with writing(engine) as connection:
    connection.execute(text("CREATE TABLE large (number INTEGER PRIMARY KEY, bytes BLOB)"))
    connection.execute(text("INSERT INTO large WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                            "WHERE i < :rows) SELECT i, randomblob(:size) FROM n"),
                       {"rows": int(sys.argv[2]), "size": int(sys.argv[3])})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with writing(engine) as connection:
    connection.execute(text("DROP TABLE large"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_dropping_a_table_of_sqlite_takes_less_memory_than_the_table_has(tmp_path):
    arguments = [f"sqlite:///{tmp_path / 'model.db'}", str(ROWS), str(ROW_BYTES)]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)

    assert int(done.stdout) < TABLE_KIB // 2


def test_a_write_ahead_log_that_grew_while_somebody_read_is_cut_when_it_begins_anew(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'model.db'}")
    with engine.connect() as connection:
        limit = connection.exec_driver_sql("PRAGMA journal_size_limit").scalar()
        pages = connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar()
        page_bytes = connection.exec_driver_sql("PRAGMA page_size").scalar()
    engine.dispose()

    assert pages * page_bytes < limit <= 2**28
