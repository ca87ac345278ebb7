"""Search finds what satisfies the expression, and no more, whatever the order of events, on both databases."""

import random
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Outgoing, Position
from modeltrail_schemas.codec import encode
from modeltrail_schemas.event import Description, Kind, Metric, Retraction
from modeltrail_schemas.names import EntityRef
from modeltrail_server.projection import projector
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.rebuilding import rebuild
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.search import coding, columns, finding, masks, narrowing
from modeltrail_server.search.finding import Ordering, find, parse_ordering
from modeltrail_server.search.hints import hints
from modeltrail_server.search.indexing import catch_up
from modeltrail_server.search.keeping import KeptColumns
from modeltrail_server.search.results import Sweep
from modeltrail_server.search.tables import search_tables_of
from modeltrail_server.search.words import find_word
from sqlalchemy import inspect, select
from told_history import MARCH_2026_NS, SECOND_NS, History, dataset, model

RUNS = 30


@contextmanager
def searched(log, database):
    """Give the read model and the index of all that ``log`` holds."""
    engine = open_engine(database)
    try:
        projector.catch_up(log, engine)
        catch_up(log, engine)
        with reading(engine) as (connection, tables):
            yield Snapshot(connection, tables)
    finally:
        engine.dispose()


def tell_sweep(history):
    """Tell of thirty runs of one sweep: lr and auc rise with their number, every third failed."""
    history.run("parent", job="risk/sweep")
    for number in range(RUNS):
        history.run(
            f"run-{number:02}",
            job="risk/train",
            parent_run_id="parent",
            parameters={"lr": f"{number / 10}", "optimizer": '"adam"' if number % 2 else '"sgd 50%"'},
            metrics=(
                Metric("auc", number / RUNS, 1, 0),
                Metric("loss", float("nan") if number == 3 else -number, 1, 0),
            ),
            tags={
                "team": "risk" if number < 10 else "Ads",
                "mlflow.user": "bo" if number % 2 else "cem",
                "mlflow.runName": f"trial {number}",
            },
            outputs=(model(f"risk/fraud@1.{number}"),) if number > 27 else (),
            descriptions=(Description(owners=("ana",)),) if number % 10 == 0 else (),
            commit=("a" if number < 5 else "b") * 40,
            inputs=(dataset("tx@v1" if number < 15 else "tx@v2"),),
        )
        history.run(f"run-{number:02}", "COMPLETE" if number % 3 else "FAIL", job="risk/train")
    return history


def numbers(found):
    """Return the numbers of the runs found."""
    return [int(hit.run.run_id.removeprefix("run-")) for hit in found.hits]


CASES = [
    ("metrics.auc > 0.9", lambda n: n / RUNS > 0.9),
    ("metrics.auc > 0.5 and params.lr = '2.0'", lambda n: n == 20),
    ("params.lr = 2", lambda n: n == 20),
    ("params.lr >= 2.5", lambda n: n >= 25),
    ("params.lr in ('0.1', 0.2)", lambda n: n in (1, 2)),
    ("params.optimizer = 'adam' and state = 'FAIL'", lambda n: n % 2 and n % 3 == 0),
    ("params.optimizer like 'sgd%'", lambda n: n % 2 == 0),
    ("params.optimizer like 'SGD%'", lambda n: False),
    ("params.optimizer ilike 'SGD _0_'", lambda n: n % 2 == 0),
    ("params.optimizer like '%dam'", lambda n: n % 2),
    ("tags.team = 'risk' or metrics.auc >= 0.9", lambda n: n < 10 or n >= 27),
    ("not tags.team = 'risk' and metrics.auc < 0.5", lambda n: 10 <= n < 15),
    ("tags.team != 'risk'", lambda n: n >= 10),
    ("metrics.loss < 0 or metrics.loss >= 0", lambda n: n != 3),
    ("job = 'risk/train' and not state in ('FAIL', 'ABORT')", lambda n: n % 3),
    ("job != 'risk/train' and metrics.auc > 0", lambda n: False),
    ("commit = 'aaaa'", lambda n: n < 5),
    ("commit = '" + "b" * 40 + "' and params.lr < 1", lambda n: 5 <= n < 10),
    ("dataset = 'tx@v2'", lambda n: n >= 15),
    ("dataset = 'tx'", lambda n: True),
    ("run = 'run-07'", lambda n: n == 7),
    ("tags.nothing = 'x'", lambda n: False),
    ("tags.team = '5'", lambda n: False),
    ("params.lr = '0.10'", lambda n: False),
    ("params.lr like '1%'", lambda n: 10 <= n < 20),
    ("params.lr in ('0.1', 'adam', 0.2)", lambda n: n in (1, 2)),
    ("params.optimizer > 'b'", lambda n: n % 2 == 0),
    ("metrics.auc > 0.5 and metrics.auc < 0.6", lambda n: 15 < n < 18),
    ("run in ('run-07', 'run-09') or params.lr = 2.5", lambda n: n in (7, 9, 25)),
    ("(run = 'run-07' or run = 'run-08') and state = 'FAILED'", lambda n: False),
    ("state = 'FINISHED' and parent = 'parent' and owner = 'ana'", lambda n: n % 3 and n % 10 == 0),
    ("attributes.status != 'KILLED' and user = 'bo' and run_name ilike 'TRIAL _'", lambda n: n < 10 and n % 2),
    ("duration >= 1 and duration < 2", lambda n: True),
    ("job like 'risk/%' and model = 'risk/fraud'", lambda n: n > 27),
    ("dataset in ('tx@v1', 'nothing') and dataset != 'tx@v2'", lambda n: n < 15),
    ("model = 'risk/fraud@1.29' or not started > 0", lambda n: n == 29),
    ("not (metrics.loss < 0 or params.lr < 1) and parent like 'par%'", lambda n: False),
    ("started >= '2026-03-03T00:00:00Z' and started < '2027-01-01' and tags.team ilike 'ADS'", lambda n: n >= 10),
]


