"""Values of parameters as JSON text, and values of metrics as floats. Pure.

Numbers stay exact: an integer of any size, a float as its shortest round-tripping spelling. What JSON cannot say is
marked: ``{"repr": …, "type": …}`` for other objects, ``{"truncated": …, "sha256": …, "bytes": …}`` past the bound,
and the strings ``"NaN"``, ``"Infinity"``, ``"-Infinity"``.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from modeltrail.redaction import REDACTED, judge_name, redact_text, redact_value

MAX_PARAMETER_BYTES = 16_384
MAX_REPR_CHARACTERS = 4_096
MAX_DEPTH = 8
SEED_NAMES = frozenset({"seed", "random_state", "random_seed", "np_seed", "torch_seed", "data_seed"})
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def encode_parameters(parameters: Mapping[Any, Any]) -> tuple[dict[str, str], int]:
    """Return name → JSON text, and how many values were redacted."""
    encoded: dict[str, str] = {}
    redactions = 0
    for name, value in parameters.items():
        encoded[str(name)], found = encode_parameter(str(name), value)
        redactions += found
    return encoded, redactions


def encode_parameter(name: str, value: Any) -> tuple[str, int]:
    """Return the JSON text of ``value`` as the parameter ``name``, and how many values in it were redacted."""
    plain, redactions = _plain(name, value, MAX_DEPTH)
    text = _ENCODER.encode(plain)
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_PARAMETER_BYTES:
        shown = text[:MAX_REPR_CHARACTERS]
        plain = {"truncated": shown, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        text = _ENCODER.encode(plain)
    return text, redactions


def seeds_among(encoded: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters whose names say that they are seeds, such as ``random_state``."""
    return {name: value for name, value in encoded.items() if name.rpartition(".")[2].lower() in SEED_NAMES}


def metric_value(value: Any) -> float | None:
    """Return ``value`` as a float, or None when it is not one number. NaN and infinities are numbers here."""
    if isinstance(value, str | bytes | bytearray):
        return None
    try:
        return float(value.item() if hasattr(value, "item") else value)  # NumPy, Torch: only where it is one value
    except Exception:  # noqa: BLE001 - the code of the value's own type decides what it raises
        return None


def _plain(name: str, value: Any, depth: int) -> tuple[Any, int]:
    """Return ``value`` as what JSON can say; ``name`` is the nearest name above it."""
    if isinstance(value, str):
        return redact_value(name, str(value))
    if value is None or isinstance(value, bool):
        return value, 0
    if judge_name(name).sure:
        return REDACTED, 1
    if isinstance(value, int):
        return int(value), 0
    if isinstance(value, float):
        return _number(float(value)), 0
    if isinstance(value, Mapping) and depth:
        pairs = {str(key): _plain(str(key), item, depth - 1) for key, item in value.items()}
        return {key: item for key, (item, _) in pairs.items()}, sum(found for _, found in pairs.values())
    if isinstance(value, list | tuple | set | frozenset) and depth:
        items = [_plain(name, item, depth - 1) for item in _ordered(value)]
        return [item for item, _ in items], sum(found for _, found in items)
    if callable(getattr(value, "item", None)) and getattr(value, "shape", None) == ():
        return _plain(name, value.item(), 0) if depth else _represent(value)  # a NumPy or Torch scalar
    return _represent(value)


def _ordered(value: Any) -> Any:
    return sorted(value, key=repr) if isinstance(value, set | frozenset) else value


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _represent(value: Any) -> tuple[dict[str, str], int]:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - as above
        text = f"its repr raised {type(error).__name__}"
    text, redactions = redact_text(text[:MAX_REPR_CHARACTERS])
    return {"repr": text, "type": kind}, redactions
