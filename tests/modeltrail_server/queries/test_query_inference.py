"""What nobody recorded: inferred where it can be, never against what was told, and always with its reason."""

from modeltrail_schemas.event import ModelDetail
from modeltrail_server.queries.graph import Direction
from modeltrail_server.queries.lineage import Bounds, lineage
from modeltrail_server.queries.names import resolve
from told_history import MARCH_2026_NS, SECOND_NS, dataset, model


def trace(history, text, direction=Direction.UP, **bounds):
    with history.asked() as snapshot:
        return lineage(snapshot, resolve(snapshot, text), direction, bounds=Bounds(**bounds))


def inferred(graph):
    return {(edge.source, edge.target): edge.inferred for edge in graph.edges if edge.inferred}


def test_data_read_without_version_is_probably_the_version_that_was_the_latest(history):
    history.run("make-1", "COMPLETE", outputs=(dataset("tx@1"),), inputs=(dataset("raw@1"),))
    history.run("train", "COMPLETE", inputs=(dataset("tx"),), outputs=(model("fraud@1"),))
    history.run("make-2", "COMPLETE", outputs=(dataset("tx@2"),))
    history.run("later", "COMPLETE", inputs=(dataset("tx"),), outputs=(model("late@1"),))

    up, down = trace(history, "fraud@1"), trace(history, "tx@1", Direction.DOWN)

    assert inferred(up) == {
        ("dataset:tx@1", "dataset:tx"): "tx@1 was the latest version when tx was read without one"
    }
    assert "dataset:raw@1" in up.nodes
    assert "dataset:tx@2" not in up.nodes
    assert "model:fraud@1" in down.nodes
    assert "model:late@1" not in down.nodes


def test_a_run_that_told_the_version_later_read_that_version_and_nothing_by_name(history):
    history.run("make", "COMPLETE", outputs=(dataset("tx@1"),))
    history.run("train", inputs=(dataset("tx", role="train"),))
    history.run("train", "COMPLETE", inputs=(dataset("tx@0", role="train"),), outputs=(model("fraud@1"),))

    graph = trace(history, "fraud@1")

    assert not inferred(graph)
    assert "dataset:tx@0" in graph.nodes
    assert "dataset:tx" not in graph.nodes
    assert "model:fraud@1" not in trace(history, "tx@1", Direction.DOWN).nodes


def test_a_correction_of_the_version_counts_whatever_the_role(history):
    history.run("train", inputs=(dataset("tx", role="train"),), outputs=(model("fraud@1"),))
    history.run("train", "CORRECTED", inputs=(dataset("tx@7"),))

    assert set(trace(history, "fraud@1").nodes) == {"model:fraud@1", "run:train", "dataset:tx@7"}


def test_what_was_written_by_name_after_it_was_read_is_no_source(history):
    history.run("train", "COMPLETE", inputs=(dataset("tx"),), outputs=(model("fraud@1"),))
    history.run("write", "COMPLETE", outputs=(dataset("tx"),))

    assert "run:write" not in trace(history, "fraud@1").nodes


def test_a_link_by_name_alone_is_told_apart_from_a_recorded_one(history):
    history.run("write", "COMPLETE", outputs=(dataset("tx"),))
    history.run("train", "COMPLETE", inputs=(dataset("tx"),), outputs=(model("fraud@1"),))

    assert set(inferred(trace(history, "fraud@1"))) == {("run:write", "dataset:tx")}
    assert set(inferred(trace(history, "run:write", Direction.DOWN))) == {("dataset:tx", "run:train")}


def test_an_alias_used_twice_leads_to_what_it_meant_each_time(history):
    for number in (7, 8):
        version = model(f"embedder@{number}")
        history.run(f"embed-{number}", "COMPLETE", outputs=(version,))
        history.declare("ALIASED", version, alias="production")
        history.run(
            f"part-{number}", "COMPLETE", inputs=(model("embedder@production"),), outputs=(dataset(f"p{number}@1"),)
        )
    history.run("join", "COMPLETE", inputs=(dataset("p7@1"), dataset("p8@1")), outputs=(model("fraud@1"),))

    assert {"model:embedder@7", "model:embedder@8"} <= set(trace(history, "fraud@1").nodes)


def test_an_alias_of_an_older_sdk_that_is_not_in_the_leading_fields_is_found_too(history):
    seven = model("embedder@7")
    history.run("embed", "COMPLETE", outputs=(seven,))
    told = history.declare("STAGED", seven, stage="production")
    history.tell("model", "ALIASED", subjects=(seven,), statement=type(told.statement)(alias="champion"))
    history.run("train", "COMPLETE", inputs=(model("embedder@champion"),), outputs=(model("fraud@1"),))

    assert "model:embedder@7" in trace(history, "fraud@1").nodes
    with history.asked() as snapshot:
        assert resolve(snapshot, "embedder@champion").ref == seven


def test_the_base_a_model_names_is_part_of_what_it_came_from_though_no_run_read_it(history):
    told = ModelDetail(model("fraud@1"), base=model("bert@3"))
    history.run("train", "COMPLETE", outputs=(model("fraud@1"),), models=(told,))

    assert ("model:bert@3", "model:fraud@1") in inferred(trace(history, "fraud@1"))


def test_only_runs_that_began_in_the_time_asked_for_are_gone_through(history):
    history.run("early", "COMPLETE", inputs=(dataset("tx@1"),), outputs=(model("a@1"),))
    history.run("late", "COMPLETE", inputs=(dataset("tx@1"),), outputs=(model("b@1"),))
    second = MARCH_2026_NS + 2 * SECOND_NS

    assert "model:a@1" not in trace(history, "tx@1", Direction.DOWN, since_ns=second).nodes
    assert "model:b@1" not in trace(history, "tx@1", Direction.DOWN, until_ns=second - 1).nodes
