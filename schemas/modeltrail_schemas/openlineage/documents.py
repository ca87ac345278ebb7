"""JSON documents: parsed with each number as it was spelled, their canonical form, and lenient access to their parts.

Pure. What a document means is not known here. Where one key stands twice in an object the last value counts, in what
is read as in the canonical form (RFC 8259, section 4: what most readers do). ``NaN``, ``Infinity`` and ``-Infinity``,
which Python's own writer emits, are numbers.
"""

import json
import re
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii
from typing import TypeAlias

from modeltrail_schemas.errors import InvalidEventError
from modeltrail_schemas.surrogates import encodable

MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
MAX_NESTING = 256
LONG_DIGITS = 19
_REMEDY = "send one OpenLineage event as a JSON object, in UTF-8"
_WORDS = {None: "null", True: "true", False: "false"}
_INTEGER = re.compile(rf"-?[0-9]{{1,{LONG_DIGITS}}}\Z")
_WHOLE_FLOAT = re.compile(r"-?[0-9]{1,15}\.0{1,15}\Z")


class Number:
    """A number of a JSON document, as the document spells it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


Json: TypeAlias = "dict[str, Json] | list[Json] | str | bool | Number | None"

_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=Number)


def invalid(path: str, reason: str) -> InvalidEventError:
    """Return the error that says where in a document (JSON path) it cannot be used, and why."""
    return InvalidEventError(f"not a usable OpenLineage event: {path}: {reason}", remedy=_REMEDY)


def parse(document: bytes) -> dict[str, Json]:
    """Return the object that ``document`` is. Raises InvalidEventError where it is none, with the place."""
    if len(document) > MAX_DOCUMENT_BYTES:
        raise invalid("$", f"{len(document)} bytes are more than {MAX_DOCUMENT_BYTES}")
    try:
        parsed = _DECODER.decode(document.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise invalid("$", f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise invalid("$", f"not JSON: {error.msg}, line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise invalid("$", f"nested deeper than {MAX_NESTING} levels") from error
    if not isinstance(parsed, dict):
        raise invalid("$", "not an object")
    return parsed


def canonical_form(node: Json) -> bytes:
    r"""Return the ASCII bytes that an event's id is the hash of.

    JSON without white space, the keys of each object in the order of their code points, numbers as they were
    spelled (so 1.0 is not 1), every character past ASCII as ``\uXXXX``, a character past U+FFFF as two of them.
    Raises InvalidEventError past MAX_NESTING levels.
    """
    parts: list[str] = []
    _write_canonical(node, parts, MAX_NESTING)
    return "".join(parts).encode("ascii")


def _write_canonical(node: Json, parts: list[str], levels_left: int) -> None:
    if isinstance(node, str):
        parts.append(encode_basestring_ascii(node))
    elif isinstance(node, Number):
        parts.append(node.text)
    elif not isinstance(node, dict | list):
        parts.append(_WORDS[node])
    elif levels_left == 0:
        raise invalid("$", f"nested deeper than {MAX_NESTING} levels")
    elif isinstance(node, dict):
        separator = "{"
        for key in sorted(node):
            parts.append(f"{separator}{encode_basestring_ascii(key)}:")
            _write_canonical(node[key], parts, levels_left - 1)
            separator = ","
        parts.append("}" if node else "{}")
    else:
        separator = "["
        for item in node:
            parts.append(separator)
            _write_canonical(item, parts, levels_left - 1)
            separator = ","
        parts.append("]" if node else "[]")


def object_of(node: Json) -> Mapping[str, Json]:
    """Return ``node`` if it is an object, else an empty one."""
    return node if isinstance(node, dict) else {}


def objects_of(node: Json) -> list[Mapping[str, Json]]:
    """Return the objects of a list; anything else in it, or in its place, is passed over."""
    return [item for item in node if isinstance(item, dict)] if isinstance(node, list) else []


def name_of(node: Json) -> str:
    """Return a part of a name: a string as it is, a number or a truth value as it is spelled, else empty."""
    if isinstance(node, str):
        return node
    if isinstance(node, Number):
        return node.text
    return _WORDS[node] if isinstance(node, bool) else ""


def text_of(node: Json) -> str:
    """Return plain text: as ``name_of``, and without lone surrogates."""
    return encodable(name_of(node))


def long_of(node: Json) -> int | None:
    """Return a whole number of 64 bits (also one spelled 12.0); None for anything else."""
    if not isinstance(node, Number):
        return None
    text = node.text.partition(".")[0] if _WHOLE_FLOAT.match(node.text) else node.text
    if not _INTEGER.match(text):
        return None
    value = int(text)
    return value if -(1 << 63) <= value < 1 << 63 else None


def facets_of(node: "Mapping[str, Json] | Json", key: str = "facets") -> dict[str, Mapping[str, Json]]:
    """Return the facets of a run, job or dataset by name; a facet that is null or ``_deleted`` is not there."""
    facets = object_of(node.get(key)) if isinstance(node, Mapping) else {}
    return {
        name: facet for name, facet in facets.items() if isinstance(facet, dict) and facet.get("_deleted") is not True
    }
