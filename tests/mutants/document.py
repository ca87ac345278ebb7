"""The tables of docs/guarantees.md, from guards.py: ``python -m mutants.document`` from tests/ writes them anew."""

import re
from pathlib import Path

from mutants.guards import GUARDS, Guard

DOCUMENT = Path(__file__).parents[2] / "docs" / "guarantees.md"
_TABLE = re.compile(r"(<!-- guards of promise (\d) -->\n).*?(<!-- end of guards -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """Return the document with every table as guards.py has it."""
    return _TABLE.sub(lambda match: f"{match[1]}{_table(int(match[2]))}{match[3]}", text)


def _table(promise: int) -> str:
    rows = ["| what keeps it | where | the test that fails without it |", "|---|---|---|"]
    rows += [_row(guard) for guard in GUARDS if guard.promise == promise]
    return "\n".join(rows) + "\n"


def _row(guard: Guard) -> str:
    tests = ", ".join(f"`{_short(test)}`" for test in guard.tests)
    return f"| {guard.what} | `{guard.file.split('/', 1)[1]}` | {tests} |"


def _short(test: str) -> str:
    file, _, name = test.partition("::")
    return f"{Path(file).name} {name.partition('[')[0]}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text("utf-8")), "utf-8")
