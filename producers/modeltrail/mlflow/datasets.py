"""What MLflow says of a dataset that a run read. Pure.

MLflow's digest is eight hexadecimal digits, for frames and arrays over their first 10,000 rows, and users may give
their own: it tells versions apart and is claimed, no digest of the content. Where the source is a store with versions
of its own (a Delta table, the Hugging Face hub) that version is a provider's.
"""

import json
from collections.abc import Mapping
from typing import Any

from modeltrail_schemas.event import Strength
from modeltrail_schemas.names import EntityRef

from modeltrail.mlflow.naming import Naming
from modeltrail.redaction import redact_text

CONTEXT_TAG = "mlflow.data.context"
MAX_FIELDS = 10_000
MAX_LOCATION_CHARACTERS = 4_096
_VERSIONS = {"delta_table_version": "versionAsOf", "revision": "revision"}
_PLACES = ("uri", "url", "path", "delta_table_name", "table_name")


def dataset_note(naming: Naming, given: Any) -> tuple[EntityRef, dict[str, Any]]:
    """Return the reference to, and the detail of, the dataset version in ``given`` (an MLflow ``DatasetInput``)."""
    dataset = given.dataset
    role = next((tag.value for tag in given.tags or () if tag.key == CONTEXT_TAG), "")
    ref = naming.dataset(dataset.name, dataset.digest or "", role)
    source, profile = _object(dataset.source), _object(dataset.profile)
    location, strength = _whereabouts(source)
    detail = {
        "entity": naming.dataset(dataset.name, dataset.digest or "").format(),
        "strength": strength.value,
        "location": location,
        "format": dataset.source_type or "",
        "rows": _rows(profile),
        "fields": _columns(_object(dataset.schema)),
        "query": redact_text(str(source.get("sql") or ""))[0],
        "provider": "mlflow",
    }
    return ref, {name: value for name, value in detail.items() if value}


def _whereabouts(source: Mapping[str, Any]) -> tuple[str, Strength]:
    place = next((str(source[name]) for name in _PLACES if source.get(name)), "")
    version = next(((word, source[name]) for name, word in _VERSIONS.items() if source.get(name)), None)
    location = f"{place}?{version[0]}={version[1]}" if version else place
    strength = Strength.PROVIDER if version else Strength.CLAIMED
    return redact_text(location[:MAX_LOCATION_CHARACTERS])[0], strength


def _rows(profile: Mapping[str, Any]) -> int | None:
    rows = profile.get("num_rows")
    return rows if isinstance(rows, int) and rows >= 0 else None


def _columns(schema: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the columns of a schema of MLflow's; a tensor without named parts has none."""
    columns = schema.get("mlflow_colspec")
    if not isinstance(columns, list):
        return []
    return [
        {"name": str(column["name"]), "type": str(column.get("type", ""))}
        for column in columns[:MAX_FIELDS]
        if isinstance(column, dict) and column.get("name") is not None
    ]


def _object(text: str | None) -> Mapping[str, Any]:
    """Return the JSON object in ``text``; what is none tells nothing."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
