"""The life of a model version, words and corrections, as events about their subjects."""

import getpass

import modeltrail


def test_each_step_in_the_life_of_a_version_is_an_event_about_it(bench) -> None:
    with modeltrail.start_run(job="train", capture=False) as run:
        model = run.log_model("risk/fraud", data=b"weights", version="1.2")
    modeltrail.register_model_version(model)
    modeltrail.alias_model_version("risk/fraud@1.2", "production")
    modeltrail.stage_model_version("model:risk/fraud@1.2", "staging")
    modeltrail.approve_model_version(model, by="ana", why="passed review")
    modeltrail.deploy_model_version(model, target="eu-west/api")
    modeltrail.retire_model_version(model, target="eu-west/api", why="replaced")
    steps = [event for event in bench.events() if event.kind == "model"]
    assert [event.type for event in steps] == ["REGISTERED", "ALIASED", "STAGED", "APPROVED", "DEPLOYED", "RETIRED"]
    assert {event.subjects[0].target for event in steps} == {model.ref.target}
    said = [event.statement for event in steps]
    assert (said[1].alias, said[2].stage, said[4].target) == ("production", "staging", "eu-west/api")
    assert (said[3].by, said[3].why, said[3].assurance) == ("ana", "passed review", "claimed")
    assert said[0].by == getpass.getuser()
    assert all(event.run_id == "" for event in steps)


def test_a_retraction_and_a_description_are_about_what_they_name(bench) -> None:
    modeltrail.retract_dataset("risk/tx@delta:412", why="labels leaked")
    modeltrail.describe("dataset:risk/tx", "Card transactions", owners=["ana"])
    modeltrail.describe("job:risk/train", owners="ben")
    retracted, dataset, job = bench.events()
    assert (retracted.kind, retracted.type, retracted.statement.why) == ("dataset", "RETRACTED", "labels leaked")
    assert retracted.subjects[0].format() == "dataset:risk/tx@delta:412"
    assert (dataset.kind, dataset.descriptions[0].text, dataset.descriptions[0].owners) == (
        "dataset", "Card transactions", ("ana",),
    )  # fmt: skip
    assert (job.kind, job.job.format(), job.descriptions[0].owners) == ("job", "risk/train", ("ben",))


def test_a_run_is_annotated_and_corrected_after_its_end(bench) -> None:
    with modeltrail.start_run(job="train", capture=False) as run:
        pass
    modeltrail.annotate_run(run, "a disk error")
    modeltrail.correct_run(f"run:{run.id}", why="forgot", inputs=["tx@v3"], parameters={"depth": 6}, by="ana")
    noted, corrected = bench.events()[-2:]
    assert (noted.type, noted.run_id, noted.statement.text) == (
        "ANNOTATED",
        run.id,
        "a disk error",
    )
    assert (corrected.type, corrected.run_id, corrected.statement.by) == ("CORRECTED", run.id, "ana")
    assert corrected.inputs[0].format() == "dataset:default/tx@v3"
    assert corrected.parameters == {"depth": "6"}
