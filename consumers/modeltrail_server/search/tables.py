"""The tables of the search index, one set beside each generation's own: dropped with it, as their prefix says."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, Table

from modeltrail_server.projection.tables import AnyText

INDEX_VERSION = 1


@dataclass(frozen=True)
class SearchTables:
    """The tables of one generation. Columns are those of the rows in rows.py."""

    metadata: MetaData
    parameter: Table
    metric: Table
    tag: Table
    position: Table


@lru_cache(maxsize=16)
def search_tables_of(generation: int) -> SearchTables:
    """Return the search tables of ``generation``."""
    metadata, prefix = MetaData(), f"g{generation}_search{INDEX_VERSION}_"

    def key(name: str) -> Column[bytes]:
        return Column(name, LargeBinary(16), primary_key=True)

    def table(name: str, *columns: Column[Any] | Index) -> Table:
        return Table(prefix + name, metadata, *columns, sqlite_with_rowid=False)

    def text(name: str, *, primary_key: bool = False) -> Column[str]:
        return Column(name, AnyText, primary_key=primary_key, nullable=False)

    def started() -> Column[int]:
        return Column("started_ns", BigInteger, nullable=False)

    return SearchTables(
        metadata=metadata,
        parameter=table(
            "parameter",
            key("run_key"),
            text("name", primary_key=True),
            text("text"),
            Column("number", Double, nullable=True),
            started(),
            Index(f"{prefix}parameter_by_text", "name", "text", "run_key"),
            Index(f"{prefix}parameter_by_number", "name", "number", "run_key"),
        ),
        metric=table(
            "metric",
            key("run_key"),
            text("name", primary_key=True),
            text("dataset", primary_key=True),
            Column("value", Double, nullable=True),
            started(),
            Index(f"{prefix}metric_by_value", "name", "value", "run_key"),
        ),
        tag=table(
            "tag",
            key("run_key"),
            text("name", primary_key=True),
            text("text"),
            started(),
            Index(f"{prefix}tag_by_text", "name", "text", "run_key"),
        ),
        position=table(
            "position",
            Column("partition", Integer, primary_key=True, autoincrement=False),
            Column("next_offset", BigInteger, nullable=False),
        ),
    )
