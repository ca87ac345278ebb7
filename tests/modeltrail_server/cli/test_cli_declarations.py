"""Declarations: an event each, in the log when the command returns, and only about what is recorded."""

import json
import time

import pytest
from modeltrail.spool.layout import spool_root
from modeltrail.spool.status import spool_status

PATIENCE_S = 120


def shown(modeltrail, name="fraud"):
    return json.loads(modeltrail("show", name, "--json")[1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("register", "fraud@1.2", "--by", "cy"), "registered"),
        (("alias", "fraud@1.2", "champion", "--by", "cy"), "champion"),
        (("stage", "fraud@1.2", "staging", "--by", "cy"), "staging"),
        (("approve", "fraud@1.2", "--by", "cy", "--why", "measured twice"), "measured twice"),
        (("deploy", "fraud@1.2", "--target", "ward-3", "--by", "cy"), "ward-3"),
        (("retire", "fraud@1.2", "--target", "eu-west", "--by", "cy"), "retired"),
    ],
)
def test_what_is_declared_of_a_version_is_told_in_its_history(told, modeltrail, arguments, words):
    code, out, _ = modeltrail("model", *arguments)

    assert code == 0
    assert "model:risk/fraud@1.2" in out
    last = modeltrail("history", "fraud")[1].splitlines()[-1]
    assert words in last
    assert "cy" in last


def test_an_alias_that_moves_names_the_new_version(told, modeltrail):
    modeltrail("model", "register", "risk/fraud@1.3", "--unseen")
    modeltrail("model", "alias", "fraud@1.3", "production")

    assert shown(modeltrail, "fraud@production")["model"] == "model:risk/fraud@1.3"


def test_a_typo_declares_nothing_and_names_what_is_near(told, modeltrail):
    code, out, err = modeltrail("model", "approve", "frau@1.2")

    assert (code, out) == (1, "")
    assert "risk/fraud" in err
    assert "--unseen" in err
    assert modeltrail("show", "frau@1.2")[0] == 1


def test_unseen_declares_what_nothing_was_recorded_of(home, modeltrail):
    code, out, _ = modeltrail("model", "register", "team/new@1", "--unseen")

    assert (code, out) == (0, "registered model:team/new@1\n")
    assert shown(modeltrail, "new")["model"] == "model:team/new@1"


def test_a_model_without_a_version_is_wrong_use(told, modeltrail):
    code, _, err = modeltrail("model", "register", "team/new", "--unseen")

    assert code == 2
    assert "names no version" in err


def test_a_retracted_dataset_is_marked_where_it_is_used(told, modeltrail):
    assert modeltrail("dataset", "retract", "risk/raw@9f1", "--why", "wrong labels")[0] == 0

    assert "RETRACTED" in modeltrail("lineage", "fraud")[1]
    assert "wrong labels" in modeltrail("show", "dataset:risk/raw@9f1")[1]


def test_a_retraction_needs_a_reason(told, modeltrail):
    assert modeltrail("dataset", "retract", "risk/raw@9f1")[0] == 2


def test_a_description_and_an_owner_stand_in_the_answer(told, modeltrail):
    assert modeltrail("describe", "model:risk/fraud@1.2", "finds fraud", "--owner", "ana", "--owner", "bo")[0] == 0

    out = modeltrail("show", "fraud")[1]
    assert "finds fraud" in out
    assert "ana" in out


def test_a_correction_mends_the_missing_link_and_keeps_what_was_recorded(told, modeltrail):
    assert modeltrail("check", "fraud")[0] == 1
    code, out, _ = modeltrail(
        "run", "correct", "run-train", "--why", "forgotten", "--input", "risk/tx-old@v7", "--param", "lr=0.2"
    )

    assert (code, out) == (0, "corrected run:run-train\n")
    assert modeltrail("check", "fraud")[0] in (0, 1)
    run = shown(modeltrail, "run-train")
    assert "dataset:risk/tx-old@v7" in [one["entity"] for one in run["inputs"]]
    lr = next(one for one in run["parameters"] if one["name"] == "lr")
    assert 0.2 in [lr["value"], *[claim["value"] for claim in lr["claims"]]]
    assert 0.1 in [lr["value"], *[claim["value"] for claim in lr["claims"]]]


@pytest.mark.parametrize(
    "arguments",
    [
        ("correct", "run-train", "--why", "x"),
        ("correct", "run-train", "--why", "x", "--param", "lr"),
        ("correct", "run-train", "--param", "lr=1"),
    ],
)
def test_a_correction_of_nothing_or_without_a_reason_is_wrong_use(told, modeltrail, arguments):
    code, out, err = modeltrail("run", *arguments)

    assert (code, out) == (2, "")
    assert err


def test_a_note_to_a_run_is_told_with_it(told, modeltrail):
    assert modeltrail("run", "annotate", "run-train", "the laptop was on battery")[0] == 0

    assert "the laptop was on battery" in modeltrail("show", "run-train")[1]


def test_a_password_in_a_parameter_never_leaves_the_command(told, modeltrail):
    modeltrail("run", "correct", "run-train", "--why", "x", "--param", "api_key=sk-123456789012345678901234")

    assert "sk-1234" not in modeltrail("events", "export")[1]


def test_a_declaration_as_json_says_what_was_declared(told, modeltrail):
    assert json.loads(modeltrail("model", "approve", "fraud@1.2", "--json")[1]) == {
        "declared": "approved model:risk/fraud@1.2"
    }


def test_what_a_log_that_is_down_cannot_take_is_kept_and_said(home, modeltrail, monkeypatch):
    monkeypatch.setattr("modeltrail_server.cli.declarations.SILENT_MS", 100)
    monkeypatch.setattr("modeltrail_server.cli.declarations.FLUSH_TIMEOUT_MS", 100)
    code, out, err = modeltrail("--log", "kafka://127.0.0.1:1/x", "model", "register", "team/new@1", "--unseen")

    assert (code, out) == (3, "")
    assert [text.split()[0] for text in err.splitlines()] == ["waiting", "modeltrail:", "→"]
    assert "kept" in err
    assert "modeltrail spool flush" in err
    assert sum(one.waiting_notes + one.waiting_events for one in spool_status(spool_root(home))) == 1
    assert "wait for kafka://127.0.0.1:1/x" in modeltrail("spool", "status")[1]


def test_what_cannot_even_be_kept_is_not_said_to_be(home, modeltrail):
    (home / "spool").write_text("a file where the folder of spools belongs")
    code, out, err = modeltrail("model", "register", "team/new@1", "--unseen")

    assert (code, out) == (3, "")
    assert "not registered model:team/new@1" in err
    assert str(home) in err
    assert "kept, but" not in err


def test_why_a_log_does_not_take_a_declaration_is_said_once_it_is_known(home, modeltrail, monkeypatch):
    monkeypatch.setattr("modeltrail_server.cli.declarations.SILENT_MS", 100)
    monkeypatch.setattr("modeltrail_server.cli.declarations.FLUSH_TIMEOUT_MS", 100)
    (home / "text").write_text("no log " * 200)
    deadline = time.monotonic() + PATIENCE_S
    while True:  # the sender, a process that has to start first, finds out
        code, _, err = modeltrail("--log", home / "text", "model", "register", "team/new@1", "--unseen")
        assert code == 3
        if f"does not have it yet: {home / 'text'} is not a log of modeltrail" in " ".join(err.split()):
            break
        assert time.monotonic() < deadline, err
