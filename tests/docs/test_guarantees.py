"""What docs/guarantees.md says of lines and tests is so: each line is there, each test exists."""

import re
from pathlib import Path

import pytest
from mutants.document import DOCUMENT, with_tables
from mutants.guards import GUARDS, Guard

ROOT = Path(__file__).parents[2]


def test_the_tables_are_those_of_the_guards() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert text == with_tables(text), "write them anew: cd tests && python -m mutants.document"
    assert text.count("<!-- guards of promise") == len({guard.promise for guard in GUARDS})


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.what)
def test_a_guard_is_one_place_in_the_code_and_has_tests(guard: Guard) -> None:
    text = (ROOT / guard.file).read_text("utf-8")
    assert text.count(guard.line) == 1
    compile(text.replace(guard.line, guard.without), guard.file, "exec")
    assert guard.tests
    for test in guard.tests:
        file, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text("utf-8")


def test_every_file_that_is_named_is_there() -> None:
    for name in re.findall(r"`((?:tests|docs)/[\w./-]+)`", DOCUMENT.read_text("utf-8")):
        assert (ROOT / name).exists(), name


def test_every_fault_names_the_promise_it_defends() -> None:
    files = sorted((ROOT / "tests" / "faults").glob("test_*.py"))
    assert files
    for file in files:
        assert re.match(r'"""Promises? [1-5]', file.read_text("utf-8")), file.name
        assert file.name in DOCUMENT.read_text("utf-8"), file.name
