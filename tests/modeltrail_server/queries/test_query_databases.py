"""The same questions have the same answers on SQLite and PostgreSQL."""

from dataclasses import replace

import pytest
from modeltrail.log.protocol import Position
from modeltrail_server.cli.rendering.as_json import to_json
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.changes import changes_since
from modeltrail_server.queries.columns import trace_columns
from modeltrail_server.queries.comparison import compare
from modeltrail_server.queries.errors import NotFoundError
from modeltrail_server.queries.graph import Direction
from modeltrail_server.queries.history import history as tell
from modeltrail_server.queries.holdings import holdings_on
from modeltrail_server.queries.impact import impact
from modeltrail_server.queries.lineage import lineage
from modeltrail_server.queries.listing import count_all, list_datasets, list_jobs, list_models, list_runs
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.packages import Package, find_environments
from modeltrail_server.queries.paths import find_path
from told_history import History, dataset, model


def questions(snapshot):
    """Yield every kind of answer, as JSON."""
    for text in (
        "fraud",
        "fraud@production",
        "run-train",
        "raw@9f1",
        "dataset_v3",
        "tx-old",
        "a1b2",
        "job:risk/clean",
        "model:risk/" + "é" * 700,
    ):
        subject = resolve(snapshot, text)
        yield answer(snapshot, subject)
        yield lineage(snapshot, subject, Direction.BOTH)
        if subject.kind in ("model", "dataset", "run"):
            yield tell(snapshot, subject)
        yield impact(snapshot, subject)
        yield find_path(snapshot, subject, resolve(snapshot, "fraud"))
        if subject.kind == "model":
            yield holdings_on(snapshot, subject.ref.unversioned, 0, 2**62)
        if subject.kind == "dataset":
            yield trace_columns(snapshot, subject, Direction.BOTH, steps=9)
    yield replace(changes_since(snapshot, 0), next_ms=None)
    yield find_environments(snapshot, Package("numpy"))
    yield compare([answer(snapshot, resolve(snapshot, text)) for text in ("fraud@1.2", "run-score")])
    for listed in (list_models, list_datasets, list_jobs, list_runs):
        page = listed(snapshot, limit=1)
        yield page
        yield listed(snapshot, limit=1, page=page.next)
    yield list_runs(snapshot, job_key=resolve(snapshot, "job:risk/clean").key, state="FAIL", since_ns=1)
    yield count_all(snapshot)
    for text in ("frad", "fraud@9", "run:0197"):
        with pytest.raises(NotFoundError) as caught:
            resolve(snapshot, text)
        yield caught.value.near


@pytest.mark.service
@pytest.mark.parametrize(
    "as_of", [None, AsOf(position=Position((11,))), AsOf(recorded_ms=2**50), AsOf(event_time_ns=2**62)]
)
def test_every_question_is_answered_alike(fraud, new_database, as_of):
    fraud.run(
        "run-long", outputs=(model(f"risk/{'é' * 700}@{'é' * 700}"),), event_time_ns=fraud.events[0].event_time_ns
    )
    fraud.run("run-score", inputs=(model("risk/fraud@production"),), parameters={"text\x00": '"\\u0000\ud800"'})
    fraud.run("run-name", "COMPLETE", inputs=(dataset("risk/raw"),), outputs=(model("risk/other@1"),))
    fraud.declare("RETRACTED", dataset("risk/raw@9f1"), why="wrong labels")
    other = History(fraud.log, new_database())

    with fraud.asked(as_of) as one, other.asked(as_of) as two:
        answers = [to_json(value) for value in questions(one)]
        assert [to_json(value) for value in questions(two)] == answers
    assert len(answers) > 30
