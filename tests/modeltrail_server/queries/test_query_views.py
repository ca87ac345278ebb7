"""Comparison, history, completeness and lists."""

from modeltrail_schemas.event import DatasetDetail, Metric
from modeltrail_server.projection import fetching
from modeltrail_server.queries.comparison import compare
from modeltrail_server.queries.completeness import Level, check_run, check_view
from modeltrail_server.queries.history import history as tell
from modeltrail_server.queries.listing import count_all, list_datasets, list_jobs, list_models, list_runs
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.records import Claim, Claimed, Code, Lost, MetricCurve, RunView
from told_history import MARCH_2026_NS, SECOND_NS, ask, dataset, model


def pages(history, fetch, **bounds):
    """Return what every page holds, one after another."""
    found, page = [], None
    with history.asked() as snapshot:
        while True:
            part = fetch(snapshot, page=page, **bounds)
            assert len(part.items) <= bounds["limit"]
            found.extend(part.items)
            page = part.next
            if page is None:
                return found


def second_version(history):
    """Tell of fraud 1.3: another learning rate, another data version, one package less sure."""
    test = dataset("risk/dataset_v3", digest="sha256:" + "d" * 64)
    history.run(
        "run-next",
        job="risk/fraud-train",
        inputs=(dataset("risk/dataset_v4@v4", role="train"),),
        commit="b" * 40,
        parameters={"lr": "0.05", "depth": "6"},
    )
    metrics = (Metric("accuracy", 0.97, 1, 0, test),)
    history.run("run-next", "COMPLETE", job="risk/fraud-train", metrics=metrics, outputs=(model("risk/fraud@1.3"),))


def test_two_versions_side_by_side_show_what_differs_with_numeric_deltas(fraud):
    second_version(fraud)

    comparison = compare([ask(fraud, "fraud@1.2"), ask(fraud, "fraud@1.3")])
    differing = {row.name: (row.values, row.delta) for row in comparison.differences}

    assert comparison.subjects == ("model:risk/fraud@1.2", "model:risk/fraud@1.3")
    assert differing["accuracy"] == (("0.95", "0.97"), 0.97 - 0.95)
    assert differing["lr"][0] == ("0.1", "0.05")
    assert differing["train"][0] == ("risk/dataset_v3@sha256:" + "d" * 64, "risk/dataset_v4@v4")
    assert differing["package numpy"][0] == ("2.1.0", None)
    assert "depth" not in differing
    assert "depth" in {row.name for row in comparison.rows}


def test_a_history_reads_nothing_of_what_others_tell_of_the_versions_that_were_used(fraud, monkeypatch):
    second_version(fraud)
    with fraud.asked() as snapshot:
        subject, asked = resolve(snapshot, "model:risk/fraud"), []
        fetch_sqlite = fetching._fetch_sqlite
        monkeypatch.setattr(fetching, "_fetch_sqlite", lambda *about: asked.extend(about[1]) or fetch_sqlite(*about))
        found = tell(snapshot, subject)

    assert [entry.version.version for entry in found.versions] == ["1.2", "1.3"]
    changed = {row.name: row.values for row in found.versions[1].changes}
    assert changed["lr"] == ("0.1", "0.05")
    assert "depth" not in changed
    assert {"job", "state", "seconds"}.isdisjoint(changed)
    assert asked
    assert not [text for text in asked if "g1_content" in text]


def test_a_run_compared_with_itself_differs_in_nothing(fraud):
    assert compare([ask(fraud, "run-train")] * 2).differences == ()


def test_curves_are_compared_by_their_last_value_and_by_where_they_lay():
    one = RunView("a", metrics=(MetricCurve("loss", 0.1, 9, steps=10, minimum=0.05, maximum=1.0),))
    two = RunView("b", metrics=(MetricCurve("loss", 0.1, 4, steps=5, minimum=0.1, maximum=1.0),))

    differing = {(row.section, row.name): row.values for row in compare([one, two]).differences}

    assert differing == {("curves", "loss least"): ("0.05", "0.1"), ("curves", "loss steps"): ("10", "5")}


def test_a_contradiction_is_compared_as_one():
    claims = (Claim("1", b"", 0), Claim("2", b"", 0, rank=1))
    one = RunView("a", parameters=(Claimed("lr", claims),))
    (row,) = compare([one, RunView("b", parameters=(Claimed("lr", claims[:1]),))]).differences

    assert row.values == ("1 ≠ 2", "1")


def test_the_history_of_a_model_is_its_versions_in_order_and_what_changed(fraud):
    second_version(fraud)
    with fraud.asked() as snapshot:
        found = tell(snapshot, resolve(snapshot, "fraud"))

    assert [entry.version.version for entry in found.versions] == ["1.2", "1.3"]
    assert found.versions[0].changes == ()
    assert {"accuracy", "lr", "train", "commit"} <= {row.name for row in found.versions[1].changes}
    assert "seconds" not in {row.name for row in found.versions[1].changes}
    assert [step.type for step in found.steps] == ["REGISTERED", "ALIASED", "APPROVED", "DEPLOYED"]


def test_the_history_of_a_dataset_has_its_retractions(fraud):
    fraud.declare("RETRACTED", dataset("risk/raw@9f1"), by="ana", why="wrong labels")
    with fraud.asked() as snapshot:
        found = tell(snapshot, resolve(snapshot, "raw"))

    assert [(entry.version.version, entry.retracted.why) for entry in found.versions] == [("9f1", "wrong labels")]


