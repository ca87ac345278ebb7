"""A projector in a process of its own: LOG DATABASE [GROUP]. Ends when the read model has all of the log.

Prints how long it took from its first read on, and how much memory it held after each batch.
"""

import json
import sys
import threading
import time

from benchmarks.measuring import peak_resident_bytes, resident_bytes
from modeltrail.log import open_log
from modeltrail_schemas.errors import ModeltrailError
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import as_position, positions_of, prepare
from modeltrail_server.projection.projector import BatchStats, Projector

WAIT_MS = 20


class Watcher:
    """Adds up what the projector did."""

    def __init__(self) -> None:
        self.records = 0
        self.decode_s = self.write_s = 0.0
        self.first_s = self.last_s = 0.0
        self.memory: list[tuple[int, int]] = []

    def batch_written(self, stats: BatchStats) -> None:
        now = time.time()
        self.first_s = self.first_s or now - stats.decode_s - stats.write_s
        self.last_s = now
        self.records += stats.records
        self.decode_s += stats.decode_s
        self.write_s += stats.write_s
        self.memory.append((self.records, resident_bytes()))

    def retrying(self, error: ModeltrailError, delay_s: float) -> None:
        raise error


def project(log_address: str, database: str, group: str | None) -> dict[str, object]:
    watcher, engine = Watcher(), open_engine(database)
    with open_log(log_address) as log, Projector(log, engine, group=group, observer=watcher) as projector:
        end, generation = log.end(), prepare(engine, log.identity)
        started_cpu_s, started_s = time.process_time(), time.time()
        if group is None:
            projector.catch_up(end, threading.Event())
        else:
            while not as_position(positions_of(engine, generation) or {}).covers(end):
                projector.step(wait_ms=WAIT_MS)
        cpu_s = time.process_time() - started_cpu_s
    engine.dispose()
    return {
        "records": watcher.records,
        "started_s": started_s if group is None else watcher.first_s,
        "ended_s": watcher.last_s,
        "cpu_s": cpu_s,
        "decode_s": watcher.decode_s,
        "write_s": watcher.write_s,
        "memory": watcher.memory[:: max(1, len(watcher.memory) // 100)],
        "peak_bytes": peak_resident_bytes(),
    }


if __name__ == "__main__":
    print(json.dumps(project(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)))
