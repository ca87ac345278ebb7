"""A search as of a time finds what the events that count then tell, however many runs there are since."""

from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Outgoing, Position
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import Kind, Metric, Retraction
from modeltrail_server.projection import projector
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.search import finding, spans, then
from modeltrail_server.search.finding import Ordering, find
from modeltrail_server.search.indexing import catch_up
from modeltrail_server.search.rows import SPAN, values_of
from modeltrail_server.search.tables import search_tables_of
from sqlalchemy import select
from test_search_finding import WAYS, searched, small_columns
from told_history import MARCH_2026_NS, SECOND_NS, History, dataset

RUNS, PARTITIONS = 6, 3
EXPRESSIONS = (
    "params.lr > 2",
    "params.lr <= 3 and metrics.auc > 0.2",
    "not params.lr = 1",
    "state = 'RUNNING'",
    "state != 'COMPLETE' or metrics.auc < 0.5",
    "tags.team = 'risk' and started >= '2026-03-03'",
    "job = 'team/train'",
    "run in ('run-1', 'run-2', 'run-3')",
)
ORDERINGS = (None, Ordering("auc"), Ordering("auc", descending=False), Ordering(descending=False))
TELLINGS = st.lists(
    st.tuples(
        st.integers(0, RUNS - 1),
        st.sampled_from(
            ("START", "RUNNING", "RUNNING", "COMPLETE", "FAIL", "CORRECTED", "RETRACTED", "again", "other")
        ),
        st.integers(0, PARTITIONS - 1),
        st.integers(-20, 20),
        st.integers(0, 4),
    ),
    min_size=4,
    max_size=40,
)


@dataclass
class Chosen:
    """A log to whose one partition all goes."""

    log: MemoryLog
    partition: int = 0

    def append(self, records):
        return self.log.append([replace(record, partition=self.partition) for record in records])


def tell(history, run, what, late_s, number):
    """Tell of a run: something new, a correction, a retraction; or again what was told, or else by its id."""
    run_id = f"run-{run}"
    own = [event for event in history.events if event.run_id == run_id and event.kind == Kind.RUN]
    time_ns = MARCH_2026_NS + (len(history.events) + late_s) * SECOND_NS
    if what == "RETRACTED" and own:
        retraction = Retraction(own[number % len(own)].event_id, "mistaken")
        history.tell(Kind.RETRACTION, what, run_id=run_id, retraction=retraction, event_time_ns=time_ns)
    elif what == "again" and own:
        history.log.append([Outgoing(encode(own[number % len(own)]))])
    elif what == "other" and own:
        other = replace(own[number % len(own)], parameters={"lr": f"{number}"}, tags={"team": "risk"})
        history.log.append([Outgoing(encode(other))])
    else:
        history.run(
            run_id,
            what if what.isupper() and what != "RETRACTED" else "RUNNING",
            job="team/train" if run % 2 else "team/test",
            parent_run_id="parent" if number == 4 else "",
            parameters={"lr": f"{number}"},
            metrics=(Metric("auc", number / 5, late_s % 3, 0, dataset(f"tx@v{number}")),),
            tags={"team": "risk" if number % 2 else "ads"},
            event_time_ns=time_ns,
        )


