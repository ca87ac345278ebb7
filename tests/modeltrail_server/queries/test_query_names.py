"""From what a person writes to the one thing it means."""

import pytest
from modeltrail_schemas.names import EntityRef
from modeltrail_server.projection.facts import key_text
from modeltrail_server.queries.errors import AmbiguousNameError, EmptyDatabaseError, NotFoundError
from modeltrail_server.queries.impact import impact
from modeltrail_server.queries.lineage import lineage
from modeltrail_server.queries.listing import list_models
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.rows import key_of
from told_history import dataset, model


def meaning(history, text, **kinds):
    with history.asked() as snapshot:
        return resolve(snapshot, text, **kinds).text


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("fraud", "model:risk/fraud"),
        ("risk/fraud", "model:risk/fraud"),
        ("model:risk/fraud@1.2", "model:risk/fraud@1.2"),
        ("fraud@1.2", "model:risk/fraud@1.2"),
        ("fraud@production", "model:risk/fraud@1.2"),
        ("run:run-train", "run:run-train"),
        ("run-train", "run:run-train"),
        ("raw@9f1", "dataset:risk/raw@9f1"),
        ("dataset_v3@dddd", "dataset:risk/dataset_v3@sha256:" + "d" * 64),
        ("job:risk/clean", "job:risk/clean"),
        ("fraud-train", "job:risk/fraud-train"),
        ("a1b2c3d", "commit:a1b2c3d" + "0" * 33),
        ("commit:a1b2", "commit:a1b2c3d" + "0" * 33),
    ],
)
def test_a_name_in_full_or_in_short_means_one_thing(fraud, text, means):
    assert meaning(fraud, text) == means


def test_the_beginning_of_a_run_id_means_the_run_and_a_shared_one_lists_the_candidates(history):
    first, second = "0197c3d2-0000-7000-8000-000000000001", "0197c3d2-0000-7000-8000-000000000002"
    history.run(first)
    history.run(second)
    history.run("0297c3d2-0000-7000-8000-000000000003")

    assert meaning(history, "0297c") == "run:0297c3d2-0000-7000-8000-000000000003"
    with pytest.raises(AmbiguousNameError) as caught:
        meaning(history, "0197c3d2")
    assert set(caught.value.candidates) == {f"run:{first}", f"run:{second}"}


def test_an_upper_case_run_id_means_the_same_run(history):
    history.run("0197c3d2-0000-7000-8000-00000000000a")

    assert meaning(history, "run:0197C3D2-0000-7000-8000-00000000000A") == "run:0197c3d2-0000-7000-8000-00000000000a"


def test_a_bare_name_in_two_namespaces_is_ambiguous_unless_one_is_the_default(history):
    history.run("run-1", outputs=(model("risk/fraud@1"), model("cards/fraud@1")))
    with pytest.raises(AmbiguousNameError) as caught:
        meaning(history, "fraud")
    assert set(caught.value.candidates) == {"model:risk/fraud", "model:cards/fraud"}

    history.run("run-2", outputs=(model("fraud@1"),))
    assert meaning(history, "fraud") == "model:fraud"


def test_a_name_of_two_kinds_is_ambiguous_and_the_kind_decides(history):
    history.run("run-1", inputs=(dataset("tx@1"),), outputs=(model("tx@1"),))

    with pytest.raises(AmbiguousNameError):
        meaning(history, "tx")
    assert meaning(history, "dataset:tx") == "dataset:tx"
    assert meaning(history, "tx", kinds=("model", "run")) == "model:tx"


def test_namespaces_with_slashes_and_names_with_odd_characters_are_found_as_displayed_and_as_written(history):
    history.run("run-1", inputs=(EntityRef("dataset", "s3://bucket", "a/b@c.parquet", "v1"),))

    assert meaning(history, "dataset:s3://bucket/a/b%40c.parquet@v1").startswith("dataset:s3://bucket/")
    shown = meaning(history, "dataset:s3://bucket/a/b%40c.parquet@v1")
    assert meaning(history, shown) == shown
    assert meaning(history, "a/b%40c.parquet@v1") == shown
    assert meaning(history, "dataset:s3:%2F%2Fbucket/a/b%40c.parquet@v1") == shown


