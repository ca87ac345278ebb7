"""What the statements are built of: lists, limits, and the memory that builds each once."""

from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, bindparam

STATEMENTS_REMEMBERED = 256
remembered = lru_cache(maxsize=STATEMENTS_REMEMBERED)


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Return the condition that ``column`` is one of the list bound as ``name``."""
    return column.in_(bindparam(name, expanding=True))


def row_limit() -> BindParameter[int]:
    """Return how many rows to read at most, bound as ``row_limit``."""
    return bindparam("row_limit", type_=None)
