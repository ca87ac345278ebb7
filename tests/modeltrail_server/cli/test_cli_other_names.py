"""A dataset is opened by another name of it, as an OpenLineage event tells, where no other dataset has that name."""

import json

from modeltrail_server.library.records import open_records
from ol_documents import document

COMMANDS = ("show", "history", "lineage", "lineage --down --format mermaid", "lineage --columns", "impact")


def tell_other_names(modeltrail, tmp_path, named):
    """Import a run that reads datasets of a lake, each ``named`` otherwise in a catalog, and writes one more."""
    inputs = [
        {
            "namespace": "s3://lake",
            "name": path,
            "facets": {
                "symlinks": {"identifiers": [{"namespace": "glue", "name": other, "type": "TABLE"}]},
                "version": {"datasetVersion": "v7"},
            },
        }
        for path, other in named.items()
    ]
    told = document(1, run={"runId": "run-1"}, inputs=inputs, outputs=[{"namespace": "s3://lake", "name": "out"}])
    (tmp_path / "told.json").write_text(json.dumps(told))
    modeltrail("events", "import", tmp_path / "told.json")


def test_every_question_opens_a_dataset_by_its_other_name_and_says_so(home, modeltrail, tmp_path):
    tell_other_names(modeltrail, tmp_path, {"warehouse/tx": "db.tx", "warehouse/users": "db.users"})

    for called in ("db.tx", "glue/db.tx", "dataset:glue/db.tx", "glue/db.tx@v7"):
        for command in (
            "show",
            "history",
            "lineage",
            "lineage --down --format mermaid",
            "lineage --columns",
            "impact",
        ):
            asked = called if command != "history" else called.partition("@")[0]
            code, out, err = modeltrail(*command.split(), asked)
            path = called.removeprefix("dataset:").partition("@")[0]
            assert (code, err) == (0, f"{path} is another name of s3://lake/warehouse/tx\n"), command
            assert "s3://lake/warehouse/tx" in out, command
    assert "run run-1" in modeltrail("path", "db.tx", "s3://lake/out")[1]
    shown = json.loads(modeltrail("show", "db.tx", "--json")[1])
    assert shown["dataset"] == "dataset:s3://lake/warehouse/tx@v7"
    assert shown["remarks"] == ["db.tx is another name of s3://lake/warehouse/tx"]
    assert "remarks" not in json.loads(modeltrail("show", "s3://lake/warehouse/tx", "--json")[1])


def test_from_python_too_a_dataset_is_opened_by_its_other_name(home, modeltrail, tmp_path):
    tell_other_names(modeltrail, tmp_path, {"warehouse/tx": "db.tx"})

    with open_records(home=home) as records:
        for answered in (records.show("db.tx"), records.lineage("db.tx", "down"), records.impact("db.tx")):
            assert answered.remarks == ["db.tx is another name of s3://lake/warehouse/tx"]
            assert str(answered).startswith("db.tx is another name of s3://lake/warehouse/tx\n")
            assert "db.tx is another name of" in answered._repr_html_()
            assert json.loads(answered.to_json())["remarks"] == answered.remarks
        assert not records.show("s3://lake/warehouse/tx").remarks


def test_a_name_that_several_datasets_have_besides_opens_none_of_them(home, modeltrail, tmp_path, monkeypatch):
    tell_other_names(modeltrail, tmp_path, {"warehouse/tx": "db.tx", "backup/tx": "db.tx", "users": "db.users"})

    code, _, err = modeltrail("show", "db.tx")
    assert (code, "dataset:s3://lake/warehouse/tx" in err, "dataset:s3://lake/backup/tx" in err) == (2, True, True)
    code, _, err = modeltrail("show", "db.users@v9")
    assert code == 1
    assert "db.users is another name of s3://lake/users, which has no version 'v9'" in " ".join(err.split())
    # Where not every dataset was looked at, another may have the name too: it is only suggested.
    monkeypatch.setattr("modeltrail_server.queries.other_names.MAX_DATASETS_LOOKED_AT", 3)
    code, _, err = modeltrail("show", "db.users")
    assert (code, "did you mean dataset:s3://lake/users?" in err) == (1, True)


def test_before_it_was_told_another_name_opens_nothing(home, modeltrail, tmp_path):
    tell_other_names(modeltrail, tmp_path, {"warehouse/tx": "db.tx"})

    assert modeltrail("show", "db.tx", "--at", "2100-01-01")[0] == 0
    code, _, err = modeltrail("show", "db.tx", "--at", "2001-01-01")
    assert (code, "nothing was known of 'db.tx' then" in err) == (1, True)
