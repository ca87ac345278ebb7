"""Searches in a process of its own: DATABASE QUESTIONS. Each answer is of its own snapshot, as in a service.

What is asked is drawn by seed: bounds evenly within what the question says, jobs and datasets as skewed as they are.
"""

import json
import sys
import time
from collections.abc import Callable
from random import Random

from benchmarks.histories import FEATURES
from benchmarks.measuring import percentile
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import reading
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.search.finding import find
from modeltrail_server.search.keeping import KeptColumns
from sqlalchemy import Engine

SEED = 11


def questions() -> dict[str, Callable[[Random], str]]:
    """Return each kind of question, as what writes one."""

    def metric(random: Random, least: float = 0.9) -> str:
        return f"metrics.metric_{random.randrange(5)} > {random.uniform(least, 0.999):.4f}"

    def parameter(random: Random, most: float = 0.1) -> str:
        return f"params.parameter_{random.randrange(20)} < {random.uniform(0.001, most):.4f}"

    def job(random: Random) -> str:
        number = int(random.paretovariate(1)) - 1
        return f"job = 'team{number % 12}/train-model{number}'"

    return {
        "one metric": metric,
        "one value": lambda random: f"params.parameter_{random.randrange(20)} = '{random.uniform(0.1, 1):.4f}'",
        "two comparisons": lambda random: f"{metric(random)} and {parameter(random, 0.3)}",
        "three comparisons": lambda random: f"{metric(random)} and {parameter(random, 0.3)} and state = 'COMPLETE'",
        "three, each of few": lambda random: (
            f"{metric(random, 0.98)} and {parameter(random, 0.02)} and {parameter(random, 0.02)}"
        ),
        "two ranges, latest first": lambda random: f"{parameter(random)} and {parameter(random)}",
        "two very broad ranges, latest first": lambda random: (
            f"{parameter(random, 0.8)} and {parameter(random, 0.8)}"
        ),
        "three broad ranges": lambda random: (
            f"{metric(random, 0.8)} and {parameter(random, 0.2)} and {parameter(random, 0.2)}"
        ),
        "four broad ranges, latest first": lambda random: " and ".join(parameter(random, 0.2) for _ in range(4)),
        "a range, a beginning, and what is not": lambda random: (
            f"{metric(random)} and job like 'team{random.randrange(12)}/%' and not {parameter(random, 0.9)}"
        ),
        "a state": lambda random: f"state = '{random.choice(('FAIL', 'ABORT', 'RUNNING', 'COMPLETE'))}'",
        "a job and a metric": lambda random: f"{job(random)} and {metric(random, 0.5)}",
        "a dataset's version": lambda random: (
            f"dataset = 'features/feature{random.randrange(FEATURES)}@v1' and state != 'COMPLETE'"
        ),
        "nothing": lambda random: f"params.parameter_{random.randrange(20)} = 'adam' and {metric(random)}",
    }


def ask(engine: Engine, count: int) -> dict[str, dict[str, float]]:
    """Return how long each kind of question took."""
    random, answers, kept = Random(SEED), {}, KeptColumns()
    for question, write in questions().items():
        took_ms, sizes, incomplete = [], [], 0
        for number in range(-(count // 10), count):  # the first tenth warms up
            expression = write(random)
            started = time.perf_counter()
            with reading(engine) as (connection, tables):
                found = find(Snapshot(connection, tables), expression, kept=kept)
            if number >= 0:
                took_ms.append((time.perf_counter() - started) * 1e3)
                sizes.append(len(found.hits))
                incomplete += not found.complete and len(found.hits) < 50
        answers[question] = {
            "p50": percentile(took_ms, 50),
            "p95": percentile(took_ms, 95),
            "p99": percentile(took_ms, 99),
            "size": percentile(sizes, 50),
            "bounded": incomplete,
        }
    return answers


if __name__ == "__main__":
    asked = open_engine(sys.argv[1])
    print(json.dumps(ask(asked, int(sys.argv[2]))))
    asked.dispose()
