"""How a read model is asked: about whom, drawn by seed, and how long each answer took. Each has its own snapshot.

Model versions and datasets are drawn evenly over keys, which are hashes; runs evenly over time.
"""

import time
from collections.abc import Callable, Sequence
from random import Random

from benchmarks.measuring import percentile
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.tables import Tables
from modeltrail_server.queries.snapshot import Snapshot
from sqlalchemy import Connection, Engine, select

SEED = 7
UUID_TIME_BYTES = 6
FEATURES_NAMESPACE = "features"


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


def draw_features(connection: Connection, tables: Tables, count: int, random: Random) -> list[str]:
    """Return versions of shared datasets, on which very many or very few things stand."""
    entity, names = tables.entity.c, []
    while len(names) < count:
        query = select(entity.name, entity.version).where(entity.entity_key >= random.randbytes(16))
        query = query.where(entity.kind == "dataset", entity.namespace == FEATURES_NAMESPACE, entity.version != "")
        query = query.order_by(entity.entity_key).limit(1)
        names += [f"dataset:{FEATURES_NAMESPACE}/{row.name}@{row.version}" for row in connection.execute(query)]
    return names


def timed_over(engine: Engine, names: Sequence[str], work: Callable[[Snapshot, str], int]) -> dict[str, float]:
    """Return percentiles of the milliseconds that ``work`` took for each of ``names``, and of the size it returned.

    The first tenth, asked twice, warms up.
    """
    took_ms, sizes = [], []
    for name in (*names[: len(names) // 10], *names):
        started = time.perf_counter()
        with reading(engine) as (connection, tables):
            sizes.append(work(Snapshot(connection, tables), name))
        took_ms.append((time.perf_counter() - started) * 1e3)
    took_ms, sizes = took_ms[len(names) // 10 :], sizes[len(names) // 10 :]
    return {
        "p50": percentile(took_ms, 50),
        "p95": percentile(took_ms, 95),
        "p99": percentile(took_ms, 99),
        "size": percentile(sizes, 50),
        "ms_each": sum(took_ms) / max(1, sum(sizes)),
    }
