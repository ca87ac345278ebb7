"""The SQL by which rows merge into the rows that are there: the choices of merge.py, for both databases. No I/O."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Insert, Table

from modeltrail_server.projection.merge import CONTENT, ENTITY, RUN, Choice, Merging, Rows
from modeltrail_server.projection.tables import AnyText, Tables, escape_text


def merged_tables(tables: Tables, rows: Rows) -> tuple[tuple[Table, Merging, Sequence[tuple[Any, ...]]], ...]:
    """Return each table whose rows merge, how they do, and those of ``rows`` that go to it."""
    return (
        (tables.run, RUN, rows.runs),
        (tables.entity, ENTITY, rows.entities),
        (tables.content, CONTENT, rows.contents),
    )


def column_names(table: Table) -> str:
    """Return the table's columns, in order, as SQL."""
    return ", ".join(map(quote, table.columns.keys()))


def quote(name: str) -> str:
    """Return an identifier of ours as SQL: both databases quote alike, and ours hold no quotes."""
    return f'"{name}"'


def on_conflict(table: Table, merging: Merging) -> str:
    """Return the ON CONFLICT clause by which a new row (``excluded``) merges into the one that is there."""
    key = ", ".join(quote(column.name) for column in table.primary_key.columns)
    conditions = [(choice, _prefers(table, choice)) for choice in merging.choices]
    if len(conditions) == 1:
        assignments = [f"{quote(column)} = excluded.{quote(column)}" for column in merging.choices[0].columns]
    else:
        assignments = [
            f"{quote(column)} = CASE WHEN {condition} THEN excluded.{quote(column)} ELSE {_there(table, column)} END"
            for choice, condition in conditions
            for column in choice.columns
        ]
    changes = " OR ".join(f"({condition})" for _, condition in conditions)
    return f"ON CONFLICT ({key}) DO UPDATE SET {', '.join(assignments)} WHERE {changes}"


def insert_unless_there(connection: Connection, table: Table) -> Insert:
    """Return an INSERT that leaves a row alone whose key is there, in the words of the connection's database."""
    # Each dialect is loaded only where its database is used: PostgreSQL's takes 60 ms.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()


def escaped_rows(table: Table, rows: Sequence[tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
    """Return ``rows``; a row is copied only where a text of it needs escaping."""
    indices = _text_indices(table)
    together = "".join([row[index] for index in indices for row in rows])
    return rows if together.isascii() and "\0" not in together else _escaped(rows, indices)


def _escaped(rows: Iterable[tuple[Any, ...]], indices: Sequence[int]) -> Iterable[tuple[Any, ...]]:
    for row in rows:
        for index in indices:
            text = row[index]
            if not text.isascii() or "\0" in text:
                copy = list(row)
                for each in indices:
                    copy[each] = escape_text(copy[each])
                yield tuple(copy)
                break
        else:
            yield row


@lru_cache(maxsize=64)
def _text_indices(table: Table) -> tuple[int, ...]:
    """Return the indices of the columns that hold any text, which must be escaped."""
    return tuple(index for index, column in enumerate(table.columns) if isinstance(column.type, AnyText))


def _prefers(table: Table, choice: Choice) -> str:
    """Return the condition that Choice.prefers computes, as SQL."""
    new = ", ".join(f"excluded.{quote(column)}" for column in choice.by)
    there = ", ".join(_there(table, column) for column in choice.by)
    condition = f"({new}) {'>' if choice.greatest else '<'} ({there})"
    last = choice.by[-1]
    if not table.columns[last].nullable:
        return condition
    missing = f"{_there(table, last)} IS NULL AND excluded.{quote(last)} IS NOT NULL"
    return f"coalesce({condition}, {missing})"


def _there(table: Table, column: str) -> str:
    return f"{quote(table.name)}.{quote(column)}"
