"""Asks a read model what changed, what is missing, what stands on a thing, in its own process: DATABASE QUESTIONS.

Compared are two versions of any models; the impact is that of shared data. A check is made twice: where nothing was
ever retracted, and where some of the shared data are, which then is taken back again.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

from benchmarks.asking import SEED, draw_features, draw_models, timed_over
from modeltrail.log.protocol import Record
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import Declaration, LineageEvent, Statement
from modeltrail_schemas.identity import hashed_id
from modeltrail_schemas.names import EntityRef
from modeltrail_server.projection.batches import decode_batch
from modeltrail_server.projection.engine import open_engine, writing
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.tables import Tables
from modeltrail_server.projection.writing import write_batch, writer_for
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.checking import check_subject
from modeltrail_server.queries.comparison import compare
from modeltrail_server.queries.history import history
from modeltrail_server.queries.impact import impact
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.records import ModelVersionView
from modeltrail_server.queries.snapshot import Snapshot
from sqlalchemy import Engine, delete

QUESTIONS_AN_IMPACT = 10
RETRACTED = 100
LONG_AFTER_NS = 2**61


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

    answers = {
        "compare": timed_over(engine, models, compared),
        "check": timed_over(engine, models, checked),
        "history": timed_over(engine, models, told),
        "impact": timed_over(engine, features, weighed),
    }
    with reading(engine) as (connection, tables):
        wrong = draw_features(connection, tables, RETRACTED, random)
    with retracted(engine, tables, [EntityRef.parse(name) for name in wrong]):
        answers[f"check, {RETRACTED} datasets retracted"] = timed_over(engine, models, checked)
    return answers


@contextmanager
def retracted(engine: Engine, tables: Tables, refs: Sequence[EntityRef]) -> Iterator[None]:
    """Let each of ``refs`` be retracted in the read model, and leave it as it was."""
    ids = [hashed_id(ref.format().encode()) for ref in refs]
    wrong = Statement(why="wrong")
    events = [
        LineageEvent(key, "dataset", Declaration.RETRACTED, LONG_AFTER_NS, subjects=(ref,), statement=wrong)
        for key, ref in zip(ids, refs, strict=True)
    ]
    records = [Record(0, offset, 0, None, encode(event)) for offset, event in enumerate(events)]
    with writing(engine) as connection:
        write_batch(connection, writer_for(engine), tables, decode_batch(records, first_offset=0))
    try:
        yield
    finally:
        with writing(engine) as connection:
            for table in (tables.link, tables.event):
                connection.execute(delete(table).where(table.c.event_id.in_(ids)))


if __name__ == "__main__":
    asked = open_engine(sys.argv[1])
    print(json.dumps(ask(asked, int(sys.argv[2]))))
    asked.dispose()
