"""Avro binary (Avro 1.12, "Binary Encoding") to some fields of an event, having walked over all of it. Pure.

fastavro reads values to know where they end, and a projector needs few of them, but must know that the others are
there. Here the schema is compiled once, to the source of one function that steps from length to length: a fifth of
the time (docs/decisions/0017). It must not know of single fields. The tests hold it to ``codec.decode``.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, get_args, get_type_hints

Read = Callable[[bytes, int], list[Any]]
Lines = list[str]

_LONGEST_VARINT_BYTES = 10
_GREATEST_SHORT = 0x7F
_PRESENT = 2  # the index of the second branch, zigzag


def sound_reader(definition: dict[str, Any], record_type: type[Any], wanted: Collection[str]) -> Read:
    """Return the function that reads the fields ``wanted`` of a record of the schema ``definition``.

    ``wanted`` are strings, fixed, longs, bytes, arrays of strings, or [null, one of these]. The function takes the
    message and where in it the record starts, and raises ValueError or IndexError unless all of the record is there,
    is the rest of the message, and its strings are UTF-8 and, where its type has a text form, written in it.
    """
    compiler = _Compiler()
    hints = get_type_hints(record_type)
    body: Lines = ["texts, references, wanted = [], [], []"]
    for field in definition["fields"]:
        schema, hint = field["type"], hints[field["name"]]
        body += compiler.read(schema, hint) if field["name"] in wanted else compiler.walk(schema, hint)
    body += [
        _CHECK_END,
        # Joined by what is no part of a character, so that two halves do not pass for one.
        "b'\\0'.join(texts).decode()",
        "for parse, text in references: parse(text.decode())",
        "return wanted",
    ]
    source = "\n".join(["def read(data, at):", *_indented(body)])
    namespace: dict[str, Any] = {"number": _number, "size": _size, "block": _block} | compiler.parsers
    exec(source, namespace)  # noqa: S102 # made of our own schema's types, and of nothing that was read
    read: Read = namespace["read"]
    return read


class _Compiler:
    """Makes the lines that handle one value each: they move ``at`` past it, and append what they find to lists."""

    def __init__(self) -> None:
        self.parsers: dict[str, Any] = {}
        self._named: dict[str, Any] = {}

    def read(self, schema: Any, hint: Any) -> Lines:
        """Return the lines that append the value, as its type, to ``wanted``."""
        if isinstance(schema, list):
            present = _indented(self.read(_present(schema), get_args(hint)[0]))
            return [*_NEXT, "if n:", f"    {_CHECK_BRANCH}", *present, "else: wanted.append(None)"]
        match _type(schema):
            case "string":
                parse = self._parser(hint)
                return _bytes(f"wanted.append({parse}(data[at:end].decode()))" if parse else _APPEND_TEXT)
            case "bytes":
                return _bytes("wanted.append(data[at:end])")
            case "fixed":
                self._named[schema["name"]] = schema
                return [f"end = at + {schema['size']}", "wanted.append(data[at:end])", "at = end"]
            case "long":
                return ["n, at = number(data, at)", "wanted.append(n >> 1 ^ -(n & 1))"]
            case "array" if (parse := self._parser(get_args(hint)[0])) and schema["items"] == "string":
                item = _bytes(f"items.append({parse}(data[at:end].decode()))")
                return ["items = []", *_blocks("count", item), "wanted.append(tuple(items))"]
        raise NotImplementedError(f"no wanted field of an event may have the Avro type {schema}")

    def walk(self, schema: Any, hint: Any, depth: int = 0) -> Lines:
        """Return the lines that step over the value; what must be UTF-8 or a text form is kept for the end."""
        if isinstance(schema, list):
            present = _indented(self.walk(_present(schema), get_args(hint)[0], depth))
            return [*_NEXT, "if n:", f"    {_CHECK_BRANCH}", *present]
        schema = self._named.get(schema, schema) if isinstance(schema, str) else schema
        match _type(schema):
            case "string":
                parse = self._parser(hint)
                keep = f"references.append(({parse}, data[at:end]))" if parse else "texts.append(data[at:end])"
                return [*_NEXT, "if n:", *_indented([*_END, keep, "at = end"])]
            case "bytes":
                return _bytes("")
            case "long":
                return [f"while data[at] > {_GREATEST_SHORT}: at += 1", "at += 1"]
            case "boolean":
                return ["at += 1"]
            case "double":
                return ["at += 8"]
            case "fixed":
                self._named[schema["name"]] = schema
                return [f"at += {schema['size']}"]
            case "record":
                self._named[schema["name"]] = schema
                hints = get_type_hints(hint)
                parts = (self.walk(field["type"], hints[field["name"]], depth) for field in schema["fields"])
                return [line for part in parts for line in part]
            case "array":
                return _blocks(f"count{depth}", self.walk(schema["items"], get_args(hint)[0], depth + 1))
            case "map":
                entry = [*self.walk("string", str), *self.walk(schema["values"], str, depth + 1)]
                return _blocks(f"count{depth}", entry)
        raise NotImplementedError(f"no field of an event may have the Avro type {schema}")

    def _parser(self, hint: Any) -> str:
        """Return the name in the source of what parses a value of this type; empty where a text is one."""
        if not hasattr(hint, "parse"):
            return ""
        name = f"parse_{hint.__name__}"
        self.parsers[name] = hint.parse
        return name


_CHECK_END = "if at != len(data): raise ValueError(f'{len(data) - at} bytes follow the record, or lack')"
_NEXT = ["n = data[at]", "at += 1"]
_CHECK_BRANCH = f"if n != {_PRESENT}: raise ValueError(f'no branch has the index {{n}}')"
_END = [
    f"if n > {_GREATEST_SHORT} or n & 1:",
    f"    if n & 1 or data[at] > {_GREATEST_SHORT}: n, at = size(data, at - 1)",
    f"    else: n, at = n & {_GREATEST_SHORT} | data[at] << 7, at + 1",
    "end = at + (n >> 1)",
]
_APPEND_TEXT = "wanted.append(data[at:end].decode())"


def _bytes(keep: str) -> Lines:
    return [*_NEXT, *_END, *([keep] if keep else []), "at = end"]


def _blocks(count: str, item: Lines) -> Lines:
    """Return the lines that repeat ``item`` for an array or map: blocks, each with its count, up to an empty one."""
    first = [f"if n > {_GREATEST_SHORT} or n & 1: n, at = block(data, at - 1)", f"{count} = n >> 1"]
    return [
        *_NEXT,
        "while n:",
        *_indented([*first, f"while {count}:", *_indented([f"{count} -= 1", *item]), *_NEXT]),
    ]


def _indented(lines: Iterable[str]) -> Lines:
    return [f"    {line}" for line in lines]


def _present(union: list[Any]) -> Any:
    (present,) = union[1:]
    return present


def _type(schema: Any) -> str:
    return schema if isinstance(schema, str) else schema["type"]


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at ``at``, zigzag, and where the next value starts. Raises ValueError, IndexError."""
    number = shift = 0
    for place in range(at, at + _LONGEST_VARINT_BYTES):
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte <= _GREATEST_SHORT and number < 1 << 64:
            return number, place + 1
        shift += 7
    raise ValueError("a number does not fit 64 bits")


def _size(data: bytes, at: int) -> tuple[int, int]:
    """Return twice the number of bytes that follow, and where they start. Raises ValueError, IndexError."""
    number, at = _number(data, at)
    if number & 1:
        raise ValueError("a size is below 0")
    return number, at


def _block(data: bytes, at: int) -> tuple[int, int]:
    """Return twice the count of items of the block at ``at``, and where they start. One below 0 tells bytes too."""
    number, at = _number(data, at)
    if number & 1:
        _, at = _number(data, at)
        number += 1
    return number, at
