"""What ``show`` and ``check`` say, from events in a log to a typed answer."""

from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.completeness import Level, check_view
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.records import ModelVersionView


def ask(history, text, as_of=None):
    with history.asked(as_of) as snapshot:
        return answer(snapshot, resolve(snapshot, text))


def test_version_1_2_trained_on_dataset_v3_with_these_hyperparameters_at_commit_a1b2c3d_accuracy_0_95_in_this_environment(
    fraud,
):
    view = ask(fraud, "fraud@1.2")

    assert isinstance(view, ModelVersionView)
    assert view.model.version == "1.2"
    (run,) = view.made_by
    assert [use.entity.name for use in run.inputs] == ["dataset_v3", "tx-old"]
    assert {item.name: item.value for item in run.parameters} == {"lr": "0.1", "depth": "6"}
    assert run.code.commit.startswith("a1b2c3d")
    assert [(curve.name, curve.value) for curve in run.metrics] == [("accuracy", 0.95)]
    assert run.environment.packages["scikit-learn"] == "1.5.0"


def test_its_missing_data_version_is_found_by_check(fraud):
    report = check_view(ask(fraud, "fraud@1.2"))

    assert not report.complete
    (missing,) = [finding for finding in report.findings if finding.level == Level.MISSING]
    assert missing.piece == "data"
    assert "tx-old" in missing.what
    assert missing.remedy == 'run.use_dataset("risk/tx-old", version=…)'
    assert {finding.piece for finding in report.findings if finding.level == Level.OK} >= {
        "code", "params", "metrics", "env", "seed", "command", "model",
    }  # fmt: skip
