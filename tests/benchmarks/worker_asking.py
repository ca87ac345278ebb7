"""Asks a read model in a process of its own: DATABASE QUESTIONS. Each answer is of its own snapshot, as in a service.

Whom it asks about is drawn by seed: model versions evenly over keys, which are hashes; runs evenly over time.
"""

import json
import sys
import time
from collections.abc import Callable
from random import Random

from benchmarks.measuring import percentile
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.tables import Tables
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.graph import Direction
from modeltrail_server.queries.lineage import Bounds, lineage
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.snapshot import Snapshot
from sqlalchemy import Connection, Engine, select

SEED = 7
NODES = 100
UUID_TIME_BYTES = 6


def draw_models(connection: Connection, tables: Tables, count: int, random: Random) -> list[str]:
    entity, names = tables.entity.c, []
    while len(names) < count:
        query = select(entity.namespace, entity.name, entity.version).where(entity.entity_key >= random.randbytes(16))
        query = query.where(entity.kind == "model", entity.version != "").order_by(entity.entity_key).limit(1)
        names += [f"model:{row.namespace}/{row.name}@{row.version}" for row in connection.execute(query)]
    return names


def draw_runs(connection: Connection, tables: Tables, count: int, random: Random) -> list[str]:
    run = tables.run.c
    bounds = connection.execute(select(run.run_key).order_by(run.run_key).limit(1)).scalars().all()
    bounds += connection.execute(select(run.run_key).order_by(run.run_key.desc()).limit(1)).scalars().all()
    low, high = (int.from_bytes(key[:UUID_TIME_BYTES], "big") for key in bounds)
    ids = []
    for _ in range(count):
        key = random.randint(low, high).to_bytes(UUID_TIME_BYTES, "big").ljust(16, b"\0")
        query = select(run.run_id).where(run.run_key >= key).order_by(run.run_key).limit(1)
        ids += [f"run:{row.run_id}" for row in connection.execute(query)]
    return ids


def ask(engine: Engine, questions: int) -> dict[str, dict[str, float]]:
    random, answers = Random(SEED), {}
    with reading(engine) as (connection, tables):
        models = draw_models(connection, tables, questions, random)
        runs = draw_runs(connection, tables, questions, random)
        payload = select(tables.event.c.payload).where(tables.event.c.run_key == b"0" * 16)

    def timed_over(names: list[str], work: Callable[[Snapshot, str], int]) -> dict[str, float]:
        took_ms, sizes = [], []
        for name in (*names[: len(names) // 10], *names):  # the first tenth, asked twice, warms up
            started = time.perf_counter()
            with reading(engine) as (connection, tables):
                sizes.append(work(Snapshot(connection, tables), name))
            took_ms.append((time.perf_counter() - started) * 1e3)
        took_ms = took_ms[len(names) // 10 :]
        return {
            "p50": percentile(took_ms, 50),
            "p95": percentile(took_ms, 95),
            "p99": percentile(took_ms, 99),
            "size": percentile(sizes, 50),
        }

    def show(snapshot: Snapshot, name: str) -> int:
        answer(snapshot, resolve(snapshot, name))
        return 1

    def trace(direction: Direction) -> Callable[[Snapshot, str], int]:
        return lambda snapshot, name: len(
            lineage(snapshot, resolve(snapshot, name), direction, bounds=Bounds(max_nodes=NODES)).nodes
        )

    def look_up(snapshot: Snapshot, _: str) -> int:
        return len(snapshot.connection.execute(payload).all())

    answers["one lookup"] = timed_over(models, look_up)
    answers["show model"] = timed_over(models, show)
    answers["show run"] = timed_over(runs, show)
    answers["lineage up"] = timed_over(models, trace(Direction.UP))
    answers["lineage down"] = timed_over(runs, trace(Direction.DOWN))
    return answers


if __name__ == "__main__":
    asked = open_engine(sys.argv[1])
    print(json.dumps(ask(asked, int(sys.argv[2]))))
    asked.dispose()
