"""Lineage: which nodes and edges are reached, in which direction, and what is said of them."""

import pytest
from modeltrail.log.protocol import Position
from modeltrail_schemas.names import JobName
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.errors import NotFoundError
from modeltrail_server.queries.graph import Direction, tree, walk
from modeltrail_server.queries.lineage import Bounds, lineage
from modeltrail_server.queries.names import resolve
from modeltrail_server.queries.views import View, view
from told_history import dataset, model


def trace(history, text, direction=Direction.UP, as_of=None, **bounds):
    with history.asked(as_of) as snapshot:
        return lineage(snapshot, resolve(snapshot, text), direction, bounds=Bounds(**bounds))


def names(graph):
    return {node.id.split("@sha256")[0] for node in graph.nodes.values()}


def chain(history, length):
    """Make d0 → run-1 → d1 → … → d<length>."""
    for number in range(1, length + 1):
        used, made = dataset(f"d{number - 1}@v"), dataset(f"d{number}@v")
        history.run(f"run-{number}", "COMPLETE", inputs=(used,), outputs=(made,))


def test_the_graph_of_a_model_version_links_data_code_and_model(fraud):
    graph = trace(fraud, "fraud@1.2")

    assert names(graph) == {
        "model:risk/fraud@1.2",
        "run:run-train",
        "dataset:risk/dataset_v3",
        "dataset:risk/tx-old",
        "commit:" + "a1b2c3d" + "0" * 33,
        "run:run-clean",
        "dataset:risk/raw@9f1",
        "commit:" + "0" * 40,
    }
    steps = {(edge.source.split("@sha256")[0], edge.target.split("@sha256")[0]) for edge in graph.edges}
    assert ("dataset:risk/raw@9f1", "run:run-clean") in steps
    assert ("run:run-clean", "dataset:risk/dataset_v3") in steps
    assert ("dataset:risk/dataset_v3", "run:run-train") in steps
    assert ("run:run-train", "model:risk/fraud@1.2") in steps
    assert graph.complete


def test_downward_from_raw_data_is_every_model_that_stands_on_it(fraud):
    graph = trace(fraud, "dataset:risk/raw@9f1", Direction.DOWN)

    assert "model:risk/fraud@1.2" in names(graph)
    assert "dataset:risk/tx-old" not in names(graph)


def test_both_directions_meet_in_the_start(fraud):
    graph = trace(fraud, "dataset:risk/dataset_v3", Direction.BOTH)

    assert {"dataset:risk/raw@9f1", "model:risk/fraud@1.2"} <= names(graph)
    assert [branch.node.kind for branch in walk(tree(graph, Direction.UP))] == ["dataset", "run", "dataset", "commit"]


def test_nodes_are_marked_retracted_deployed_and_not_versioned(fraud):
    fraud.declare("RETRACTED", dataset("risk/raw@9f1"), why="wrong labels")

    flags = {node.id: node.flags for node in trace(fraud, "fraud@1.2").nodes.values() if node.flags}

    assert flags == {
        "model:risk/fraud@1.2": ("deployed eu-west",),
        "dataset:risk/tx-old": ("version not recorded",),
        "dataset:risk/raw@9f1": ("RETRACTED",),
    }


def test_a_retracted_dataset_marks_all_its_versions(fraud):
    fraud.declare("RETRACTED", dataset("risk/raw"), why="no consent")

    assert trace(fraud, "dataset:risk/raw@9f1").nodes["dataset:risk/raw@9f1"].flags == ("RETRACTED",)


def test_depth_counts_runs_and_what_lies_beyond_is_said(history):
    chain(history, 5)

    near, whole = trace(history, "d5@v", steps=2), trace(history, "d5@v")

    assert names(near) == {"dataset:d5@v", "run:run-5", "dataset:d4@v", "run:run-4", "dataset:d3@v"}
    assert not near.complete
    assert len(whole.nodes) == 11
    assert whole.complete


def test_a_cycle_ends(history):
    history.run("run-1", "COMPLETE", inputs=(dataset("a@v"),), outputs=(dataset("b@v"),))
    history.run("run-2", "COMPLETE", inputs=(dataset("b@v"),), outputs=(dataset("a@v"),))

    graph = trace(history, "a@v")

    assert len(graph.nodes) == 4
    assert sum(branch.seen for branch in walk(tree(graph, Direction.UP))) == 1


def test_a_run_that_reads_what_it_makes_ends_too(history):
    history.run("run-1", "COMPLETE", inputs=(dataset("a@v"),), outputs=(dataset("a@v"),))

    assert names(trace(history, "a@v", Direction.BOTH)) == {"dataset:a@v", "run:run-1"}


