"""OpenLineage documents for the tests: any JSON, and documents with every standard facet that is read."""

import json
from typing import Any

from hypothesis import strategies as st
from schemas.strategies import ANY_TEXT

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)

FACET = {"_producer": "https://producer.example", "_schemaURL": "https://producer.example/facet.json"}


def run_document() -> dict[str, Any]:
    """Return a RunEvent that tells what every facet we read can tell."""
    return {
        "eventTime": "2024-07-05T09:04:01.463567123+02:00",
        "eventType": "COMPLETE",
        "producer": "https://producer.example",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": "01908222-D908-77bb-b819-ea816c74e780",
            "facets": {
                "parent": {
                    "run": {"runId": "01908222-D800-7e0d-afea-386c5e206957"},
                    "job": {"namespace": "airflow", "name": "nightly"},
                    "root": {"run": {"runId": "root"}, "job": {"namespace": "airflow", "name": "root"}},
                },
                "errorMessage": {"message": "no rows", "programmingLanguage": "SQL", "stackTrace": "at line 1"},
                "environmentVariables": {"environmentVariables": [{"name": "STAGE", "value": "live"}]},
                "executionParameters": {"parameters": [{"key": "day", "name": "Day", "value": "2024-07-04"}]},
                "processing_engine": {"version": "3.5.1", "name": "spark", "openlineageAdapterVersion": "1.2"},
                "tags": {"tags": [{"key": "team", "value": "risk", "source": "USER"}]},
                "nominalTime": {"nominalStartTime": "2024-07-05T00:00:00Z"},
            },
        },
        "job": {
            "namespace": "risk",
            "name": "features",
            "facets": {
                "documentation": {"description": "makes features"},
                "ownership": {"owners": [{"name": "ana", "type": "MAINTAINER"}, {"name": "ben"}]},
                "sql": {"query": "select 1"},
                "sourceCodeLocation": {
                    "type": "git",
                    "url": "https://git.example/risk/blob/a1b2c3d/features.sql",
                    "repoUrl": "https://git.example/risk",
                    "path": "features.sql",
                    "version": "a1b2c3d",
                    "branch": "main",
                },
                "jobType": {"processingType": "BATCH", "integration": "SPARK", "jobType": "JOB"},
                "sourceCode": {"language": "sql", "sourceCode": "select 1"},
            },
        },
        "inputs": [
            {
                "namespace": "s3://lake",
                "name": "tx",
                "facets": {
                    "version": {"datasetVersion": "412"},
                    "storage": {"storageLayer": "delta", "fileFormat": "parquet"},
                    "dataSource": {"name": "lake", "uri": "s3://lake"},
                    "schema": {
                        "fields": [
                            {"name": "id", "type": "long"},
                            {"name": "card", "type": "struct", "fields": [{"name": "kind"}]},
                        ]
                    },
                    "documentation": {"description": "payments"},
                },
                "inputFacets": {"inputStatistics": {"rowCount": 10, "size": 2_000, "fileCount": 1}},
            }
        ],
        "outputs": [
            {
                "namespace": "warehouse",
                "name": "features",
                "facets": {"columnLineage": {"fields": {}}, "symlinks": {"identifiers": []}},
                "outputFacets": {"outputStatistics": {"rowCount": 7, "size": 700}},
            }
        ],
    }


def dump(document: Any) -> bytes:
    """Return the bytes of a document."""
    return json.dumps(document).encode("ascii")


def places_in(document: Any) -> list[list[str | int]]:
    """Return the path to each object in a document."""
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    paths = [[]] if isinstance(document, dict) else []
    for key, value in inner:
        if isinstance(value, dict | list):
            paths += [[key, *path] for path in places_in(value)]
    return paths


def at(document: Any, path: list[str | int]) -> Any:
    """Return what lies at ``path``."""
    for key in path:
        document = document[key]
    return document
