"""Small OpenLineage documents for the tests of import and export."""

import json
from typing import Any


def document(number: int, **more: Any) -> dict[str, Any]:
    """Return a RunEvent that differs from the others by its run."""
    return {
        "eventType": "START",
        "eventTime": "2026-03-03T12:00:00Z",
        "run": {"runId": f"run-{number}"},
        "job": {"namespace": "team", "name": "train"},
        "producer": "https://producer.example",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        **more,
    }


def line(number: int, **more: Any) -> str:
    """Return that document on a line, without the line break."""
    return json.dumps(document(number, **more))