@contextmanager
def folding():
    """Let searches as of a time fold every run, as if nothing were indexed."""

    def pages(search, _):
        yield list(search.snapshot.connection.scalars(select(search.snapshot.tables.run.c.run_key)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(then, "indexed_position", lambda *_: None)
        patch.setattr(then._Then, "_pages", pages)
        yield


def answer(snapshot, as_of, expression, ordering, limit):
    """Return what a search finds as of then, however many runs it looked at."""
    return replace(find(replace(snapshot, as_of=as_of), expression, ordering=ordering, limit=limit), looked_at=0)


def bounds(end):
    """Give bounds of every kind within what was told up to ``end``."""
    positions = st.tuples(*(st.integers(0, offset + 1) for offset in end.offsets)).map(Position)
    some = st.integers(0, len(end.offsets)).flatmap(
        lambda known: positions.map(lambda position: Position(position.offsets[:known]))
    )
    times = st.integers(-25, sum(end.offsets) + 25).map(lambda second: MARCH_2026_NS + second * SECOND_NS)
    return st.one_of(
        st.builds(AsOf, position=positions),
        st.builds(AsOf, position=some),
        st.builds(AsOf, event_time_ns=times),
        st.builds(AsOf, position=positions, event_time_ns=times),
    )


@pytest.mark.parametrize("way", ["as it goes", "by the columns, runs being long"])
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(tellings=TELLINGS, keyed=st.booleans(), data=st.data())
def test_the_index_and_the_events_give_the_same_answer_as_of_any_time(tmp_path_factory, way, tellings, keyed, data):
    database = f"sqlite:///{tmp_path_factory.mktemp('then') / 'read-model.db'}"
    engine = open_engine(database)
    with MemoryLog(PARTITIONS) as log, pytest.MonkeyPatch.context() as patch, small_columns(3, waiting=2):
        if way != "as it goes":
            for name, rows in WAYS["narrowed"].items():
                patch.setattr(finding, name, rows)
            patch.setattr(spans, "SHORT_RECORDS_BITS", 0)
            patch.setattr(spans, "SHORT_NS_BITS", 31)
        history = History(Chosen(log), database)
        for number, (run, what, partition, late_s, value) in enumerate(tellings):
            history.log.partition = run % PARTITIONS if keyed else partition
            tell(history, run, what, late_s, value)
            if number % 15 == 0:
                projector.catch_up(log, engine)
                catch_up(log, engine)
        with searched(log, database) as snapshot:
            asked = st.tuples(
                bounds(log.end()), st.sampled_from(EXPRESSIONS), st.sampled_from(ORDERINGS), st.sampled_from((2, 50))
            )
            for question in data.draw(st.lists(asked, min_size=12, max_size=12)):
                found = answer(snapshot, *question)
                with folding():
                    assert found == answer(snapshot, *question)
    engine.dispose()


def tell_overlapping(history):
    """Tell of twenty runs of which each begins, and ends when four others have begun."""
    for number in range(20):
        history.run(f"run-{number:02}", job=f"team/train-{number % 2}", parameters={"lr": f"{number}"})
        if number >= 4:
            history.run(f"run-{number - 4:02}", "COMPLETE", job=f"team/train-{number % 2}", parameters={"lr": "100"})


def then_numbers(snapshot, offset, expression, **more):
    """Return the numbers of the runs found as of an offset, and whether these are all."""
    found = find(replace(snapshot, as_of=AsOf(position=Position((offset,)))), expression, **more)
    return [int(hit.run.run_id.removeprefix("run-")) for hit in found.hits], found.complete


def test_what_is_folded_is_bounded_by_what_straddles_the_time_and_not_by_what_there_is(history, monkeypatch):
    monkeypatch.setattr(spans, "SHORT_RECORDS_BITS", 1)
    monkeypatch.setattr(then, "MAX_RUNS_FOLDED", 10)
    tell_overlapping(history)
    folded = []
    monkeypatch.setattr(then, "values_of", lambda run_id, events: folded.append(run_id) or values_of(run_id, events))
    with searched(history.log, history.database) as snapshot:
        ended = then_numbers(snapshot, 30, "params.lr = 100")  # of seventeen that had begun
        running = then_numbers(snapshot, 30, "state = 'RUNNING'")

    assert ended == (list(range(12, -1, -1)), True)
    assert running == ([16, 15, 14, 13], True)
    assert set(folded) == {f"run-{number}" for number in range(13, 16)}  # of run-16 nothing was told since


def test_runs_that_began_after_a_time_are_not_folded_however_soon_they_ended(history, monkeypatch):
    monkeypatch.setattr(then, "MAX_RUNS_FOLDED", 3)
    for number in range(20):
        history.run(f"run-{number:02}", parameters={"lr": f"{number}"})
        history.run(f"run-{number:02}", "COMPLETE")
    with searched(history.log, history.database) as snapshot:
        as_of = AsOf(event_time_ns=MARCH_2026_NS + 21 * SECOND_NS)
        found = find(replace(snapshot, as_of=as_of), "params.lr >= 0")

    assert (len(found.hits), found.complete) == (11, True)


def test_where_too_many_straddle_the_time_those_found_are_right_and_a_job_makes_them_few(history, monkeypatch):
    monkeypatch.setattr(then, "MAX_RUNS_FOLDED", 3)
    monkeypatch.setattr(then, "RUNS_A_FETCH", 2)
    tell_overlapping(history)
    with searched(history.log, history.database) as snapshot:
        found, complete = then_numbers(snapshot, 30, "params.lr >= 0")
        of_run = then_numbers(snapshot, 30, "run in ('run-14', 'run-13') and state = 'RUNNING'")

    assert not complete
    assert found == [16, 15, 14, 13, *range(12, -1, -1)]
    assert of_run == ([14, 13], True)


def test_what_is_read_to_see_who_straddles_a_time_is_bounded(history, monkeypatch):
    monkeypatch.setattr(then, "MAX_ROWS_READ", 3)
    tell_overlapping(history)
    with searched(history.log, history.database) as snapshot:
        assert then_numbers(snapshot, 30, "state = 'RUNNING'") == ([16, 15, 14, 13], True)


def test_runs_that_began_earlier_by_what_was_told_since_are_folded_once_where_nothing_is_indexed(history):
    for number in range(3):
        history.run(f"run-{number:02}", parameters={"lr": "1"})
    history.run("run-00", "RUNNING", event_time_ns=MARCH_2026_NS - SECOND_NS)
    with history.asked() as snapshot:
        assert then_numbers(snapshot, 3, "params.lr = 1", ordering=Ordering(descending=False)) == ([0, 1, 2], True)


def test_an_answer_that_lacks_what_counts_and_is_not_indexed_says_so(history):
    tell_overlapping(history)
    with searched(history.log, history.database):
        pass
    history.run("run-20", parameters={"lr": "20"})
    with history.asked() as snapshot:
        assert then_numbers(snapshot, 36, "params.lr >= 18") == ([19, 18, *range(15, -1, -1)], True)
        assert then_numbers(snapshot, 37, "params.lr >= 18") == ([19, 18, *range(15, -1, -1)], False)
        assert find(replace(snapshot, as_of=AsOf(event_time_ns=MARCH_2026_NS)), "params.lr >= 18").complete is False


def test_no_expression_finds_a_run_by_where_it_was_told_of(history):
    tell_overlapping(history)
    with searched(history.log, history.database) as snapshot:
        index = search_tables_of(snapshot.tables.generation)
        assert SPAN not in set(snapshot.connection.scalars(select(index.key.c.kind)))
        compared = set(snapshot.connection.scalars(select(index.column.c.key_id)))
        assert not compared & spans.NOT_COMPARED


@pytest.mark.service
def test_both_databases_find_the_same_as_of_any_time(history, new_database):
    own, other = history.database, new_database()
    with MemoryLog(PARTITIONS) as log, small_columns(3, waiting=2):
        history.log = Chosen(log)
        for number in range(60):
            history.log.partition = number % (2 if number % 5 else PARTITIONS)
            what = ("START", "RUNNING", "CORRECTED", "COMPLETE", "RETRACTED", "again", "other")[number * 5 % 7]
            tell(history, number * 3 % RUNS, what, number * 7 % 9, number % 5)
        with searched(log, own) as one, searched(log, other) as another:
            for number in range(24):
                as_of = AsOf(position=Position((number, number // 2, number // 3)))
                as_of = as_of if number % 3 else AsOf(event_time_ns=MARCH_2026_NS + 2 * number * SECOND_NS)
                for expression in EXPRESSIONS:
                    question = as_of, expression, ORDERINGS[number % len(ORDERINGS)], 50
                    found = answer(one, *question)
                    assert found == answer(another, *question), question
                    with folding():
                        assert found == answer(one, *question), question