# As ways go: the smallest range gathered, or one read from its beginning where that is all; what may satisfy all, as
# the columns tell, all read at once or first what it is ordered by; and the smallest range after all.
WAYS = {
    "gathered": {},
    "read on": {"FEW_ROWS": -1},
    "narrowed": {"FEW_ROWS": -1, "ROWS_A_RUN": 0, "FEWEST_CANDIDATES": 1},
    "narrowed, by the order first": {"FEW_ROWS": -1, "ROWS_A_RUN": 0, "FEWEST_CANDIDATES": 1, "MAX_WHOLE": 0},
    "gathered after a bound": {"FEW_ROWS": -1, "ROWS_A_RUN": 0, "MAX_CANDIDATES": -1},
}


@contextmanager
def small_columns(runs=8, *, waiting=1):
    """Let columns be of so many runs, and so many wait for their codes."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (columns, masks, coding, narrowing):
            patch.setattr(module, "RUNS_A_COLUMN", runs)
        patch.setattr(masks, "EVERY_RUN", int.from_bytes(b"\xff" * runs, "little"))
        patch.setattr(coding, "MIN_RUNS_CODED", waiting)
        yield


@contextmanager
def narrowed():
    """Let searches go by the columns."""
    with pytest.MonkeyPatch.context() as patch:
        for name, rows in WAYS["narrowed"].items():
            patch.setattr(finding, name, rows)
        yield


@pytest.fixture(params=["waiting", "in columns"])
def coded(request):
    """Let all runs wait for their codes, or get them at once, in columns of eight; return which."""
    with small_columns() if request.param == "in columns" else nullcontext():
        yield request.param


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """Let searches go this way; return its name."""
    for name, rows in WAYS[request.param].items():
        monkeypatch.setattr(finding, name, rows)
    return request.param


def test_what_satisfies_an_expression_is_found_whichever_way(history, way, coded):
    assert coded
    tell_sweep(history)

    with searched(history.log, history.database) as snapshot:
        for expression, satisfies in CASES:
            wanted = {number for number in range(RUNS) if satisfies(number)}
            found = find(snapshot, expression)
            if found.complete:
                assert set(numbers(found)) == wanted, expression
            else:
                assert way == "gathered after a bound"
                assert set(numbers(found)) <= wanted, expression


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_index_and_the_events_as_of_now_give_the_same_answer(swept, data):
    terms = st.sampled_from([expression for expression, _ in CASES])
    trees = st.recursive(
        terms.map(lambda text: f"({text})"),
        lambda inner: st.one_of(
            inner.map(lambda text: f"not {text}"),
            st.tuples(inner, st.sampled_from(("and", "or")), inner).map(lambda part: f"({' '.join(part)})"),
        ),
        max_leaves=4,
    )
    expression = data.draw(trees)

    now = find(swept, expression)
    then = find(replace(swept, as_of=AsOf(event_time_ns=2**62)), expression)

    assert [(hit.run.run_id, hit.values) for hit in now.hits] == [(hit.run.run_id, hit.values) for hit in then.hits]
    assert now.complete == then.complete


@pytest.fixture(scope="module", params=["as it goes", "by the columns"])
def swept(request, tmp_path_factory):
    """Give the sweep, told once; let searches go their way, or by columns of four runs, five waiting."""
    with MemoryLog() as log, ExitStack() as stack:
        if request.param == "by the columns":
            stack.enter_context(small_columns(4))
            stack.enter_context(narrowed())
        history = tell_sweep(History(log, f"sqlite:///{tmp_path_factory.mktemp('swept') / 'read-model.db'}"))
        with searched(log, history.database) as snapshot:
            yield snapshot


@pytest.mark.service
def test_both_databases_find_the_same_in_the_same_order(history, new_database):
    tell_sweep(history)

    with searched(history.log, history.database) as one, searched(history.log, new_database()) as other:
        for expression, _ in CASES:
            assert find(one, expression) == find(other, expression), expression


@pytest.mark.parametrize("way", ["gathered", "read on", "narrowed", "narrowed, by the order first"], indirect=True)
def test_the_best_comes_first_and_a_limit_leaves_the_rest(history, way, coded):
    assert way in WAYS
    assert coded
    tell_sweep(history)
    with searched(history.log, history.database) as snapshot:
        best = find(snapshot, "metrics.auc > 0.5", limit=3)
        least = find(snapshot, "metrics.auc < 0.5", limit=2)
        latest = find(snapshot, "tags.team = 'risk'", limit=2)
        ordered = find(snapshot, "tags.team = 'risk'", ordering=Ordering("loss", descending=True), limit=2)
        earliest = find(snapshot, "tags.team = 'risk'", ordering=parse_ordering("started asc"), limit=2)

    assert (numbers(best), best.complete) == ([29, 28, 27], False)
    assert numbers(least) == [0, 1]
    assert numbers(latest) == [9, 8]
    assert numbers(ordered) == [0, 1]
    assert numbers(earliest) == [0, 1]
    assert best.hits[0].values == {"metrics.auc": 29 / RUNS}


def test_runs_of_one_parent_are_one_sweep_with_its_best_first(history):
    tell_sweep(history)
    history.run("run-99", parameters={}, metrics=(Metric("auc", 0.95, 1, 0),))
    with searched(history.log, history.database) as snapshot:
        found = find(snapshot, "metrics.auc > 0.9")

    sweep, alone = found.folded
    assert isinstance(sweep, Sweep)
    assert (sweep.parent_run_id, sweep.hits[0].run.run_id, len(sweep.hits)) == ("parent", "run-29", 2)
    assert alone.run.run_id == "run-99"


def index_rows(log, database):
    """Return all that the index holds, but for where in the log it was told."""
    with searched(log, database) as snapshot:
        index = search_tables_of(snapshot.tables.generation)
        of_keys = select(index.value).where(index.value.c.key_id.in_(select(index.key.c.key_id)))
        return [
            sorted(tuple(row) for row in snapshot.connection.execute(statement))
            for statement in (of_keys, select(index.key))
        ]


def test_the_index_depends_on_the_set_of_events_and_not_on_their_order_or_batches(history, tmp_path):
    tell_sweep(history)
    wrong = history.run("run-00", "RUNNING", job="risk/train", parameters={"lr": "9.9"}, tags={"team": "wrong"})
    history.tell(Kind.RETRACTION, "RETRACTED", run_id="run-00", retraction=Retraction(wrong.event_id, "mistaken"))
    history.run("run-01", "CORRECTED", job="", parameters={"lr": "0.15"})
    history.run("run-02", "RUNNING", metrics=(Metric("auc", 0.99, 0, 0),))  # an earlier step, told late
    told = [encode(event) for event in history.events]
    expected = index_rows(history.log, history.database)

    for seed in range(3):
        shuffled = told + told[:20]
        random.Random(seed).shuffle(shuffled)
        database = f"sqlite:///{tmp_path / f'{seed}.db'}"
        with MemoryLog() as log:
            for begin in range(0, len(shuffled), 17):
                log.append([Outgoing(value) for value in shuffled[begin : begin + 17]])
                with searched(log, database):
                    pass
            assert index_rows(log, database) == expected
    assert (b"\0", "lr", "9.9") not in [(b"\0", row[1], row[2]) for row in expected[0]]


def test_what_changes_after_it_was_coded_is_found_as_it_is(history):
    searches = ("params.lr > 1.5", "not params.lr > 1.5", "metrics.auc > 0.5 and not params.lr = 2", "state = 'FAIL'")
    searches += ("metrics.auc > 0.9", "not tags.team = 'risk'", "params.lr < 1 and params.lr != 0.3")
    kept = KeptColumns()
    with small_columns(5, waiting=4), narrowed():
        tell_sweep(history)
        waiting = [told_by_index(history, searches, kept)]
        wrong = history.run("run-20", "RUNNING", job="", parameters={"lr": "0.01"}, tags={"team": "risk"})
        history.run("run-21", "CORRECTED", job="", parameters={"lr": "5"})
        history.run("run-40", parameters={"lr": '"auto"'}, metrics=(Metric("auc", 5.0, 1, 0),))
        waiting.append(told_by_index(history, searches, kept))
        retraction = Retraction(wrong.event_id, "mistaken")
        history.tell(Kind.RETRACTION, "RETRACTED", run_id="run-20", retraction=retraction)
        history.run("run-05", "RUNNING", job="", metrics=(Metric("auc", 0.99, 1, 0, dataset("tx@v9")),))
        waiting.append(told_by_index(history, searches, kept))
        for number in range(6):
            history.run(f"run-{number:02}", "CORRECTED", job="", tags={"team": "Ads"})
        waiting.append(told_by_index(history, searches, kept))
    assert waiting == [0, 3, 0, 0]


def told_by_index(history, searches, kept):
    """Assert that the index finds what the events tell; return how many runs wait for their codes."""
    with searched(history.log, history.database) as snapshot:
        for expression in searches:
            now, then = (
                find(snapshot, expression, kept=kept),
                find(replace(snapshot, as_of=AsOf(event_time_ns=2**62)), expression),
            )
            assert [(hit.run.run_id, hit.values) for hit in now.hits] == [
                (hit.run.run_id, hit.values) for hit in then.hits
            ], expression
        waiting = search_tables_of(snapshot.tables.generation).waiting
        return len(snapshot.connection.execute(select(waiting)).all())


def test_a_column_that_was_kept_is_not_read_again_until_it_changed(history, monkeypatch):
    read, kept = list[object](), KeptColumns()
    monkeypatch.setattr(narrowing, "read", lambda packed: read.append(packed) or masks.read(packed))

    def reads(expression, wanted):
        with searched(history.log, history.database) as snapshot:
            assert numbers(find(snapshot, expression, kept=kept)) == wanted
        count = len(read)
        read.clear()
        return count

    with small_columns(40), narrowed():
        tell_sweep(history)
        assert reads("metrics.auc > 0.9 and params.lr > 2.7", [29, 28]) == 2
        assert reads("metrics.auc > 0.9 and params.lr > 2.8", [29]) == 0
        history.run("run-28", "CORRECTED", job="", parameters={"lr": "9"})
        assert reads("metrics.auc > 0.9 and params.lr > 2.8", [29, 28]) == 1


def test_what_was_kept_is_no_answer_for_another_snapshot_or_generation(history):
    kept, other = KeptColumns(), "params.lr > 2.8"
    with small_columns(), narrowed():
        tell_sweep(history)
        with searched(history.log, history.database) as before:
            assert numbers(find(before, other, kept=kept)) == [29]
            history.run("run-00", "CORRECTED", job="", parameters={"lr": "9"})
            with searched(history.log, history.database) as now:
                assert numbers(find(now, other, kept=kept)) == [29, 0]
            assert numbers(find(before, other, kept=kept)) == [29]
            assert numbers(find(before, f"not {other}", kept=kept, limit=2)) == [28, 27]

        history.run("run-01", "CORRECTED", job="", parameters={"lr": "9"})
        engine = open_engine(history.database)
        rebuild(history.log, engine)
        engine.dispose()
        with searched(history.log, history.database) as snapshot:
            assert snapshot.tables.generation == 2
            assert numbers(find(snapshot, other, kept=kept)) == [29, 1, 0]


@pytest.mark.parametrize("descending", [True, False])
def test_a_run_with_several_values_of_a_metric_is_ordered_by_its_best_of_all(history, descending, way, coded):
    assert coded
    for number in range(8):
        sets = [Metric("auc", (number + 3 * place) % 8 / 8, 1, 0, dataset(f"tx@v{place}")) for place in range(3)]
        history.run(f"run-{number:02}", metrics=tuple(sets))
    with searched(history.log, history.database) as snapshot:
        for expression in ("metrics.auc > 0.3", "metrics.auc > 0.3 and metrics.auc < 0.6", "metrics.auc = 0.5"):
            ordering = Ordering("auc", descending=descending)
            now = find(snapshot, expression, ordering=ordering, limit=3)
            then = find(replace(snapshot, as_of=AsOf(event_time_ns=2**62)), expression, ordering=ordering, limit=3)
            if way != "gathered after a bound" or now.complete:
                assert [(hit.run.run_id, hit.values) for hit in now.hits] == [
                    (hit.run.run_id, hit.values) for hit in then.hits
                ]


def test_a_new_generation_gets_an_index_of_its_own(history):
    tell_sweep(history)
    with searched(history.log, history.database):
        pass
    engine = open_engine(history.database)
    rebuild(history.log, engine)
    engine.dispose()

    with searched(history.log, history.database) as snapshot:
        assert snapshot.tables.generation == 2
        assert numbers(find(snapshot, "params.lr = '2.0'")) == [20]


def test_an_index_of_an_older_shape_gives_way_to_one_that_is_made_anew(history):
    tell_sweep(history)
    engine = open_engine(history.database)
    projector.catch_up(history.log, engine)
    with engine.begin() as connection:
        for name in ("g1_search1_value", "g1_search2_value", "g1_search2_position", "g11_search1_value"):
            connection.exec_driver_sql(f"CREATE TABLE {name} (key_id INTEGER)")
    with searched(history.log, history.database) as snapshot:
        assert numbers(find(snapshot, "params.lr = '2.0'")) == [20]
        names = {name for name in inspect(snapshot.connection).get_table_names() if "_search" in name}
    engine.dispose()

    own = {table.name for table in search_tables_of(1).metadata.sorted_tables}
    assert names == own | {"g11_search1_value"}


def test_nothing_is_read_twice(history):
    tell_sweep(history)
    engine = open_engine(history.database)
    projector.catch_up(history.log, engine)

    assert catch_up(history.log, engine) == len(history.events)
    assert catch_up(history.log, engine) == 0
    engine.dispose()


def test_long_texts_and_hostile_ones_are_indexed_by_their_beginning(history):
    history.run("run-01", parameters={"x" * 400: '"' + "y" * 5_000 + '"', "nul\0": '"\\u0000\\ud800"'})
    with searched(history.log, history.database) as snapshot:
        assert numbers(find(snapshot, f"params.{'x' * 400} = '{'y' * 300}'")) == [1]
        assert numbers(find(snapshot, f"params.{'x' * 400} = '{'y' * 900}'")) == [1]


def test_names_are_told_apart_however_long_they_are(history):
    history.run("run-01", job="team/" + "x" * 1_000)
    history.run("run-02", job="team/" + "x" * 1_001)
    with searched(history.log, history.database) as snapshot:
        assert numbers(find(snapshot, f"job = 'team/{'x' * 1_000}'")) == [1]


def test_a_word_finds_names_owners_and_commits(fraud):
    fraud.run("run-x", "COMPLETE", outputs=(model("risk/other@1"),))
    with fraud.asked() as snapshot:
        assert {found.entity.name for found in find_word(snapshot, "FRAUD")} == {"fraud", "fraud-train"}
        assert [found.by for found in find_word(snapshot, "a1b2")] == ["commit"]
        assert find_word(snapshot, "nobody") == ()


@pytest.mark.parametrize("long", ["x" * 1_000 + "Middle" + "y" * 1_000, "prefix" + "é" * 700])
def test_a_word_finds_a_name_longer_than_an_index_takes_whole_or_by_any_part_of_it(history, long):
    history.run("run-1", "COMPLETE", job=f"team/{long}", outputs=(dataset(f"{long}/table@1"), model(f"{long}@1")))
    with history.asked() as snapshot:
        for word in (long, long[:200], long[600:700], long[-80:]):
            found = {item.entity for item in find_word(snapshot, word)}
            assert found == {EntityRef("job", "team", long), dataset(f"{long}/table"), model(long)}, word
        assert find_word(snapshot, long + "z") == ()
    with history.asked(AsOf(event_time_ns=1)) as snapshot:
        assert find_word(snapshot, long) == ()


def test_a_word_finds_a_long_name_among_very_many_that_stand_before_it(history, monkeypatch):
    monkeypatch.setattr("modeltrail_server.search.words.MAX_NAMES_READ", 3)
    long = "z" * 1_000
    before = (dataset(f"a{number}@1") for number in range(5))
    history.run("run-1", "COMPLETE", outputs=(*before, dataset(f"{long}@1")))
    with history.asked() as snapshot:
        assert [item.entity for item in find_word(snapshot, long)] == [dataset(long)]
        assert [item.entity for item in find_word(snapshot, long[:300])] == [dataset(long)]


def test_a_word_finds_names_behind_one_of_very_many_versions(history, monkeypatch):
    monkeypatch.setattr("modeltrail_server.search.words.MAX_NAMES_READ", 3)
    history.run("run-1", "COMPLETE", outputs=tuple(dataset(f"a@{number}") for number in range(9)))
    history.run("run-2", "COMPLETE", outputs=(dataset("other/a@1"), dataset("the-one@1")))
    with history.asked() as snapshot:
        assert [item.entity for item in find_word(snapshot, "one")] == [dataset("the-one")]


def test_search_as_of_a_time_rests_on_what_was_known_then(history):
    history.run("run-01", parameters={"lr": "0.1"}, tags={"team": "risk"})
    history.run("run-02", parameters={"lr": "0.2"})
    history.run("run-01", "RUNNING", metrics=(Metric("auc", 0.7, 0, 0),))
    history.run("run-01", "COMPLETE", metrics=(Metric("auc", 0.9, 1, 0),))
    history.run("run-01", "CORRECTED", job="", parameters={"lr": "0.3"})
    history.run("run-03", parameters={"lr": "0.1"})

    def then(expression, offset, **more):
        with history.asked(AsOf(position=Position((offset,)))) as snapshot:
            return numbers(find(snapshot, expression, **more))

    assert [then("params.lr = 0.1", offset) for offset in (1, 2, 4, 5, 6)] == [[1], [1], [1], [], [3]]
    assert [then("state = 'RUNNING'", offset) for offset in (1, 2, 3, 4)] == [[1], [2, 1], [2, 1], [2]]
    assert [then("metrics.auc > 0.5 and metrics.auc < 0.8", offset) for offset in (2, 3, 4)] == [[], [1], []]
    assert then("params.lr > 0 and job = 'team/train'", 6, limit=2) == [3, 2]
    assert then("run = 'run-01' and params.lr = 0.1", 4) == [1]
    with history.asked(AsOf(event_time_ns=MARCH_2026_NS + SECOND_NS)) as snapshot:
        assert numbers(find(snapshot, "params.lr > 0")) == [1]
        assert find_word(snapshot, "train")
    with history.asked(AsOf(event_time_ns=MARCH_2026_NS)) as snapshot:
        assert numbers(find(snapshot, "params.lr > 0")) == []
        assert find_word(snapshot, "train") == ()


def test_an_empty_answer_says_which_keys_are_near_and_which_values_there_are(history):
    tell_sweep(history)
    with searched(history.log, history.database) as snapshot:
        assert hints(snapshot, "metrics.acu > 1") == ("no run has metrics.acu; near it: metrics.auc",)
        assert hints(snapshot, "metrics.zzz > 1") == ("no run has metrics.zzz; runs have metrics.auc, metrics.loss",)
        assert hints(snapshot, "params.auc > 1") == ("no run has params.auc; near it: metrics.auc",)
        assert hints(snapshot, "params.lr > 5") == ("no run has such a params.lr: they are from 0 to 2.9",)
        (told,) = hints(snapshot, "tags.team = 'other'")
        assert told == "no run has such a tags.team: there are 'Ads', 'risk'"
        (together,) = hints(snapshot, "params.lr > 2 and tags.team = 'risk'")
        assert "together" in together
