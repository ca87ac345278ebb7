"""Asks a read model what changed, what is missing, what stands on a thing, in its own process: DATABASE QUESTIONS.

Compared are two versions of any models; the impact is that of shared data.
"""

import json
import sys
from random import Random

from benchmarks.asking import SEED, draw_features, draw_models, timed_over
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import reading
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.checking import check_subject
from modeltrail_server.queries.comparison import compare
from modeltrail_server.queries.history import history
from modeltrail_server.queries.impact import impact
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.records import ModelVersionView
from modeltrail_server.queries.snapshot import Snapshot
from sqlalchemy import Engine

QUESTIONS_AN_IMPACT = 10


def ask(engine: Engine, questions: int) -> dict[str, dict[str, float]]:
    random = Random(SEED)
    with reading(engine) as (connection, tables):
        models = draw_models(connection, tables, questions, random)
        features = draw_features(connection, tables, max(2, questions // QUESTIONS_AN_IMPACT), random)
    beside = dict(zip(models, (*models[1:], models[0]), strict=True))

    def compared(snapshot: Snapshot, name: str) -> int:
        views = [answer(snapshot, resolve(snapshot, each)) for each in (name, beside[name])]
        return len(compare([view for view in views if isinstance(view, ModelVersionView)]).rows)

    def checked(snapshot: Snapshot, name: str) -> int:
        report = check_subject(snapshot, resolve(snapshot, name))
        return len(report.findings) if report else 0

    def told(snapshot: Snapshot, name: str) -> int:
        history(snapshot, resolve(snapshot, name))
        return 1

    def weighed(snapshot: Snapshot, name: str) -> int:
        found = impact(snapshot, resolve(snapshot, name))
        return len(found.models) + found.datasets + found.runs

    return {
        "compare": timed_over(engine, models, compared),
        "check": timed_over(engine, models, checked),
        "history": timed_over(engine, models, told),
        "impact": timed_over(engine, features, weighed),
    }


if __name__ == "__main__":
    asked = open_engine(sys.argv[1])
    print(json.dumps(ask(asked, int(sys.argv[2]))))
    asked.dispose()
