"""Coarser views of a graph, the way between two things, and what stands on a bad one."""

import pytest
from modeltrail_schemas.event import Description, Environment
from modeltrail_server.queries.errors import NotFoundError, PackageNameError
from modeltrail_server.queries.graph import Direction
from modeltrail_server.queries.impact import impact, package_impact
from modeltrail_server.queries.lineage import lineage
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.packages import Package, parse_package
from modeltrail_server.queries.paths import Connection, find_path
from modeltrail_server.queries.views import View, view
from told_history import dataset, model


def trace(history, text, direction=Direction.UP):
    with history.asked() as snapshot:
        return lineage(snapshot, resolve(snapshot, text), direction)


def connect(history, one, other):
    with history.asked() as snapshot:
        return find_path(snapshot, resolve(snapshot, one), resolve(snapshot, other))


def weigh(history, text):
    with history.asked() as snapshot:
        return impact(snapshot, resolve(snapshot, text))


def pairs(graph):
    return {(edge.source.split("@sha256")[0], edge.target.split("@sha256")[0]) for edge in graph.edges}


def test_the_versions_view_joins_what_runs_connected_and_says_which_runs(fraud):
    seen = view(trace(fraud, "fraud@1.2"), View.VERSIONS)

    assert pairs(seen) == {
        ("dataset:risk/raw@9f1", "dataset:risk/dataset_v3"),
        ("dataset:risk/dataset_v3", "model:risk/fraud@1.2"),
        ("dataset:risk/tx-old", "model:risk/fraud@1.2"),
    }
    assert {edge.via for edge in seen.edges} == {("run:run-clean",), ("run:run-train",)}


def test_a_model_that_was_read_is_the_base_of_what_was_made_told_or_inferred(history):
    history.run(
        "tune", "COMPLETE", inputs=(model("bert@3", role="base"), model("aux@1")), outputs=(model("fraud@1"),)
    )

    bases = {edge.source: edge for edge in view(trace(history, "fraud@1"), View.VERSIONS).edges}

    assert bases["model:bert@3"].relation == bases["model:aux@1"].relation == "base"
    assert not bases["model:bert@3"].inferred
    assert bases["model:aux@1"].inferred


def test_an_evaluation_stays_in_the_versions_view_as_it_makes_nothing(fraud):
    fraud.run("evaluate", "COMPLETE", inputs=(model("risk/fraud@1.2"),))

    seen = view(trace(fraud, "raw@9f1", Direction.DOWN), View.VERSIONS)

    assert ("model:risk/fraud@1.2", "run:evaluate") in pairs(seen)
    assert "run:run-train" not in seen.nodes


def test_the_names_view_has_each_name_and_job_once_and_may_have_cycles(history):
    for number in (1, 2, 3):
        inputs = (dataset(f"state@{number - 1}"),)
        history.run(
            f"run-{number}", "COMPLETE", job="team/step", inputs=inputs, outputs=(dataset(f"state@{number}"),)
        )

    seen = view(trace(history, "state@3"), View.NAMES)

    assert pairs(seen) == {("dataset:state", "job:team/step"), ("job:team/step", "dataset:state")}
    assert seen.nodes["dataset:state"].flags == ("4 versions",)
    assert seen.start == "dataset:state"


def test_only_the_kinds_asked_for_are_left_and_still_connected(fraud):
    seen = view(trace(fraud, "fraud@1.2"), View.RUNS, ["commit"])

    assert {node.kind for node in seen.nodes.values()} == {"model", "commit"}
    assert len(seen.edges) == 2


def test_the_way_between_two_things_is_the_shortest_in_the_order_in_which_data_went(fraud):
    fraud.run("shortcut", "COMPLETE", inputs=(dataset("risk/raw@9f1"),), outputs=(model("risk/fraud@1.2"),))

    found = connect(fraud, "fraud@1.2", "dataset:risk/raw")

    assert found.connection == Connection.FLOWS
    assert [(edge.source, edge.target) for edge in found.edges] == [
        ("dataset:risk/raw@9f1", "run:shortcut"),
        ("run:shortcut", "model:risk/fraud@1.2"),
    ]


def test_a_job_is_connected_through_its_runs(fraud):
    found = connect(fraud, "job:risk/fraud-train", "dataset:risk/raw@9f1")

    assert found.connection == Connection.FLOWS
    assert found.source == "dataset:risk/raw@9f1"
    assert found.edges[-1].target == "job:risk/fraud-train"


def test_what_has_a_common_source_is_connected_by_it(fraud):
    fraud.run("other", "COMPLETE", inputs=(dataset("risk/raw@9f1"),), outputs=(model("risk/churn@1"),))

    found = connect(fraud, "fraud@1.2", "churn@1")

    assert found.connection == Connection.SHARED
    assert found.origin == "dataset:risk/raw@9f1"
    assert [edge.source for edge in found.edges].count(found.origin) == 2


