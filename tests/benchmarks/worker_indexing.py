"""Indexes for search in a process of its own: LOG DATABASE. Prints how long it took for how many records."""

import json
import sys
import time

from modeltrail.log import open_log
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.search.indexing import catch_up


def index(log_address: str, database: str) -> dict[str, float]:
    """Index all that the read model holds; on PostgreSQL, then do what autovacuum would do some time later."""
    engine = open_engine(database)
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    with open_log(log_address) as log:
        records = catch_up(log, engine)
    took = {
        "records": records,
        "took_s": time.perf_counter() - started_s,
        "cpu_s": time.process_time() - started_cpu_s,
    }
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql("VACUUM (ANALYZE)")
    engine.dispose()
    return took


if __name__ == "__main__":
    print(json.dumps(index(sys.argv[1], sys.argv[2])))
