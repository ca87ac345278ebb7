"""Any answer as JSON, by four rules, so that keys are those of the answer's type and stay. Pure.

A reference is its text form (``model:risk/fraud@1.2``). A field ``x_ns`` is ``x``, an ISO 8601 time in UTC with
nanoseconds, null for none. Bytes are a UUID where they are 16, else hexadecimal. A value that is JSON text (a
parameter) is that JSON. Properties named in ``DERIVED`` stand beside the fields.
"""

import json
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from modeltrail_schemas.names import EntityRef, JobName

from modeltrail_server.queries import comparison, completeness, records
from modeltrail_server.reproduction import recipe, verdict
from modeltrail_server.search import results

DERIVED: Mapping[type, tuple[str, ...]] = {
    records.Claimed: ("value", "contradicting"),
    records.RunView: ("duration_seconds",),
    completeness.Report: ("complete", "score", "scores", "refusals", "passed"),
    completeness.InventoryLine: ("passed",),
    results.Found: ("folded",),
    verdict.Verdict: ("reproduced",),
    recipe.Recipe: ("requirements",),
    comparison.Row: ("differs",),
}


def to_json(value: object, *, remarks: Sequence[str] = ()) -> str:
    """Return ``value`` as JSON text of two spaces' indent; an object has ``remarks``, if any, as one more key."""
    plain = to_plain(value)
    if remarks and isinstance(plain, dict):
        plain |= {"remarks": list(remarks)}
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)


def to_plain(value: object) -> Any:
    """Return ``value`` as what the json module writes: dictionaries, lists, strings, numbers, booleans, None."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if not value.isascii() else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return str(uuid.UUID(bytes=value)) if len(value) == 16 else value.hex()
    if isinstance(value, EntityRef):
        return value.format() or None
    if isinstance(value, JobName):
        return value.format() or None
    if is_dataclass(value) and not isinstance(value, type):
        return _record(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {_key(name): _field(name, item) for name, item in value._asdict().items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [to_plain(item) for item in value]
    return str(value)


def iso_time(time_ns: int) -> str:
    """Return ``time_ns`` as ISO 8601 with nanoseconds, UTC; as the bare number where no calendar reaches."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"
    except (ValueError, OverflowError, OSError):
        return f"{time_ns} ns"


def _record(value: Any) -> dict[str, Any]:
    plain = {_key(field.name): _field(field.name, getattr(value, field.name)) for field in fields(value)}
    plain |= {name: _field(name, getattr(value, name)) for name in DERIVED.get(type(value), ())}
    if isinstance(value, comparison.Row):
        plain["values"] = row_values(value)
    if isinstance(value, records.Claim):
        plain["value"] = parse_value(value.value)
    if isinstance(value, records.Claimed):
        plain["value"] = parse_value(value.value)
    return plain


def parse_value(text: str) -> Any:
    """Return the value that JSON ``text`` writes; the text itself where it is none, or no finite number."""
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text


def row_values(row: comparison.Row) -> list[Any]:
    """Return the compared values of a row: numbers, and parameters and seeds, as what their JSON text writes."""
    if row.section not in ("params", "seeds", "metrics", "curves") and row.name != "seconds":
        return list(row.values)
    return [None if value is None else parse_value(value) for value in row.values]


def _key(name: str) -> str:
    return name.removesuffix("_ns")


def _field(name: str, value: Any) -> Any:
    if name.endswith("_ns") and isinstance(value, int):
        return iso_time(value) if value else None
    return to_plain(value)
