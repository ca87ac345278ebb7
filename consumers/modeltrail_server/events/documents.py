"""A file's text to the JSON documents in it: JSON lines, one document, several, or an array of them. Pure.

Each document is a slice of the text as it stands, so that what is kept is what came. What is no JSON is named with
its line and column, and reading goes on at the next line that begins as the documents before did.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

_SPACE = re.compile(r"[ \t\r\n]*")
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[ \t\r\n]+', re.DOTALL)
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


def split(text: str) -> Iterator[Document | Refusal]:
    """Yield the documents of ``text`` in order, and a refusal for each stretch that is no JSON."""
    text = text.removeprefix("\ufeff")
    lines = _LineCounter(text)
    at = _end(_SPACE, text, 0)
    in_array = text.startswith("[", at)
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
            place = error.pos if isinstance(error, json.JSONDecodeError) else at
            reason = error.msg.removesuffix(" at") if isinstance(error, json.JSONDecodeError) else "nested too deeply"
            yield Refusal(*lines.place(min(place, len(text))), f"not JSON: {reason}")
            at = _next_start(text, at, indent)
            continue
        yield Document(lines.place(at)[0], text[at:end])
        at = _end(between, text, end)
    if in_array:
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


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _next_start(text: str, at: int, indent: int) -> int:
    """Return where the next line begins that is indented as the first document was and opens an object."""
    match = re.compile(rf"\n[ \t]{{{indent}}}(?=\{{)").search(text, at)
    return match.end() if match else len(text)
