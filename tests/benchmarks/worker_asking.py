"""Asks a read model who a thing is and where it comes from, in a process of its own: DATABASE QUESTIONS."""

import json
import sys
from collections.abc import Callable
from random import Random

from benchmarks.asking import SEED, draw_models, draw_runs, timed_over
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import reading
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.graph import Direction
from modeltrail_server.queries.lineage import Bounds, lineage
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.snapshot import Snapshot
from sqlalchemy import Engine, select

NODES = 100


def ask(engine: Engine, questions: int) -> dict[str, dict[str, float]]:
    random = Random(SEED)
    with reading(engine) as (connection, tables):
        models = draw_models(connection, tables, questions, random)
        runs = draw_runs(connection, tables, questions, random)
        payload = select(tables.event.c.payload).where(tables.event.c.run_key == b"0" * 16)

    def look_up(snapshot: Snapshot, _: str) -> int:
        return len(snapshot.connection.execute(payload).all())

    def show(snapshot: Snapshot, name: str) -> int:
        answer(snapshot, resolve(snapshot, name))
        return 1

    def trace(direction: Direction) -> Callable[[Snapshot, str], int]:
        return lambda snapshot, name: len(
            lineage(snapshot, resolve(snapshot, name), direction, bounds=Bounds(max_nodes=NODES)).nodes
        )

    return {
        "one lookup": timed_over(engine, models, look_up),
        "show model": timed_over(engine, models, show),
        "show run": timed_over(engine, runs, show),
        "lineage up": timed_over(engine, models, trace(Direction.UP)),
        "lineage down": timed_over(engine, runs, trace(Direction.DOWN)),
    }


if __name__ == "__main__":
    asked = open_engine(sys.argv[1])
    print(json.dumps(ask(asked, int(sys.argv[2]))))
    asked.dispose()
