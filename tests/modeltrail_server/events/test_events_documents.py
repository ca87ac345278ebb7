"""Whatever the layout of a file, its documents come out as they stand; what is broken costs nothing around it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail_server.events.documents import NOT_UTF8, UTF16, Document, Refusal, decode, split, to_one_line

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=5)
BREAKS = st.sampled_from(["\n", "\r\n"])


def _layouts(objects: list[dict[str, Any]], line_break: str) -> dict[str, str]:
    compact = [json.dumps(each, ensure_ascii=False) for each in objects]
    pretty = [json.dumps(each, indent=2).replace("\n", line_break) for each in objects]
    return {
        "lines": line_break.join(compact),
        "lines, ended": "".join(each + line_break for each in compact),
        "lines with blank ones": (line_break * 2).join(compact),
        "one after the other": "".join(compact),
        "pretty": line_break.join(pretty),
        "array": "[" + ",".join(compact) + "]",
        "pretty array": json.dumps(objects, indent=4).replace("\n", line_break),
        "array of lines": f"[{line_break}" + f",{line_break}".join(compact) + f"{line_break}]{line_break}",
    }


@given(OBJECTS, BREAKS, st.booleans())
def test_every_layout_holds_the_same_documents(objects: list[dict[str, Any]], line_break: str, mark: bool) -> None:
    for layout, text in _layouts(objects, line_break).items():
        pieces = list(split("\ufeff" * mark + text))
        assert [json.loads(piece.text) for piece in pieces if isinstance(piece, Document)] == objects, layout
        assert not [piece for piece in pieces if isinstance(piece, Refusal)], layout


@given(OBJECTS.filter(bool), st.data())
def test_a_broken_line_costs_that_line_only_and_is_named(objects: list[dict[str, Any]], data: st.DataObject) -> None:
    lines = [json.dumps(each) for each in objects]
    at = data.draw(st.integers(0, len(lines)))
    broken = data.draw(st.sampled_from(['{"a": oops}', '{"a": 1', "nonsense", '{"a" 1}', '{"a": "\t"}', "}", "{,}"]))
    pieces = list(split("\n".join([*lines[:at], broken, *lines[at:]])))
    assert [json.loads(piece.text) for piece in pieces if isinstance(piece, Document)] == objects
    refusals = [piece for piece in pieces if isinstance(piece, Refusal)]
    # An object that was not closed is noticed where the next line begins.
    assert [refusal.line for refusal in refusals] in ([at + 1], [at + 2])


@pytest.mark.parametrize("array", [True, False])
def test_a_broken_document_of_several_lines_costs_only_itself(array: bool) -> None:
    good, broken = json.dumps({"a": {"b": [1]}}, indent=2), '{\n  "a": {\n    "b": oops\n  }\n}'
    documents = [good, broken, good]
    text = "[\n" + ",\n".join(documents) + "\n]" if array else "\n".join(documents)
    pieces = list(split(text))
    assert [type(piece) for piece in pieces] == [Document, Refusal, Document]
    place = text[: text.index("oops")]
    assert pieces[1][:2] == (place.count("\n") + 1, len(place) - place.rindex("\n"))


def test_an_array_that_was_cut_off_says_so_and_keeps_what_is_whole() -> None:
    pieces = list(split('[{"a": 1},\n{"b": 2}'))
    assert [type(piece) for piece in pieces] == [Document, Document, Refusal]
    assert "cut off" in pieces[2][2]


def test_a_broken_last_element_is_one_fault_and_not_two() -> None:
    assert [type(piece) for piece in split('[{"a": 1},\n{"b": oops}\n]')] == [Document, Refusal]


@pytest.mark.parametrize("layout", ["lines", "array of lines", "array"])
def test_bytes_that_are_not_utf8_cost_only_the_document_they_are_in(layout: str) -> None:
    text = _layouts([{"a": 1}, {"b": "BAD"}, {"c": "é"}], "\n")[layout]
    pieces = list(split(decode(text.encode().replace(b"BAD", b"\xff\xfe"))))
    assert [type(piece) for piece in pieces] == [Document, Refusal, Document]
    bad = text[: text.index("BAD")]
    assert pieces[1] == (bad.count("\n") + 1, len(bad) - (bad.rfind("\n") + 1) + 1, NOT_UTF8)


def test_another_encoding_is_named_as_such() -> None:
    assert list(split(decode('{"a": 1}'.encode("utf-16")))) == [Refusal(1, 1, UTF16)]


def test_nesting_without_end_is_refused_without_harm() -> None:
    pieces = list(split('{"a": 1}\n' + "[" * 100_000 + '\n{"b": 2}'))
    assert [type(piece) for piece in pieces] == [Document, Refusal, Document]
    assert pieces[1] == (2, 1, "nested too deeply")


def test_numbers_of_any_length_pass() -> None:
    number = "9" * 10_000
    assert list(split(f'{{"a": {number}}}')) == [Document(1, f'{{"a": {number}}}')]


@given(VALUES, st.sampled_from([None, 1, "\t"]), BREAKS)
def test_one_line_means_the_same_and_breaks_no_string(value: Any, indent: Any, line_break: str) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False).replace("\n", line_break)
    short = to_one_line(text)
    assert "\n" not in short
    assert "\r" not in short
    assert json.loads(short) == value


def test_one_line_keeps_the_spelling_of_numbers_and_strings() -> None:
    assert to_one_line('{\n "a": 1.0,\n "b": "x  \\n y" , "c":1E2}') == '{"a":1.0,"b":"x  \\n y","c":1E2}'
