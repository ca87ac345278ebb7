"""Column lineage: read from the documents that carry it, across runs and versions."""

import json

from modeltrail.log.protocol import Outgoing
from modeltrail_schemas.codec import encode
from modeltrail_schemas.openlineage.column_lineage import ColumnStep, read_column_lineage
from modeltrail_schemas.openlineage.reading import read
from modeltrail_server.queries.columns import trace_columns
from modeltrail_server.queries.graph import Direction
from modeltrail_server.queries.names import resolve


def node(name, version, **facets):
    return {
        "namespace": "lake",
        "name": name,
        "facets": {"version": {"_producer": "p", "_schemaURL": "s", "datasetVersion": version}} | facets,
    }


def document(number, source, target, fields, **facet):
    lineage = {"_producer": "p", "_schemaURL": "s", "fields": fields} | facet
    return json.dumps(
        {
            "eventType": "COMPLETE",
            "eventTime": f"2026-03-0{number}T00:00:00Z",
            "producer": "https://example.org",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": f"0000000{number}-0000-7000-8000-000000000000"},
            "job": {"namespace": "etl", "name": f"step{number}"},
            "inputs": [node(*source)],
            "outputs": [node(*target, columnLineage=lineage)],
        }
    ).encode()


def field(name, column, subtype="IDENTITY"):
    transformations = [{"type": "DIRECT", "subtype": subtype, "description": "", "masking": False}]
    return {"namespace": "lake", "name": name, "field": column, "transformations": transformations}


def tell(history, *documents):
    history.log.append([Outgoing(encode(read(each))) for each in documents])


def chain(history):
    features = {
        "log_amount": {"inputFields": [field("clean", "amount")]},
        "day": {"inputFields": [field("clean", "date")]},
    }
    tell(
        history,
        document(1, ("raw", "1"), ("clean", "1"), {"amount": {"inputFields": [field("raw", "cents")]}}),
        document(2, ("clean", "1"), ("features", "1"), features),
    )


def trace(history, text, direction=Direction.UP, column=""):
    with history.asked() as snapshot:
        found = trace_columns(snapshot, resolve(snapshot, text), direction, column=column, steps=100)
    return [f"{edge.source.dataset.name}.{edge.source.name} → {edge.target.name}" for edge in found.edges]


def test_columns_are_traced_through_runs_to_where_they_came_from(history):
    chain(history)

    assert trace(history, "lake/features@1") == [
        "clean.amount → log_amount",
        "clean.date → day",
        "raw.cents → amount",
    ]
    assert trace(history, "lake/features@1", column="log_amount") == [
        "clean.amount → log_amount",
        "raw.cents → amount",
    ]
    assert trace(history, "lake/features@1", column="day") == ["clean.date → day"]


def test_and_to_where_they_went(history):
    chain(history)

    assert trace(history, "lake/raw@1", Direction.DOWN, "cents") == [
        "raw.cents → amount",
        "clean.amount → log_amount",
    ]


def test_a_column_made_of_itself_ends(history):
    tell(history, document(1, ("a", "1"), ("a", "1"), {"x": {"inputFields": [field("a", "x")]}}))

    assert trace(history, "lake/a@1") == ["a.x → x"]


def test_what_shapes_the_whole_output_and_older_spellings_are_read():
    fields = {
        "x": {"inputFields": [{"namespace": "n", "name": "m", "field": "y"}], "transformationDescription": "sum"}
    }

    steps = read_column_lineage(document(1, ("a", "1"), ("b", "1"), fields, dataset=[field("a", "key", "JOIN")]))

    assert steps == [
        ColumnStep("lake", "b", "x", "n", "m", "y", "sum"),
        ColumnStep("lake", "b", "*", "lake", "a", "key", "join"),
    ]


def test_a_facet_of_another_shape_tells_nothing():
    assert read_column_lineage(document(1, ("a", "1"), ("b", "1"), [1])) == []