def test_a_model_used_by_alias_leads_to_the_version_it_meant_when_it_was_used(history):
    seven, eight = model("embedder@7"), model("embedder@8")
    history.run("run-7", "COMPLETE", outputs=(seven,), inputs=(dataset("corpus@1"),))
    history.declare("ALIASED", seven, alias="production")
    history.run("run-fraud", "COMPLETE", inputs=(model("embedder@production"),), outputs=(model("fraud@1"),))
    history.run("run-8", "COMPLETE", outputs=(eight,), inputs=(dataset("corpus@2"),))
    history.declare("ALIASED", eight, alias="production")
    history.run("run-late", "COMPLETE", inputs=(model("embedder@production"),), outputs=(model("late@1"),))

    up, down = trace(history, "fraud@1"), trace(history, "embedder@7", Direction.DOWN)

    assert {"model:embedder@7", "dataset:corpus@1"} <= names(up)
    assert "dataset:corpus@2" not in names(up)
    (inferred,) = [edge for edge in up.edges if edge.inferred]
    assert (inferred.source, inferred.target) == ("model:embedder@7", "model:embedder@production")
    assert "model:fraud@1" in names(down)
    assert "model:late@1" not in names(down)


def test_a_version_nobody_used_by_its_alias_shows_no_alias(fraud):
    assert not [edge for edge in trace(fraud, "fraud@1.2", Direction.DOWN).edges if edge.inferred]


def test_unversioned_data_links_the_runs_that_made_and_used_it(history):
    history.run("run-1", "COMPLETE", outputs=(dataset("tx"),))
    history.run("run-2", "COMPLETE", inputs=(dataset("tx"),), outputs=(model("fraud@1"),))

    assert names(trace(history, "fraud@1")) == {"model:fraud@1", "run:run-2", "dataset:tx", "run:run-1"}


def test_a_job_without_runs_that_describes_what_it_reads_is_part_of_the_graph(history):
    job = JobName("team", "nightly")
    history.tell("job", "", job=job, inputs=(dataset("a@v"),), outputs=(dataset("b@v"),))

    assert names(trace(history, "b@v")) == {"dataset:b@v", "job:team/nightly", "dataset:a@v"}
    assert names(trace(history, "job:team/nightly", Direction.DOWN)) == {"job:team/nightly", "dataset:b@v"}


def test_a_job_leads_to_its_runs_and_on(fraud):
    graph = trace(fraud, "job:risk/clean", Direction.DOWN)

    assert {"job:risk/clean", "run:run-clean", "run:run-train", "model:risk/fraud@1.2"} <= names(graph)
    drawn = [branch.node.id for branch in walk(tree(graph, Direction.DOWN))]
    assert drawn[:2] == ["job:risk/clean", "run:run-clean"]
    assert drawn.count("job:risk/clean") == 1


def test_a_commit_leads_down_to_what_was_made_from_it(fraud):
    assert names(trace(fraud, "commit:a1b2c3d", Direction.DOWN)) == {
        "commit:a1b2c3d" + "0" * 33,
        "run:run-train",
        "model:risk/fraud@1.2",
    }


def test_as_of_an_earlier_position_only_what_was_recorded_by_then_counts_states_included(fraud):
    then = trace(fraud, "run:run-train", Direction.BOTH, AsOf(position=Position((3,))))

    assert then.nodes["run:run-train"].state == "START"
    assert "model:risk/fraud@1.2" not in names(then)
    assert "dataset:risk/raw@9f1" in names(then)


def test_as_of_a_time_before_everything_nothing_was_known(fraud):
    with pytest.raises(NotFoundError, match="nothing was known of 'fraud@1\\.2' then"):
        trace(fraud, "fraud@1.2", as_of=AsOf(recorded_ms=1))


def test_a_version_that_very_many_runs_used_is_cut_to_the_latest_and_marked(history):
    for number in range(105):
        history.run(f"run-{number:03}", "COMPLETE", inputs=(dataset("features@v"),))

    graph = trace(history, "features@v", Direction.DOWN)

    assert graph.nodes["dataset:features@v"].cut
    assert not graph.complete
    assert {"run:run-104", "run:run-005"} <= names(graph)
    assert "run:run-004" not in names(graph)


def test_no_more_nodes_than_asked_for_are_fetched(history):
    chain(history, 10)

    graph = trace(history, "d10@v", max_nodes=6)

    assert len(graph.nodes) <= 7
    assert not graph.complete


