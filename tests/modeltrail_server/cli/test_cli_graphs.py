"""Graphs in every format, and the commands around them: what is printed, and the code they end with."""

import json
import re

import pytest
from modeltrail.log.embedded import EmbeddedLog
from modeltrail_schemas.names import EntityRef
from modeltrail_server.cli import main
from modeltrail_server.cli.rendering.graph_formats import dot, mermaid
from modeltrail_server.queries.graph import Direction, Edge, Graph, entity_node
from told_history import History, dataset, model, tell_fraud


@pytest.fixture
def told(tmp_path, monkeypatch):
    monkeypatch.setenv("MODELTRAIL_HOME", str(tmp_path))
    monkeypatch.delenv("MODELTRAIL_LOG", raising=False)
    monkeypatch.delenv("MODELTRAIL_DATABASE", raising=False)
    with EmbeddedLog(tmp_path / "log.db") as log:
        yield tell_fraud(History(log, ""))


@pytest.fixture
def modeltrail(capsys):
    def run(*arguments):
        code = main(arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_reasons_of_what_is_inferred_stand_under_the_tree(told, modeltrail):
    told.run("score", "COMPLETE", inputs=(model("risk/fraud@production"),), outputs=(dataset("risk/scores@1"),))

    _, out, _ = modeltrail("lineage", "risk/scores@1", "--depth", "1")

    assert "risk/fraud@1.2 (deployed eu-west) inferred[1]" in out
    assert "[1] 'production' meant risk/fraud@1.2 when it was used" in out


def test_a_run_that_only_reads_a_model_is_called_an_evaluation_or_prediction(told, modeltrail):
    told.run("evaluate", "COMPLETE", inputs=(model("risk/fraud@1.2"),))

    _, out, _ = modeltrail("lineage", "fraud@1.2", "--down")

    assert "(an evaluation or prediction)" in out


@pytest.mark.parametrize("view", ["runs", "versions", "names"])
@pytest.mark.parametrize("written", ["tree", "table", "json", "mermaid", "dot"])
def test_every_view_is_written_in_every_format(told, modeltrail, view, written):
    code, out, _ = modeltrail("lineage", "fraud", "--up", "--down", "--view", view, "--format", written)

    assert code == 0
    assert "risk/tx-old" in out


def test_openlineage_lines_can_be_read_back_and_tell_the_same_graph(told, modeltrail, tmp_path, monkeypatch):
    _, before, _ = modeltrail("lineage", "fraud@1.2", "--view", "versions")
    _, lines, _ = modeltrail("lineage", "fraud@1.2", "--format", "openlineage")
    (tmp_path / "graph.jsonl").write_text(lines)
    monkeypatch.setenv("MODELTRAIL_HOME", str(tmp_path / "other"))

    assert modeltrail("events", "import", str(tmp_path / "graph.jsonl"))[0] == 0
    _, after, _ = modeltrail("lineage", "fraud@1.2", "--view", "versions")

    assert re.sub(r" \(deployed [^)]*\)|run [\w-]+", "", before) == re.sub(r"run [\w-]+", "", after)


def test_names_of_any_characters_break_neither_mermaid_nor_dot():
    odd = entity_node(EntityRef("dataset", "n", 'a"]-->b\n\\<x>#;', "1"))
    plain = entity_node(EntityRef("model", "n", "m", "1"))
    graph = Graph(odd.id, Direction.DOWN, {odd.id: odd, plain.id: plain}, (Edge(odd.id, plain.id, "input", 'r"|'),))

    (label,) = re.findall(r'n0\[\("(.*)"\)\]', mermaid(graph))
    assert not set('"<>') & set(label.replace("<br>", ""))
    assert dot(graph).count('"') - dot(graph).count('\\"') == 14
    assert len(dot(graph).splitlines()) == 6


def test_path_explains_each_step_and_says_no_with_exit_1(told, modeltrail):
    told.run("other", "COMPLETE", outputs=(model("risk/churn@1"),))

    code, out, _ = modeltrail("path", "raw@9f1", "fraud")
    no, printed, _ = modeltrail("path", "raw@9f1", "churn")

    assert (code, no) == (0, 1)
    assert [line for line in out.splitlines() if "↓" in line] == [
        "  ↓ was read by",
        "  ↓ made",
        "  ↓ was read as train by",
        "  ↓ made",
    ]
    assert "no recorded data went" in printed


def test_impact_ends_with_commands_to_run(told, modeltrail):
    code, out, _ = modeltrail("impact", "dataset:risk/raw@9f1")

    assert code == 0
    assert "1 of them deployed now" in out
    assert "    $ modeltrail model retire risk/fraud@1.2 --target eu-west" in out
    assert "    $ modeltrail dataset retract risk/raw@9f1 --why REASON" in out


def test_nothing_standing_on_a_thing_is_said(told, modeltrail):
    told.run("lonely", "COMPLETE", outputs=(dataset("risk/alone@1"),))

    _, out, _ = modeltrail("impact", "dataset:risk/alone@1")

    assert "no model version is recorded that stands on it" in out


def test_json_of_path_and_impact_has_the_documented_keys(told, modeltrail):
    path = json.loads(modeltrail("path", "raw@9f1", "fraud", "--json")[1])
    impact = json.loads(modeltrail("impact", "raw@9f1", "--json")[1])

    assert {"source", "target", "connection", "edges", "origin", "nodes", "complete"} == set(path)
    assert set(path["edges"][0]) == {"source", "target", "relation", "role", "event_id", "inferred", "via"}
    assert {"model", "runs_away", "inferred", "aliases", "deployed", "owners", "made_by", "job", "way"} == set(
        impact["models"][0]
    )


def test_which_version_was_in_production_on_that_day_is_one_command(told, modeltrail):
    code, out, _ = modeltrail("history", "fraud", "--on", "2026-03-03", "--alias", "production")
    never, printed, _ = modeltrail("history", "fraud", "--on", "2026-03-01", "--alias", "production")

    assert code == 0
    assert out.splitlines()[1].startswith("production  1.2  since 2026-03-03")
    assert never == 1
    assert "no version had production then" in printed


def test_corrections_stand_in_the_history_with_their_reason(told, modeltrail):
    said = type(told.events[5].statement or told.events[-1].statement)(by="ana", why="typo")
    told.run("run-train", "CORRECTED", parameters={"lr": "0.2"}, statement=said)

    _, out, _ = modeltrail("history", "fraud")

    assert "its run corrected  lr 0.2  by ana  typo" in out


def test_every_question_takes_as_of_and_at(told, modeltrail):
    for command in (
        ("show", "fraud"), ("check", "fraud"), ("history", "fraud"), ("lineage", "fraud"), ("impact", "raw@9f1"),
        ("path", "raw@9f1", "fraud"), ("models",), ("datasets",), ("jobs",), ("runs",),
    ):  # fmt: skip
        for bound in (("--as-of", "0:5"), ("--at", "2026-03-03"), ("--as-of", "1d"), ("--at", "2026-01-01")):
            code, _, err = modeltrail(*command, *bound)
            assert code in (0, 1), (command, bound, err)


def test_what_was_not_known_then_is_said_to_be_so(told, modeltrail):
    code, _, err = modeltrail("show", "fraud@1.2", "--at", "2026-01-01")

    assert code == 1
    assert "nothing was known of 'fraud@1.2' then" in err


def test_what_changed_tells_what_was_declared_and_what_is_new(told, modeltrail):
    code, out, _ = modeltrail("what-changed", "--since", "1h")

    assert code == 0
    assert "aliased production" in out
    assert "risk/fraud@1.2" in out
    assert modeltrail("what-changed", "--since", "2199-01-01")[1].startswith("nothing was recorded since 2199-01-01")


def test_impact_of_a_deployed_version_says_to_take_it_out_in_words_that_a_shell_takes_whole(told, modeltrail):
    told.declare("DEPLOYED", model("risk/fraud scores@1"), target="eu west")

    out = modeltrail("impact", "fraud scores@1")[1]

    assert "$ modeltrail model retire 'risk/fraud scores@1' --target 'eu west'" in out
    assert "$ modeltrail lineage --down 'model:risk/fraud scores@1'" in out
