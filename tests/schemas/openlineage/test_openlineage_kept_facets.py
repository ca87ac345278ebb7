"""Facets that stay in the document are read from there: the nominal time of a run, other names of a dataset."""

import json

import pytest
from hypothesis import given
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.openlineage.nominal_time import NominalTime, read_nominal_time
from modeltrail_schemas.openlineage.symlinks import read_symlinks
from schemas.openlineage.documents import ANY_JSON, run_document

DAY_NS = 86_400 * 1_000_000_000
JULY_5_NS = 19_909 * DAY_NS


def nominal(**facet):
    return read_nominal_time(json.dumps({"run": {"facets": {"nominalTime": facet}}}).encode())


def test_the_nominal_time_is_read_with_and_without_an_end():
    assert read_nominal_time(json.dumps(run_document()).encode()) == NominalTime(JULY_5_NS)
    told = nominal(nominalStartTime="2024-07-05T02:00:00+02:00", nominalEndTime="2024-07-06")
    assert told == NominalTime(JULY_5_NS, JULY_5_NS + DAY_NS)


@pytest.mark.parametrize(
    "facet", [{}, {"nominalStartTime": "soon"}, {"nominalStartTime": "2024-07-05", "_deleted": True}]
)
def test_no_nominal_time_is_none(facet):
    assert nominal(**facet) is None


def test_other_names_are_read_of_inputs_outputs_and_declared_datasets():
    def named(name):
        identifiers = [{"namespace": "hive://server:9083", "name": f"db.{name}", "type": "TABLE"}, {"type": "TABLE"}]
        return {"namespace": "s3://lake", "name": name, "facets": {"symlinks": {"identifiers": identifiers}}}

    document = {"inputs": [named("a"), {"name": "plain"}], "outputs": [named("b")], "dataset": named("c")}

    links = read_symlinks(json.dumps(document).encode())

    assert [(link.dataset.name, link.other) for link in links] == [
        (name, EntityRef("dataset", "hive://server:9083", f"db.{name}")) for name in "abc"
    ]


@given(ANY_JSON)
def test_whatever_stands_there_is_passed_over(node):
    facets = {"symlinks": {"identifiers": node}, "nominalTime": {"nominalStartTime": node}}
    for document in (
        {"run": {"facets": facets}, "inputs": [{"facets": facets}], "outputs": node},
        {"run": node, "inputs": node, "dataset": {"facets": node}, "nominalTime": 1, "symlinks": 1},
    ):
        written = json.dumps(document).encode()
        read_nominal_time(written)
        read_symlinks(written)