def test_a_statement_is_made_for_each_step_not_for_each_node(history):
    inputs = tuple(dataset(f"part{number}@v") for number in range(40))
    for ref in inputs:
        history.run(f"make-{ref.name}", "COMPLETE", outputs=(ref,), inputs=(dataset("raw@v"),))
    history.run("run-all", "COMPLETE", inputs=inputs, outputs=(dataset("whole@v"),))
    executed = []
    with history.asked() as snapshot:
        subject = resolve(snapshot, "whole@v")
        snapshot.connection.connection.driver_connection.set_trace_callback(executed.append)
        graph = lineage(snapshot, subject)

    assert len(graph.nodes) == 83
    assert 0 < len(executed) <= 8, executed


def pipeline(history):
    """Tell of a DAG's run that names no data, and of its two tasks, one of which began a run of its own."""
    history.run("dag", "COMPLETE", job="air/dag")
    history.run("load", "COMPLETE", job="air/dag.load", parent_run_id="dag", outputs=(dataset("raw@1"),))
    history.run("clean", "START", job="air/dag.clean", parent_run_id="dag")
    used, made = dataset("raw@1"), dataset("tidy@1")
    history.run("spark", "COMPLETE", job="air/spark", parent_run_id="clean", inputs=(used,), outputs=(made,))


@pytest.mark.parametrize("start", ["run:dag", "job:air/dag"])
def test_a_run_that_only_began_others_has_their_lineage(history, start):
    pipeline(history)

    up, down = (trace(history, start, way) for way in (Direction.UP, Direction.DOWN))

    assert {"run:load", "run:clean", "run:spark", "dataset:raw@1"} <= names(up)
    assert {"dataset:raw@1", "dataset:tidy@1"} <= names(down)
    for graph, way in ((up, Direction.UP), (down, Direction.DOWN)):
        drawn = [branch.node.id for branch in walk(tree(graph, way)) if not branch.seen]
        assert set(drawn) == set(graph.nodes)
        assert len(drawn) == len(set(drawn))


def test_what_one_part_read_is_not_made_of_what_another_part_made(history):
    history.run("dag", "COMPLETE", job="air/dag")
    history.run("one", "COMPLETE", job="air/one", parent_run_id="dag", outputs=(dataset("made@1"),))
    history.run("two", "COMPLETE", job="air/two", parent_run_id="dag", inputs=(dataset("read@1"),))

    for way in (Direction.UP, Direction.DOWN, Direction.BOTH):
        joined = view(trace(history, "job:air/dag", way), View.VERSIONS).edges
        assert not {("dataset:made@1", "dataset:read@1")} & {(edge.source, edge.target) for edge in joined}
        assert not {("dataset:read@1", "dataset:made@1")} & {(edge.source, edge.target) for edge in joined}


def test_parts_that_were_not_recorded_yet_are_not_there_then(history):
    pipeline(history)

    assert names(trace(history, "run:dag", as_of=AsOf(position=Position((1,))))) == {"run:dag"}


def test_a_lineage_goes_on_where_a_name_without_a_version_is_read_again_further_up(history):
    for step in range(40):
        read = "features" if step % 10 == 5 else f"features@v{step}"
        history.run(f"prepare-{step}", inputs=(dataset(read),))
        history.run(f"prepare-{step}", "COMPLETE", outputs=(dataset(f"features@v{step + 1}"),))
    with history.asked() as snapshot:
        up = lineage(snapshot, resolve(snapshot, "dataset:features@v40"))
        down = lineage(snapshot, resolve(snapshot, "dataset:features@v0"), Direction.DOWN)

    assert {f"run:prepare-{step}" for step in range(40)} <= set(up.nodes)
    assert {edge.source for edge in up.edges if edge.relation == "name"} == {
        f"dataset:features@v{step}" for step in (5, 15, 25, 35)
    }
    assert {f"run:prepare-{step}" for step in range(40)} <= set(down.nodes)


def test_a_lineage_follows_an_alias_to_each_version_it_meant_where_it_was_read(history):
    history.run("make-1", "COMPLETE", outputs=(model("embedder@1"),))
    history.declare("ALIASED", model("embedder@1"), alias="production")
    history.run("make-2", "COMPLETE", inputs=(model("embedder@production"),), outputs=(model("embedder@2"),))
    history.declare("ALIASED", model("embedder@2"), alias="production")
    history.run("train", "COMPLETE", inputs=(model("embedder@production"),), outputs=(model("fraud@1"),))
    with history.asked() as snapshot:
        graph = lineage(snapshot, resolve(snapshot, "model:fraud@1"))

    assert {"model:embedder@1", "model:embedder@2", "run:make-1", "run:make-2"} <= set(graph.nodes)
    assert graph.complete
