"""Typed values to JSON and back, for the fields that no standard facet tells. Pure; it knows of no single field.

A record is written as its fields that differ from another record's (those of its type's defaults at first), bytes
as hexadecimal, a reference or job as its text form, and a number that JSON lacks as "NaN", "Infinity", "-Infinity".
"""

import math
import types
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from modeltrail_schemas.openlineage.documents import Json, Number, long_of
from modeltrail_schemas.surrogates import encodable

T = TypeVar("T")
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def dump_value(value: Any, base: Any = None) -> Any:
    """Return ``value`` as plain JSON values; a record as what differs from ``base``."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return [dump_value(item) for item in value]
    if hasattr(value, "parse"):
        return value.format()
    if is_dataclass(value) and not isinstance(value, type):
        return dump_fields(value, type(value)() if base is None else base)
    return value


def dump_fields(record: Any, base: Any) -> dict[str, Any]:
    """Return the fields of ``record`` that differ from those of ``base``, by name."""
    pairs = ((field.name, getattr(record, field.name), getattr(base, field.name)) for field in fields(record))
    return {name: dump_value(value, other) for name, value, other in pairs if not _is_same(value, other)}


def load_fields(base: T, members: Mapping[str, Json]) -> T:
    """Return ``base`` with the fields that ``members`` tells. Raises ValueError where one does not fit its type."""
    hints = _hints(cast(Hashable, type(base)))
    told = {name: _load(hints[name], node, getattr(base, name)) for name, node in members.items() if name in hints}
    return replace(base, **told) if told else base  # type: ignore[type-var]


@cache
def _hints(record_type: Hashable) -> dict[str, Any]:
    return get_type_hints(record_type)


def _is_same(value: Any, other: Any) -> bool:
    """Tell whether two values are equal, minus zero being another number than zero."""
    return bool(value == other) and not (isinstance(value, float) and repr(value) != repr(other))


def _load(hint: Any, node: Json, base: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if node is None else _load(arguments[0], node, base)
    if origin is tuple and isinstance(node, list):
        return tuple(_load(arguments[0], item, None) for item in node)
    if origin is not None and issubclass(origin, Mapping) and isinstance(node, dict):
        return {encodable(key): _load_text(value) for key, value in node.items()}
    if origin is not None:
        raise ValueError(f"not a value of type {hint}")
    if hasattr(hint, "parse"):
        return hint.parse(_load_text(node))
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(node, dict):
        return load_fields(hint() if base is None else base, node)
    if hint is str:
        return _load_text(node)
    if hint is bytes:
        return bytes.fromhex(_load_text(node))
    if hint is float:
        return _load_float(node)
    loaded = long_of(node) if hint is int else node
    if not isinstance(loaded, hint):
        raise ValueError(f"not a value of type {hint}")
    return loaded


def _load_text(node: Json) -> str:
    if not isinstance(node, str):
        raise ValueError("not a string")
    return encodable(node)


def _load_float(node: Json) -> float:
    if isinstance(node, Number):
        return float(node.text)
    if isinstance(node, str) and node in NOT_FINITE:
        return NOT_FINITE[node]
    raise ValueError("not a number")
