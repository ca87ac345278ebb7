"""A file's text to the JSON documents in it: JSON lines, one document, several, or an array of them. Pure.

Each document is a slice of the text as it stands, so that what is kept is what came. What is no JSON, or no UTF-8,
is named with its line and column, and reading goes on at the next line that begins as the documents before did.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

UTF16 = "UTF-16: save the file as UTF-8"
NOT_UTF8 = "not UTF-8: save the file in that encoding"

_SPACE = re.compile(r"[ \t\r\n]*")
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[ \t\r\n]+', re.DOTALL)
_BAD_BYTE = re.compile("[\udc80-\udcff]")  # as "surrogateescape" decodes a byte that is not UTF-8
_UTF16_MARKS = ("\udcff\udcfe", "\udcfe\udcff")
# Numbers stay text: nothing is computed with them here, and Python refuses to convert very long ones.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=True)


class Document(NamedTuple):
    """One JSON document of a file and the line (from 1) on which it starts."""

    line: int
    text: str


class Refusal(NamedTuple):
    """What of a file cannot be taken: where (line and column from 1; column 0: the whole document), and why."""

    line: int
    column: int
    reason: str


def decode(data: bytes) -> str:
    """Return the text of ``data`` for ``split``, in which bytes that are not UTF-8 stay recognisable."""
    return data.decode("utf-8", "surrogateescape")


def split(text: str) -> Iterator[Document | Refusal]:
    """Yield the documents of ``text`` in order, and a refusal for each stretch that cannot be one."""
    text = text.removeprefix("\ufeff")
    lines = _LineCounter(text)
    at = _end(_SPACE, text, 0)
    in_array, lost_end = text.startswith("[", at), False
    if in_array:
        at = _end(_SPACE, text, at + 1)
    between = _BETWEEN if in_array else _SPACE
    indent = at - (text.rfind("\n", 0, at) + 1)
    while at < len(text):
        if in_array and text[at] == "]":
            in_array, between, at = False, _SPACE, _end(_SPACE, text, at + 1)
            continue
        try:
            _, end = _DECODER.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError) as error:
            place = min(error.pos, len(text)) if isinstance(error, json.JSONDecodeError) else at
            yield Refusal(*lines.place(place), _reason(text, place, error))
            at = _next_start(text, at, indent)
            lost_end = at == len(text)
            continue
        if bad := _BAD_BYTE.search(text, at, end):
            yield Refusal(*lines.place(bad.start()), NOT_UTF8)
        else:
            yield Document(lines.place(at)[0], text[at:end])
        at = _end(between, text, end)
    if in_array and not lost_end:
        yield Refusal(*lines.place(len(text)), "the array is not closed: the file may be cut off")


def to_one_line(document: str) -> str:
    """Return a JSON document on one line: space between tokens is left out where there is a line break, else kept."""
    if "\n" not in document and "\r" not in document:
        return document
    return _TOKEN.sub(lambda match: match[0] if match[0].startswith('"') else "", document)


class _LineCounter:
    """Lines and columns of ascending places, each newline counted once."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._line = text, 0, 1

    def place(self, at: int) -> tuple[int, int]:
        """Return line and column, from 1."""
        if at < self._at:
            return self._text.count("\n", 0, at) + 1, at - (self._text.rfind("\n", 0, at) + 1) + 1
        self._line += self._text.count("\n", self._at, at)
        self._at = at
        return self._line, at - (self._text.rfind("\n", 0, at) + 1) + 1


def _reason(text: str, place: int, error: json.JSONDecodeError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if text.startswith(_UTF16_MARKS):
        return UTF16
    if _BAD_BYTE.match(text, place):
        return NOT_UTF8
    return f"not JSON: {error.msg.removesuffix(' at')}"


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _next_start(text: str, at: int, indent: int) -> int:
    """Return where the next line begins that is indented as the first document was and opens an object."""
    match = re.compile(rf"\n[ \t]{{{indent}}}(?=\{{)").search(text, at)
    return match.end() if match else len(text)
