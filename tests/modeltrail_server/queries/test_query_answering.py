"""What ``show`` and ``check`` say, from events in a log to a typed answer."""

from modeltrail.log.protocol import Position
from modeltrail_schemas.event import Description, Environment
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.completeness import Level, check_view
from modeltrail_server.queries.records import ModelVersionView
from told_history import PYTHON_ENVIRONMENT, ask, dataset, detail, model


def test_version_1_2_trained_on_dataset_v3_with_these_hyperparameters_at_commit_a1b2c3d_accuracy_0_95_in_this_env(
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
    fine = {finding.piece for finding in report.findings if finding.level == Level.OK}
    assert fine >= {"code", "params", "metrics", "env", "seed", "command", "model"}


def test_a_correction_with_the_version_mends_it_and_the_record_is_complete(fraud):
    fraud.run("run-train", "CORRECTED", job="", inputs=(dataset("risk/tx-old@v7", digest="sha256:77"),))

    view = ask(fraud, "fraud@1.2")

    assert [use.entity.version for use in view.made_by[0].inputs][1] == "v7"
    assert check_view(view).complete


def test_an_input_that_was_retracted_later_fails_the_check_with_the_reason(fraud):
    fraud.declare("RETRACTED", dataset("risk/dataset_v3", digest="sha256:" + "d" * 64), by="ana", why="wrong labels")

    report = check_view(ask(fraud, "fraud@1.2"))

    assert [(f.level, f.why) for f in report.findings if f.level == Level.RETRACTED] == [
        ("RETRACTED", "wrong labels")
    ]


def test_the_lifecycle_of_a_version_tells_who_when_why_and_how_sure(fraud):
    life = ask(fraud, "fraud@1.2").lifecycle

    assert [step.value for step in life.aliases] == ["production"]
    assert [step.value for step in life.deployed] == ["eu-west"]
    assert (life.approved.by, life.approved.why, life.approved.assurance) == ("bo", "reviewed", "authenticated")


def test_a_later_version_takes_alias_and_target_from_the_earlier_one(fraud):
    newer = model("risk/fraud@1.3")
    fraud.declare("ALIASED", newer, alias="production")
    fraud.declare("DEPLOYED", newer, target="eu-west")

    old, new = ask(fraud, "fraud@1.2").lifecycle, ask(fraud, "fraud@production")

    assert old.aliases == old.deployed == ()
    assert old.approved is not None
    assert new.model.version == "1.3"
    assert new.asked_as == "production"
    assert [step.value for step in new.lifecycle.deployed] == ["eu-west"]


def test_a_model_without_version_means_the_last_to_appear_and_never_an_alias_it_was_used_by(fraud):
    fraud.run("run-score", inputs=(model("risk/fraud@production"),), job="risk/score")

    assert ask(fraud, "model:risk/fraud").model.version == "1.2"


def test_a_version_used_by_alias_is_told_with_the_version_it_then_meant(fraud):
    fraud.run("run-score", inputs=(model("risk/fraud@production", role="base"),), job="risk/score")
    fraud.declare("ALIASED", model("risk/fraud@1.3"), alias="production")

    (use,) = ask(fraud, "run:run-score").inputs

    assert use.meant == model("risk/fraud@1.2")


def test_an_environment_is_described_by_whatever_event_described_it_first(fraud):
    fraud.run("run-later", environment_digest=PYTHON_ENVIRONMENT.digest)

    assert ask(fraud, "run-later").environment.packages == PYTHON_ENVIRONMENT.packages


def test_an_environment_that_nobody_described_keeps_its_digest(history):
    history.run("run-1", environment_digest="sha256:00")

    assert ask(history, "run-1").environment == Environment(digest="sha256:00")


def test_a_dataset_described_by_the_run_that_made_it_is_known_to_the_run_that_used_it(fraud):
    used = dataset("risk/dataset_v3", digest="sha256:" + "d" * 64)
    fraud.run("run-other", inputs=(used,))

    (use,) = ask(fraud, "run-other").inputs

    assert (use.strength, use.rows) == ("content", 1_200_000)


def test_two_contents_under_one_version_contradict_each_other(history):
    for run_id, digest in (("run-1", "sha256:aa"), ("run-2", "sha256:bb")):
        used = dataset("tx@v1", digest=digest)
        history.run(run_id, inputs=(used,), datasets=(detail(used),))

    report = check_view(ask(history, "run-1"))

    assert [f.piece for f in report.findings if f.level == Level.CONTRADICTING] == ["data"]


def test_two_runs_that_made_one_version_are_both_shown_and_fail_the_check(fraud):
    fraud.run("run-twin", "COMPLETE", outputs=(model("risk/fraud@1.2", digest="sha256:other"),))

    view = ask(fraud, "fraud@1.2")

    assert [run.run_id for run in view.made_by] == ["run-train", "run-twin"]
    contradicting = {f.piece for f in check_view(view).findings if f.level == Level.CONTRADICTING}
    assert contradicting == {"run", "model"}


def test_description_and_owners_of_a_model_show_at_each_version_unless_it_has_its_own(fraud):
    name = model("risk/fraud")
    fraud.declare("DESCRIBED", name, descriptions=(Description(name, "Scores payments.", ("ana",)),))

    words = ask(fraud, "fraud@1.2").words

    assert (words.text, words.owners) == ("Scores payments.", ("ana",))


def test_a_dataset_tells_who_made_it_and_who_used_it(fraud):
    view = ask(fraud, "dataset:risk/dataset_v3")

    assert [run.run_id for run in view.made_by] == ["run-clean"]
    assert [run.run_id for run in view.last_used_by] == ["run-train"]
    assert view.used_by == 1


def test_a_job_tells_its_last_runs_and_a_commit_those_that_ran_from_it(fraud):
    assert [run.run_id for run in ask(fraud, "job:risk/fraud-train").last_runs] == ["run-train"]
    assert [run.run_id for run in ask(fraud, "commit:a1b2c3d").last_runs] == ["run-train"]


def test_a_run_is_folded_from_what_was_recorded_by_then(fraud):
    then = ask(fraud, "run-train", AsOf(position=Position((3,))))

    assert then.state == "START"
    assert then.metrics == ()
    assert then.ended_ns is None


def test_a_run_that_repeats_another_is_no_second_origin_of_the_version(fraud):
    again = model("risk/fraud@1.2", digest="sha256:" + "77" * 32)
    fraud.run("run-again", "COMPLETE", tags={"reproduces": "run-train"}, outputs=(again,))

    view = ask(fraud, "fraud@1.2")

    assert [run.run_id for run in view.made_by] == ["run-train"]
    assert [run.run_id for run in view.reproduced_by] == ["run-again"]
    assert view.detail.digests == ("sha256:" + "3f9c" * 16,)


def test_the_only_maker_of_a_version_is_its_origin_whatever_it_says(history):
    history.run("run-1", "COMPLETE", tags={"reproduces": "run-0"}, outputs=(model("m@1"),))

    assert [run.run_id for run in ask(history, "m@1").made_by] == ["run-1"]
