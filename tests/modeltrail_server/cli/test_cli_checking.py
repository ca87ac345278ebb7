"""check, inventory and whatis, from arguments to text, JSON, CSV and exit codes, on a real embedded log."""

import csv
import hashlib
import io
import json

import pytest
from modeltrail_schemas.event import Description, Metric
from modeltrail_schemas.names import EntityRef
from told_history import dataset, model


@pytest.fixture
def corrected(told):
    """Return the seed case without its one missing piece."""
    told.run("run-train", "CORRECTED", job="", inputs=(dataset("risk/tx-old@v7", digest="sha256:77"),))
    return told


def test_the_score_is_explained_by_the_pieces_that_lost_points(told, modeltrail):
    _, out, _ = modeltrail("check", "fraud")

    assert "score   84 of 100  data 15/30" in out


def test_a_policy_file_decides_and_options_decide_over_it(told, modeltrail, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text('[check]\nrequire = ["code", "params"]\n')

    code, out, _ = modeltrail("check", "fraud", "--policy", policy)
    assert (code, out.splitlines()[-1]) == (0, "passes the policy")

    code, out, _ = modeltrail("check", "fraud", "--policy", policy, "--require", "data")
    assert (code, out.splitlines()[-1]) == (1, "fails the policy: data is missing")


@pytest.mark.parametrize(
    ("options", "code", "last"),
    [
        (("--fail-under", "99"), 0, "passes the policy"),
        (("--require", "data,code", "--strict", "data,code"), 0, "passes the policy"),
        (("--require", "events"), 0, "passes the policy"),
        (("--require", "nonsense"), 2, ""),
        (("--fail-under", "101"), 2, ""),
    ],
)
def test_options_make_a_policy(corrected, modeltrail, options, code, last):
    ended, out, _ = modeltrail("check", "fraud", *options)

    assert (ended, out.splitlines()[-1] if out else "") == (code, last)


def test_an_input_retracted_further_up_counts_as_if_the_run_had_used_it(corrected, modeltrail):
    corrected.declare("RETRACTED", dataset("risk/raw@9f1"), why="wrong labels", by="bo")

    code, out, _ = modeltrail("check", "fraud")

    assert code == 1
    assert "RETRACTED data risk/raw@9f1, further up the lineage, was retracted by bo" in out
    assert "wrong labels" in out
    assert "1 retracted" in modeltrail("show", "fraud")[1]


def test_an_input_retracted_directly_is_told_once(corrected, modeltrail):
    corrected.declare("RETRACTED", dataset("risk/dataset_v3@sha256:" + "d" * 64), why="wrong labels")

    _, out, _ = modeltrail("check", "fraud")

    assert out.count("retracted") == 2  # the finding, and the verdict


def test_check_all_gives_each_version_a_line_and_ends_with_1_when_one_fails(told, modeltrail):
    told.declare("REGISTERED", model("bert@1"))

    code, out, _ = modeltrail("check", "--all")

    assert code == 1
    assert "FAIL     84  risk/fraud@1.2  1 missing" in out
    assert out.splitlines()[-1] == "0 of 2 pass"
    assert modeltrail("check", "--all", "--require", "model")[0] == 0


def test_check_wants_a_name_or_all(told, modeltrail):
    assert modeltrail("check")[0] == 2
    assert modeltrail("check", "fraud", "--all")[0] == 2


def test_inventory_tells_owner_purpose_risk_and_where_versions_run(told, modeltrail):
    text = "Stops fraudulent payments.\nRisk: high"
    told.tell(
        "model",
        "DESCRIBED",
        subjects=(model("risk/fraud"),),
        descriptions=(Description(model("risk/fraud"), text, ("ana",)),),
    )
    told.run("run-2", "COMPLETE", tags={"risk": "low"}, outputs=(model("bert@1"),))

    code, out, _ = modeltrail("inventory")

    assert code == 0
    assert out.splitlines() == [
        "bert@1  FAIL 2",
        "  no owner, risk low, not deployed",
        "risk/fraud@1.2  FAIL 84",
        "  owner ana, risk high, on eu-west",
        "  Stops fraudulent payments.",
    ]
    entry = json.loads(modeltrail("inventory", "--json")[1])["items"][1]
    assert (entry["risk"], entry["owners"], entry["passed"]) == ("high", ["ana"], False)


def test_inventory_as_csv_runs_nothing_in_a_spreadsheet(told, modeltrail):
    told.declare("REGISTERED", EntityRef("model", "default", '=HYPERLINK("x")', "1"))

    rows = list(csv.DictReader(io.StringIO(modeltrail("inventory", "--csv")[1])))

    assert rows[0]["model"] == '\'=HYPERLINK("x")'
    assert (rows[1]["model"], rows[1]["version"], rows[1]["refusals"]) == ("risk/fraud", "1.2", "data is missing")


def test_whatis_tells_which_version_a_file_is_and_what_it_came_from(told, modeltrail, tmp_path):
    file = tmp_path / "m.joblib"
    file.write_bytes(b"weights")
    digest = "sha256:" + hashlib.sha256(b"weights").hexdigest()
    told.run("run-train", "COMPLETE", job="risk/fraud-train", outputs=(model("risk/fraud@1.3", digest=digest),))

    code, out, _ = modeltrail("whatis", file)

    assert code == 0
    assert digest in out
    assert "model   risk/fraud@1.3" in out
    assert "risk/raw@9f1" in out
    (known,) = json.loads(modeltrail("whatis", file, "--json")[1])["known"]
    assert known["entity"] == "model:risk/fraud@1.3"


def test_whatis_says_what_to_do_with_what_nobody_recorded(told, modeltrail, tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("1\n")

    code, out, _ = modeltrail("whatis", file)

    assert code == 1
    assert "no recorded version has this content" in out
    assert f'run.use_dataset(path="{file}")' in out


def test_whatis_answers_with_what_was_known_then_and_says_that_more_is_known_now(told, modeltrail, tmp_path):
    file = tmp_path / "m.joblib"
    file.write_bytes(b"weights")
    known = len(told.events)
    digest = "sha256:" + hashlib.sha256(b"weights").hexdigest()
    told.run("run-train", "COMPLETE", job="risk/fraud-train", outputs=(model("risk/fraud@1.2", digest=digest),))

    code, out, _ = modeltrail("whatis", file, "--as-of", f"0:{known}")

    assert code == 1
    assert "not known then" in out
    assert "risk/fraud" not in out
    assert json.loads(modeltrail("whatis", file, "--as-of", f"0:{known}", "--json")[1])["known"] == []
    assert modeltrail("whatis", file, "--as-of", f"0:{known + 1}")[0] == 0


def test_a_piece_is_not_ok_beside_what_is_missing_of_it(told, modeltrail):
    (fine,) = [line for line in modeltrail("check", "fraud")[1].splitlines() if line.startswith("OK")]

    assert "model" in fine
    assert "data" not in fine


def test_no_models_then_is_said_so(told, modeltrail):
    for asked in ("inventory", "check --all"):
        assert modeltrail(*asked.split(), "--as-of", "2001-01-01")[1] == "no models then\n"


def test_metrics_of_a_run_that_evaluated_the_version_count(told, modeltrail):
    made, test = model("risk/plain@1"), dataset("risk/test@1", digest="sha256:7e57")
    told.run("run-plain", "COMPLETE", outputs=(made,))
    assert "MISSING metrics" in modeltrail("check", "plain")[1]
    told.run("run-tune", "COMPLETE", inputs=(made,), outputs=(model("risk/tuned@1"),), metrics=(Metric("f1", 0.9),))
    assert "MISSING metrics" in modeltrail("check", "plain")[1]

    told.run("run-judge", "COMPLETE", inputs=(made, test), metrics=(Metric("f1", 0.8, dataset=test),))

    found = json.loads(modeltrail("check", "plain", "--json")[1])["findings"]
    (metrics,) = (finding for finding in found if finding["piece"] == "metrics")
    assert (metrics["level"], metrics["what"]) == ("OK", "1, by run run-judge, which read it")


def test_metrics_of_a_run_that_evaluated_by_an_alias_count_for_the_version_it_then_meant(told, modeltrail):
    def metrics_of(version):
        found = json.loads(modeltrail("check", f"plain@{version}", "--json")[1])["findings"]
        return [finding["what"] for finding in found if finding["piece"] == "metrics"]

    test = dataset("risk/test@1", digest="sha256:7e57")
    for version in ("1", "2"):
        told.run(f"run-plain-{version}", "COMPLETE", outputs=(model(f"risk/plain@{version}"),))
        told.declare("ALIASED", model(f"risk/plain@{version}"), alias="champion")
        if version == "1":
            read = (model("risk/plain@champion"), test)
            told.run("run-judge", "COMPLETE", inputs=read, metrics=(Metric("f1", 0.8, dataset=test),))

    assert metrics_of("1") == ["1, by run run-judge, which read it as champion"]
    assert metrics_of("2") == ["no metrics are recorded"]
    told.run("run-again", "COMPLETE", inputs=read, metrics=(Metric("f1", 0.7), Metric("auc", 0.7)))
    assert metrics_of("2") == ["auc, f1: evaluation data not recorded, by run run-again, which read it as champion"]
    assert metrics_of("1") == ["1, by run run-judge, which read it as champion"]