def test_the_history_of_a_run_is_its_events_and_where_they_lie(fraud):
    with fraud.asked() as snapshot:
        found = tell(snapshot, resolve(snapshot, "run-train"))

    assert [(entry.type, entry.offset) for entry in found.events] == [("START", 2), ("RUNNING", 3), ("COMPLETE", 4)]
    assert "2 parameters" in found.events[0].told


def test_a_history_shows_the_last_versions_and_says_that_there_are_earlier_ones(history):
    for number in range(5):
        history.run(f"run-{number}", "COMPLETE", outputs=(model(f"m@{number}"),))
    with history.asked() as snapshot:
        found = tell(snapshot, resolve(snapshot, "m"), max_versions=3)

    assert [entry.version.version for entry in found.versions] == ["2", "3", "4"]
    assert found.earlier


def test_each_gap_in_a_record_is_found_and_says_why_it_matters():
    report = check_run(RunView("run-1", state="COMPLETE", ended_ns=1))

    assert {(f.level, f.piece) for f in report.findings} == {
        (Level.MISSING, "data"),
        (Level.MISSING, "code"),
        (Level.MISSING, "params"),
        (Level.MISSING, "metrics"),
        (Level.WEAK, "env"),
        (Level.WEAK, "seed"),
        (Level.WEAK, "command"),
    }
    assert all(finding.why for finding in report.findings)


def test_dirty_code_metrics_without_data_and_lost_events_are_weak_and_do_not_fail():
    run = RunView(
        "run-1",
        codes=(Code(commit="a" * 40, dirty=True, diff_kept=True),),
        metrics=(MetricCurve("auc", 0.9, 0),),
        gaps=(Lost("disk full", 3, 0, b""),),
    )
    weak = {f.piece: f.what for f in check_run(run).findings if f.level == Level.WEAK}

    assert weak["code"] == "dirty, diff kept"
    assert weak["metrics"] == "auc: evaluation data not recorded"
    assert weak["events"] == "3 events were lost: disk full"


def test_a_version_claimed_by_word_is_weak(history):
    used = dataset("tx@v1")
    history.run("run-1", inputs=(used,), datasets=(DatasetDetail(used, strength="claimed"),))

    (finding,) = [f for f in check_view(ask(history, "run-1")).findings if f.piece == "data"]

    assert finding.level == Level.WEAK


def test_a_model_that_no_run_made_misses_its_run(history):
    history.declare("REGISTERED", model("bert@1"))

    assert [(f.level, f.piece) for f in check_view(ask(history, "bert")).findings] == [
        (Level.MISSING, "run"),
        (Level.WEAK, "model"),
    ]


def test_runs_come_newest_first_and_page_by_page_each_once(history):
    for number in range(7):
        history.run(f"run-{number}", event_time_ns=MARCH_2026_NS + number // 2 * SECOND_NS)

    found = pages(history, list_runs, limit=2)

    assert sorted(run.run_id for run in found) == [f"run-{number}" for number in range(7)]
    assert [run.started_ns for run in found] == sorted((run.started_ns for run in found), reverse=True)


def test_runs_are_narrowed_by_job_state_and_time(fraud):
    fraud.run("run-broken", job="risk/fraud-train")
    fraud.run("run-broken", "FAIL", job="risk/fraud-train")
    fraud.run("run-open", job="risk/fraud-train")
    with fraud.asked() as snapshot:
        job = resolve(snapshot, "job:risk/fraud-train").key

        def ids(**narrowed):
            return [run.run_id for run in list_runs(snapshot, **narrowed).items]

        assert ids(state="FAIL") == ["run-broken"]
        assert ids(state="RUNNING") == ["run-open"]
        assert ids(job_key=job) == ["run-open", "run-broken", "run-train"]
        assert ids(since_ns=fraud.events[-1].event_time_ns) == ["run-open"]


def test_models_show_the_latest_version_aliases_and_deployments(fraud):
    (line,) = pages(fraud, list_models, limit=1)

    assert line.latest.version == "1.2"
    assert [(step.value, step.subject.version) for step in line.aliases] == [("production", "1.2")]
    assert [(step.value, step.subject.version) for step in line.deployed] == [("eu-west", "1.2")]


def test_datasets_and_jobs_are_listed_by_name_page_by_page(fraud):
    assert [line.dataset.name for line in pages(fraud, list_datasets, limit=1)] == ["dataset_v3", "raw", "tx-old"]
    assert [line.latest for line in pages(fraud, list_datasets, limit=2)][2] is None
    jobs = pages(fraud, list_jobs, limit=1)
    assert [(line.job.name, line.last_run.run_id) for line in jobs] == [
        ("clean", "run-clean"),
        ("fraud-train", "run-train"),
    ]


def test_one_name_in_many_namespaces_is_listed_once_each(history):
    outputs = tuple(model(f"team{number}/m@1") for number in range(4))
    history.run("run-1", "COMPLETE", outputs=outputs)

    assert [line.model.namespace for line in pages(history, list_models, limit=3)] == [f"team{n}" for n in range(4)]


def test_counts_tell_how_much_there_is(fraud):
    with fraud.asked() as snapshot:
        counts = count_all(snapshot)

    assert (counts.runs, counts.bounded) == (2, ())
    assert counts.named == {"model": 2, "dataset": 5, "job": 2}


def test_two_commits_of_one_run_contradict_each_other():
    two = RunView("run-1", codes=(Code(commit="a" * 40), Code(commit="b" * 40)))

    assert (Level.CONTRADICTING, "code") in {(f.level, f.piece) for f in check_run(two).findings}