def test_what_is_not_connected_is_said_to_be_so(fraud):
    fraud.run("other", "COMPLETE", outputs=(model("risk/churn@1"),))

    assert connect(fraud, "fraud@1.2", "churn@1").connection == Connection.NONE


def test_impact_is_every_model_that_stands_on_it_deployed_ones_first_with_owner_and_distance(fraud):
    owned = Description(model("risk/fraud"), "", ("ana",))
    fraud.declare("DESCRIBED", model("risk/fraud"), descriptions=(owned,))
    for number in range(3):
        fraud.run(
            f"run-{number}", "COMPLETE", inputs=(dataset("risk/raw@9f1"),), outputs=(model(f"risk/m{number}@1"),)
        )

    found = weigh(fraud, "dataset:risk/raw@9f1")

    assert [item.model.name for item in found.models] == ["fraud", "m0", "m1", "m2"]
    first = found.models[0]
    assert [step.value for step in first.deployed] == ["eu-west"]
    assert (first.owners, first.runs_away, first.inferred) == (("ana",), 2, "")
    assert found.advice[0].command == "modeltrail model retire risk/fraud@1.2 --target eu-west"
    assert found.runs == 5
    assert found.complete


def test_impact_of_a_name_is_of_all_its_versions(history):
    for number in (1, 2):
        history.run(f"run-{number}", "COMPLETE", inputs=(dataset(f"tx@{number}"),), outputs=(model(f"m@{number}"),))

    assert [item.model.version for item in weigh(history, "dataset:tx").models] == ["1", "2"]


def test_impact_by_an_alias_is_said_to_be_inferred(history):
    history.run("embed", "COMPLETE", outputs=(model("embedder@7"),))
    history.declare("ALIASED", model("embedder@7"), alias="production")
    history.run("train", "COMPLETE", inputs=(model("embedder@production"),), outputs=(model("fraud@1"),))

    (item,) = weigh(history, "embedder@7").models

    assert item.model == model("fraud@1")
    assert item.inferred


def test_what_was_retired_or_replaced_is_not_deployed_now(fraud):
    fraud.declare("RETIRED", model("risk/fraud@1.2"), target="eu-west")

    assert not weigh(fraud, "dataset:risk/raw@9f1").models[0].deployed


def test_impact_of_a_package_version_is_what_was_trained_in_environments_that_hold_it(fraud):
    other = Environment(digest="sha256:" + "f" * 64, packages={"NumPy": "1.26.4"})
    fraud.run("old", "COMPLETE", environment=other, environment_digest=other.digest, outputs=(model("risk/old@1"),))

    with fraud.asked() as snapshot:
        exact = package_impact(snapshot, Package("numpy", "1.26.4"))
        any_version = package_impact(snapshot, Package("numpy"))
        with pytest.raises(NotFoundError, match="none of 2 recorded environments holds numpy@9"):
            package_impact(snapshot, Package("numpy", "9"))

    assert [item.model.name for item in exact.models] == ["old"]
    assert {item.model.name for item in any_version.models} == {"old", "fraud"}
    assert (exact.environments, any_version.environments) == (1, 2)


def test_impact_of_a_range_of_versions_is_that_of_the_versions_within(fraud):
    held = {"old": "1.19.5", "older": "1.21.0rc1", "odd": "1.21-patched by us", "new": "1.22"}
    for name, version in held.items():
        environment = Environment(digest=f"sha256:{name}", packages={"NumPy": version})
        outputs = (model(f"risk/{name}@1"),)
        fraud.run(name, "COMPLETE", environment=environment, environment_digest=environment.digest, outputs=outputs)

    with fraud.asked() as snapshot:
        found = package_impact(snapshot, parse_package("package:numpy<1.22"))
        between = package_impact(snapshot, parse_package("package:numpy >= 1.20, < 2"))
        with pytest.raises(NotFoundError) as caught:
            package_impact(snapshot, parse_package("package:numpy<1.0"))

    assert {item.model.name for item in found.models} == {"old", "older"}
    assert (found.package_versions, found.not_compared) == (("1.19.5", "1.21.0rc1"), ("1.21-patched by us",))
    assert between.package_versions == ("1.21.0rc1", "1.22")
    assert "1.19.5" in caught.value.remedy


@pytest.mark.parametrize("text", ["package:", "package:numpy<", "package:numpy<<1", "package:num py", "package:<1"])
def test_what_is_no_package_is_told_how_to_write_one(text):
    with pytest.raises(PackageNameError) as caught:
        parse_package(text)
    assert "package:numpy" in caught.value.remedy


def test_a_package_is_named_with_at_or_equals():
    assert (
        parse_package("package:numpy==1.26.4") == parse_package("package:numpy@1.26.4") == Package("numpy", "1.26.4")
    )
    assert parse_package("numpy") is None
