"""The questions from Python: typed values, lists that page themselves, tables, and notebooks' displays."""

import subprocess
import sys

import modeltrail_server
import pytest
from modeltrail.log.embedded import EmbeddedLog
from modeltrail_schemas.event import Metric
from modeltrail_server.cli.commands import HEADINGS
from modeltrail_server.library import results
from modeltrail_server.library.records import Records
from modeltrail_server.library.results import Listing, PandasMissingError, fenced
from modeltrail_server.queries.errors import EmptyDatabaseError, NotFoundError
from modeltrail_server.queries.listing import Page
from modeltrail_server.queries.policy import Policy
from modeltrail_server.queries.records import ModelVersionView
from told_history import History, tell_fraud


@pytest.fixture
def told(tmp_path):
    with EmbeddedLog(tmp_path / "log.db") as log:
        yield tell_fraud(History(log, ""))


@pytest.fixture
def records(told, tmp_path):
    with modeltrail_server.open(home=tmp_path) as opened:
        yield opened


def test_answers_are_the_plain_values_and_print_as_on_the_command_line(records):
    shown = records.show("fraud")

    assert isinstance(shown.value, ModelVersionView)
    assert shown.value.model.version == "1.2"
    assert "risk/fraud@1.2  production" in str(shown)
    assert records.check("fraud").value.complete is False
    assert records.check("fraud", Policy(require=("code",))).value.passed
    assert "run:run-clean" in records.lineage("fraud").value.nodes
    assert records.history("fraud").value.versions[0].version.version == "1.2"
    assert [hit.run.run_id for hit in records.search("metrics.accuracy > 0.9").value.hits] == ["run-train"]
    assert records.compare("run-train", "run-clean").value.differences


@pytest.mark.parametrize(
    ("method", "arguments", "shown"),
    [
        ("path", ("dataset:risk/raw@9f1", "fraud"), "made"),
        ("impact", ("dataset:risk/raw@9f1",), "risk/fraud@1.2"),
        ("holdings", ("fraud", "2026-03-03"), "production"),
        ("what_changed", ("2026-01-01",), "risk/fraud@1.2"),
        ("find", ("fraud",), "risk/fraud"),
        ("reproduce", ("fraud",), "git worktree add"),
        ("columns", ("dataset:risk/raw@9f1",), "no event tells of its columns"),
    ],
)
def test_each_question_of_the_command_line_has_its_twin(records, method, arguments, shown):
    answer = getattr(records, method)(*arguments)

    assert shown in str(answer)
    assert answer.to_json()
    assert shown in answer._repr_markdown_()
    assert len(answer.to_pandas()) == len(results.rows_of(answer.value))


def test_every_command_that_asks_has_a_method():
    methods = {name.replace("_", "-") for name in vars(Records) if not name.startswith("_")}

    assert set(HEADINGS["Ask"]) <= methods


def test_a_file_at_hand_is_recognised_and_an_unknown_one_is_not(records, tmp_path):
    (tmp_path / "some-file").write_text("nobody recorded this")

    assert records.whatis(tmp_path / "some-file").value.known == ()


def test_the_inventory_is_a_list_that_judges_by_a_policy(records):
    assert [line.passed for line in records.inventory()] == [False]
    assert [line.passed for line in records.inventory(Policy(require=("code",)))] == [True]
    assert "risk/fraud@1.2" in str(records.inventory())


def test_a_lineage_is_narrowed_as_on_the_command_line(records):
    kinds = {node.kind for node in records.lineage("fraud", view="versions").value.nodes.values()}

    assert kinds == {"dataset", "model"}
    assert len(records.lineage("fraud", until="2000-01-01").value.nodes) == 1


def test_then_is_what_was_known_or_true_then(told, records):
    then = records.then(at="2026-03-03")
    told.run("run-new", event_time_ns=told.events[-1].event_time_ns + 10**18)

    assert "run-new" in {run.run_id for run in records.runs()}
    assert "run-new" not in {run.run_id for run in then.runs()}
    assert list(records.then(as_of="0:1").runs()) != list(records.runs())


def test_what_is_recorded_meanwhile_is_in_the_next_answer(told, records):
    assert len(list(records.runs())) == 2
    told.run("run-new", metrics=(Metric("accuracy", 0.99, 1, 0),))

    assert next(run.run_id for run in records.runs()) == "run-new"
    assert records.search("metrics.accuracy > 0.98").value.hits[0].run.run_id == "run-new"


def test_a_list_fetches_a_page_when_it_is_reached_and_begins_anew_each_time():
    fetched = []

    def fetch(token):
        fetched.append(token)
        start = int(token or 0)
        return Page((start, start + 1), str(start + 2) if start < 8 else None)

    numbers = Listing(fetch, lambda page: [])
    first = iter(numbers)

    assert [next(first), next(first), fetched] == [0, 1, [None]]
    assert list(numbers) == list(range(10))


def test_tables_hold_a_row_for_each_thing(records):
    pytest.importorskip("pandas")

    assert set(records.check("fraud").to_pandas()["level"]) == {"MISSING", "OK"}
    assert list(records.show("fraud").to_pandas().query("name == 'lr'")["value"]) == ["0.1"]
    assert list(records.search("params.lr = 0.1").to_pandas()["params.lr"]) == ["0.1"]
    assert list(records.runs().to_pandas(limit=1)["run_id"]) == ["run-train"]
    assert "model:risk/fraud@1.2" in set(records.lineage("fraud").to_pandas()["target"])
    assert len(records.history("fraud").to_pandas()) == 4
    assert {"section", "name", "run:run-train"} <= set(records.compare("run-train", "run-clean").to_pandas())


def test_without_pandas_a_table_says_what_to_install(records, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(PandasMissingError) as caught:
        records.runs().to_pandas()
    assert "pip install pandas" in caught.value.remedy


def test_a_notebook_shows_html_or_markdown_and_no_name_is_markup(told, records):
    told.run("run-x", job="risk/<b>``` \n", parameters={"<script>": "1"})

    for shown in (records.show("run-x"), records.runs(), records.jobs(), records.lineage("fraud"), records.models()):
        assert "<script>" not in shown._repr_html_()
        assert "<b>" not in shown._repr_html_()
        assert shown._repr_markdown_().startswith("```")
    assert "<svg" in records.lineage("fraud")._repr_html_()
    assert fenced("a ``` b").splitlines()[0] == "````text"
    assert results.SHOWN_IN_NOTEBOOK > 1


def test_a_database_alone_is_read_as_it_is(told, records, tmp_path):
    list(records.runs())
    told.run("run-later")

    with modeltrail_server.open(database=f"sqlite:///{tmp_path / 'read-model.db'}") as opened:
        assert "run-later" not in {run.run_id for run in opened.runs()}


def test_unknown_names_and_empty_homes_are_errors_that_teach(records, tmp_path):
    with pytest.raises(NotFoundError, match="frad"):
        records.show("frad")
    with modeltrail_server.open(home=tmp_path / "empty") as opened, pytest.raises(EmptyDatabaseError):
        opened.show("x")


def test_importing_the_package_loads_no_database():
    program = "import sys, modeltrail_server; sys.exit('sqlalchemy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
