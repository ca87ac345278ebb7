"""Text that UTF-8 cannot carry: a lone surrogate is written as its three bytes, percent-encoded. Pure.

JSON escapes and file names of another encoding bring lone surrogates in. In references they are undone again, since
there ``%`` itself is encoded; in plain text the sign stays, so that anybody sees that something was there.
"""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

T = TypeVar("T")

_SURROGATE = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """Return ``text`` with each lone surrogate percent-encoded (``%ED%A0%80``); any other text unchanged."""
    return text if text.isascii() else _SURROGATE.sub(percent_encoded, text)


def encodable_fields(record: T) -> T:
    """Return ``record`` with each string in it, at any depth, made encodable; names are left, their text form is."""
    told = {field.name: _encodable(getattr(record, field.name)) for field in fields(record)}  # type: ignore[arg-type]
    return replace(record, **told)  # type: ignore[type-var]


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, tuple):
        return tuple(_encodable(item) for item in value)
    if isinstance(value, Mapping):
        return {encodable(key): encodable(item) for key, item in value.items()}
    return encodable_fields(value) if is_dataclass(value) and not hasattr(value, "parse") else value


def percent_encoded(match: re.Match[str]) -> str:
    """Return the UTF-8 bytes of what was matched, each as ``%XX``."""
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))