def test_an_alias_wins_over_the_word_by_which_a_run_used_it_and_a_real_version_over_the_alias(fraud):
    fraud.run("run-score", inputs=(model("risk/fraud@production"),))
    assert meaning(fraud, "fraud@production") == "model:risk/fraud@1.2"

    fraud.run("run-odd", "COMPLETE", outputs=(model("risk/fraud@production"),))
    assert meaning(fraud, "fraud@production") == "model:risk/fraud@production"


def test_a_stage_means_the_version_last_put_into_it(fraud):
    fraud.declare("STAGED", model("risk/fraud@1.2"), stage="staging")

    assert meaning(fraud, "fraud@staging") == "model:risk/fraud@1.2"


@pytest.mark.parametrize(
    ("text", "near"),
    [("frad", "model:risk/fraud"), ("fraud@1.3", "risk/fraud@1.2"), ("risk/dataset_v4", "dataset:risk/dataset_v3")],
)
def test_a_typo_is_answered_with_near_names(fraud, text, near):
    with pytest.raises(NotFoundError) as caught:
        meaning(fraud, text)
    assert near in caught.value.near
    assert caught.value.exit_code == 1
    assert near in caught.value.remedy


def test_an_empty_database_says_what_to_do(history):
    with pytest.raises(EmptyDatabaseError) as caught:
        meaning(history, "fraud")
    assert "make demo" in caught.value.remedy
    assert "start_run" in caught.value.remedy


def test_a_name_of_another_kind_is_said_to_be_that(fraud):
    with pytest.raises(NotFoundError, match="is no model or run"):
        meaning(fraud, "dataset_v3", kinds=("model", "run"))
    with pytest.raises(NotFoundError, match="is a dataset"):
        meaning(fraud, "dataset:risk/dataset_v3", kinds=("model", "run"))


LONG = "é" * 700


@pytest.fixture
def long_named(history):
    made, read = model(f"team/{LONG}@1"), dataset(f"{LONG}/{LONG}@{LONG}")
    history.run("run-1", "COMPLETE", job=f"team/{LONG}", inputs=(read,), outputs=(made,))
    history.declare("ALIASED", made, alias="production")
    history.declare("DEPLOYED", made, target="eu")
    return history


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"model:team/{LONG}", f"model:team/{LONG}"),
        (f"model:{LONG}@1", f"model:team/{LONG}@1"),
        (f"team/{LONG}@production", f"model:team/{LONG}@1"),
        (f"model:team/{key_text(LONG)}@production", f"model:team/{LONG}@1"),
        (f"job:{LONG}", f"job:team/{LONG}"),
        (f"job:team/{LONG}", f"job:team/{LONG}"),
        (f"{LONG}/{LONG}", f"dataset:{LONG}/{LONG}"),
        (f"dataset:{LONG}@{LONG}", f"dataset:{LONG}/{LONG}@{LONG}"),
        (f"dataset:{LONG}@{LONG[:9]}", f"dataset:{LONG}/{LONG}@{LONG}"),
        (f"dataset:{key_text(LONG)}/{key_text(LONG)}@{key_text(LONG)}", f"dataset:{LONG}/{LONG}@{LONG}"),
    ],
)
def test_a_name_too_long_for_an_index_is_found_whole_and_by_what_lists_of_keys_show(long_named, text, found):
    with long_named.asked() as snapshot:
        subject = resolve(snapshot, text)

    assert subject.text == found
    assert subject.key == key_of(subject.ref)


def test_what_is_known_of_a_long_name_is_answered_as_of_any_other(long_named):
    with long_named.asked() as snapshot:
        read, made = (resolve(snapshot, f"{kind}:{LONG}") for kind in ("dataset", "model"))
        (affected,) = impact(snapshot, read).models
        (line,) = list_models(snapshot).items
        graph = lineage(snapshot, made)

    assert [step.value for step in affected.deployed] == ["eu"]
    assert [step.value for step in line.aliases] == ["production"]
    assert f"dataset:{LONG}/{LONG}@{LONG}" in [
        node.ref.format() for node in graph.nodes.values() if node.kind == "dataset"
    ]


def test_the_root_of_a_store_which_has_no_name_is_opened_as_it_is_listed(history):
    root = EntityRef("dataset", "s3://lake", "")
    history.run("read", inputs=(root, dataset("raw@1")))

    assert meaning(history, "dataset:s3://lake/") == "dataset:s3://lake/"
    assert meaning(history, "s3://lake/") == "dataset:s3://lake/"
    with pytest.raises(NotFoundError):
        meaning(history, "s3://other/")
