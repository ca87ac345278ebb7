"""Event types to Avro binary (Avro 1.12, "Binary Encoding"), in one pass. Pure; it must not know of single fields.

fastavro writes dictionaries, and building them costs half as much again as writing them. Here each record is compiled
once, from its schema and the annotations of its type, to one function from value to bytes: half as fast again in all
(docs/decisions/0002). The tests hold it to fastavro's bytes.
"""

import struct
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, get_args, get_type_hints

Encode = Callable[[Any], bytes]

NAMES_REMEMBERED = 65_536
SHORT_LONGS = 4_096
_LEAST_LONG, _GREATEST_LONG = -(1 << 63), (1 << 63) - 1
_BOOLEANS = (b"\x00", b"\x01")
_double: Encode = struct.Struct("<d").pack


def record_encoder(definition: dict[str, Any], record_type: type[Any]) -> Encode:
    """Return the function that encodes a ``record_type``, whose fields are those of the schema ``definition``.

    The function raises ValueError, TypeError, AttributeError or struct.error for a value that does not fit its field.
    """
    return _record(definition, record_type, {})


def _record(schema: dict[str, Any], record_type: Any, named: dict[str, dict[str, Any]]) -> Encode:
    """Return how a record is encoded; a field that holds the very object of its default costs no call."""
    names = [field["name"] for field in schema["fields"]]
    hints = get_type_hints(record_type)
    encoders = [_encoder(field["type"], hints[field["name"]], named) for field in schema["fields"]]
    by_name = {field.name: field.default for field in fields(record_type)}
    defaults = [by_name[name] for name in names]
    encoded_defaults = [
        b"" if default is MISSING else encode(default) for encode, default in zip(encoders, defaults, strict=True)
    ]
    values = attrgetter(*names)
    join = b"".join

    def encode_record(record: Any) -> bytes:
        plan = zip(values(record), defaults, encoded_defaults, encoders, strict=True)
        return join([encoded if value is default else encode(value) for value, default, encoded, encode in plan])

    return encode_record


def _encoder(schema: Any, hint: Any, named: dict[str, dict[str, Any]]) -> Encode:
    """Return how a value of ``schema``, annotated with ``hint``, is encoded."""
    if isinstance(schema, list):
        (present,) = (branch for branch in schema if branch != "null")
        return _optional(_encoder(present, get_args(hint)[0], named))
    if isinstance(schema, str):
        return _encoder(named[schema], hint, named) if schema in named else _primitive(schema, hint)
    match schema["type"]:
        case "array":
            return _array(_encoder(schema["items"], get_args(hint)[0], named))
        case "map" if schema["values"] == "string":
            return _encode_map
        case "record":
            return _record(schema, hint, named)
        case "fixed":
            named[schema["name"]] = schema
            return _fixed(schema["size"])
    raise NotImplementedError(f"no field of an event may have the Avro type {schema}")


def _primitive(schema: str, hint: Any) -> Encode:
    match schema:
        case "string":
            return _text if hasattr(hint, "format") and hint is not str else _string
        case "long":
            return _integer
        case "boolean":
            return _BOOLEANS.__getitem__
        case "double":
            return _double
        case "bytes":
            return lambda value: _long(len(value)) + value
    raise NotImplementedError(f"no field of an event may have the Avro type {schema}")


def _varint(value: int) -> bytes:
    rest = value << 1 if value >= 0 else (~value << 1) | 1
    encoded = []
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


_SHORT = tuple(_varint(value) for value in range(SHORT_LONGS))


def _long(value: int) -> bytes:
    return _SHORT[value] if 0 <= value < SHORT_LONGS else _varint(value)


def _integer(value: int) -> bytes:
    if not _LEAST_LONG <= value <= _GREATEST_LONG:
        raise ValueError(f"{value} does not fit 64 bits")
    return _long(value)


def _string(text: str) -> bytes:
    data = text.encode()
    return _long(len(data)) + data


_name = lru_cache(maxsize=NAMES_REMEMBERED)(_string)


@lru_cache(maxsize=NAMES_REMEMBERED)
def _text(value: Any) -> bytes:
    return _string(value.format())


def _fixed(size: int) -> Encode:
    def encode_fixed(value: bytes) -> bytes:
        if len(value) != size:
            raise ValueError(f"{len(value)} bytes where {size} are expected")
        return value

    return encode_fixed


def _optional(encode: Encode) -> Encode:
    return lambda value: b"\x00" if value is None else b"\x02" + encode(value)


def _array(encode: Encode) -> Encode:
    def encode_array(values: Any) -> bytes:
        if not values:
            return b"\x00"
        return b"".join([_long(len(values)), *map(encode, values), b"\x00"])

    return encode_array


def _encode_map(values: Any) -> bytes:
    if not values:
        return b"\x00"
    parts = [_long(len(values))]
    for key, value in values.items():
        data = value.encode()
        size = len(data)
        parts += (_name(key), _SHORT[size] if size < SHORT_LONGS else _varint(size), data)
    parts.append(b"\x00")
    return b"".join(parts)
