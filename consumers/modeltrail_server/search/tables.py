"""The tables of the search index, one set beside each generation's own: dropped with it, as their prefix says."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, Table

from modeltrail_server.projection.tables import AnyText

INDEX_VERSION = 4


@dataclass(frozen=True)
class SearchTables:
    """The tables of one generation. Columns are those of the rows in rows.py."""

    metadata: MetaData
    value: Table
    key: Table
    position: Table
    column: Table
    run: Table
    waiting: Table


def older_tables(tables: SearchTables, names: Iterable[str]) -> list[str]:
    """Return which of ``names`` are of the same generation's index in a shape that it had before."""
    generation, _, _ = tables.value.name.partition("_")
    found = re.compile(rf"{generation}_search(\d+)_\w+")
    return sorted(name for name in names if (match := found.fullmatch(name)) and int(match[1]) < INDEX_VERSION)


@lru_cache(maxsize=16)
def search_tables_of(generation: int) -> SearchTables:
    """Return the search tables of ``generation``."""
    metadata, prefix = MetaData(), f"g{generation}_search{INDEX_VERSION}_"

    def table(name: str, *columns: Column[Any] | Index) -> Table:
        return Table(prefix + name, metadata, *columns, sqlite_with_rowid=False)

    number = Column("number", Double, nullable=True)
    # A value is found by its number, else by its text: each row is in one index of the two, whole. Both go on by
    # time, so of runs with one value the latest are read first.
    as_number, as_text = number.is_not(None), number.is_(None)
    by_number, by_text = f"{prefix}value_by_number", f"{prefix}value_by_text"
    return SearchTables(
        metadata=metadata,
        value=table(
            "value",
            Column("run_key", LargeBinary(16), primary_key=True),
            Column("key_id", BigInteger, primary_key=True, autoincrement=False),
            Column("place", Integer, primary_key=True, autoincrement=False),
            Column("text", AnyText, nullable=False),
            number,
            Column("started_ns", BigInteger, nullable=False),
            Index(
                by_number,
                *("key_id", "number", "started_ns", "run_key", "text"),
                postgresql_where=as_number,
                sqlite_where=as_number,
            ),
            Index(
                by_text,
                *("key_id", "text", "started_ns", "run_key", "number"),
                postgresql_where=as_text,
                sqlite_where=as_text,
            ),
        ),
        key=table(
            "key",
            Column("key_id", BigInteger, primary_key=True, autoincrement=False),
            Column("kind", AnyText, nullable=False),
            Column("name", AnyText, nullable=False),
        ),
        position=table(
            "position",
            Column("partition", Integer, primary_key=True, autoincrement=False),
            Column("next_offset", BigInteger, nullable=False),
        ),
        # Of the run of ordinal n, column n // 8,192 of each key has the code at place n % 8,192: see columns.py.
        column=table(
            "column",
            Column("key_id", BigInteger, primary_key=True, autoincrement=False),
            Column("number", Integer, primary_key=True, autoincrement=False),
            Column("version", BigInteger, nullable=False),
            Column("least", Double, nullable=True),
            Column("largest", Double, nullable=True),
            Column("edges", LargeBinary, nullable=False),
            Column("texts", LargeBinary, nullable=False),
            Column("text_edges", LargeBinary, nullable=False),
            Column("ends", LargeBinary, nullable=False),
            Column("planes", Integer, nullable=False),
            Column("codes", LargeBinary, nullable=False),
            Index(f"{prefix}column_by_number", "number", "key_id"),
            # What is kept of them is compared with these alone, which lie together.
            Index(f"{prefix}column_versions", "key_id", "number", "version", "least", "largest"),
        ),
        run=table(
            "run",
            Column("ordinal", Integer, primary_key=True, autoincrement=False),
            Column("run_key", LargeBinary(16), nullable=False),
            Index(f"{prefix}run_by_key", "run_key", "ordinal", unique=True),
        ),
        # Runs whose codes are not, or no longer, in the columns: few, so each is looked at.
        waiting=table("waiting", Column("run_key", LargeBinary(16), primary_key=True)),
    )
