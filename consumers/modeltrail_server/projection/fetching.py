"""How a statement is run: SQLAlchemy writes its text once for each number of keys, the driver runs that.

Run through SQLAlchemy, a statement costs the processor eight times what the driver needs for it. Lists are bound in
powers of two, so that few texts are made here, kept by SQLite and prepared by PostgreSQL, which plans each but once
for a connection.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect
from sqlalchemy.engine import make_url
from sqlalchemy.sql.selectable import SelectBase

from modeltrail_server.projection.tables import ESCAPE, AnyText, escape_text, unescape_text

TEXTS_REMEMBERED = 1_024
Rows = list[Sequence[Any]]
# What is bound stands by its place: drivers look for names anew each time that a statement is run.
_DRIVERS = {"sqlite": ("sqlite", "qmark"), "postgresql": ("postgresql+psycopg", "numeric_dollar")}


class StatementText(NamedTuple):
    """The text of a statement, and what it binds.

    ``places`` are in order: the name of each value, and how long it is if it is a list, else 0. ``constants`` are
    values of its own. ``texts`` are the columns of the result that hold any text (see tables.AnyText).
    """

    sql: str
    places: Sequence[tuple[str, int]]
    constants: Mapping[str, object]
    texts: Sequence[int]


def fetch(connection: Connection, statement: SelectBase, parameters: Mapping[str, object]) -> Rows:
    """Return the rows of ``statement``, read in the transaction of ``connection``, which is begun if it has none.

    A parameter that is a list holds one value at least, and stands in an ``IN``. Raises what the driver raises (see
    engine.explained).
    """
    return fetch_together(connection, [(statement, parameters)])[0]


def fetch_together(
    connection: Connection, questions: Sequence[tuple[SelectBase, Mapping[str, object]]]
) -> list[Rows]:
    """Return the rows of each of several statements, asked in one round trip where the database is not in here."""
    if not questions:
        return []
    if not connection.in_transaction():
        connection.begin()
    texts = [text_of(connection.dialect.name, *question) for question in questions]
    bounds = [bound(text, parameters) for text, (_, parameters) in zip(texts, questions, strict=True)]
    driver_connection: Any = connection.connection.driver_connection
    fetch_all = _fetch_postgresql if connection.dialect.name == "postgresql" else _fetch_sqlite
    found = fetch_all(driver_connection, [text.sql for text in texts], bounds)
    return [_with_any_text(rows, text.texts) for rows, text in zip(found, texts, strict=True)]


def end_reading(connection: Connection) -> None:
    """Commit a transaction of PostgreSQL that only read; one that failed is left to be rolled back.

    At a rollback the driver forgets, and has the server forget, every statement that was prepared.
    """
    driver_connection: Any = connection.connection.driver_connection
    if driver_connection.info.transaction_status.name == "INTRANS":
        connection.commit()


def text_of(dialect_name: str, statement: SelectBase, parameters: Mapping[str, object]) -> StatementText:
    """Return the text of ``statement`` for lists as long as those in ``parameters``, or somewhat longer."""
    sizes = tuple((name, _room_for(len(value))) for name, value in parameters.items() if isinstance(value, list))
    return _text_of(dialect_name, statement, sizes)


def bound(text: StatementText, parameters: Mapping[str, object]) -> list[object]:
    """Return ``parameters`` in their places in the text; room left in a list is filled with its last value."""
    values: list[object] = []
    for name, length in text.places:
        value = text.constants[name] if name in text.constants else parameters[name]
        if isinstance(value, list):
            items = list(map(escape_text, value)) if isinstance(value[-1], str) else value
            values += items
            values += items[-1:] * (length - len(items))
        else:
            values.append(escape_text(value) if isinstance(value, str) else value)
    return values


def _fetch_sqlite(driver_connection: Any, texts: Sequence[str], bounds: Sequence[list[object]]) -> list[Rows]:
    return [driver_connection.execute(sql, values).fetchall() for sql, values in zip(texts, bounds, strict=True)]


def _fetch_postgresql(driver_connection: Any, texts: Sequence[str], bounds: Sequence[list[object]]) -> list[Rows]:
    from psycopg import RawCursor  # loaded only where it is used

    cursors = [RawCursor(driver_connection) for _ in texts]
    with driver_connection.pipeline() if len(texts) > 1 else nullcontext():
        for cursor, sql, values in zip(cursors, texts, bounds, strict=True):
            cursor.execute(sql, values, prepare=True, binary=True)
        return [cursor.fetchall() for cursor in cursors]


@lru_cache(maxsize=TEXTS_REMEMBERED)
def _text_of(dialect_name: str, statement: SelectBase, sizes: tuple[tuple[str, int], ...]) -> StatementText:
    compiled = statement.compile(dialect=_dialect(dialect_name))
    expanded = compiled.construct_expanded_state({**compiled.params, **{name: [None] * size for name, size in sizes}})
    lists = {items[0]: name for name, items in expanded.parameter_expansion.items()}
    others = {item for items in expanded.parameter_expansion.values() for item in items[1:]}
    room, bound_at = dict(sizes), [item for item in expanded.positiontup or () if item not in others]
    columns = enumerate(statement.selected_columns)
    return StatementText(
        sql=expanded.statement,
        places=[(lists.get(item, item), room.get(lists.get(item, item), 0)) for item in bound_at],
        constants={name: value for name, value in compiled.params.items() if value is not None},
        texts=[index for index, column in columns if isinstance(column.type, AnyText)],
    )


@lru_cache(maxsize=len(_DRIVERS))
def _dialect(name: str) -> Dialect:
    """Return the dialect that the texts are written in: one, since it remembers which names need quotes."""
    driver, paramstyle = _DRIVERS[name]
    make_dialect: Callable[..., Dialect] = make_url(f"{driver}://").get_dialect()
    return make_dialect(paramstyle=paramstyle)


def _room_for(count: int) -> int:
    """Return the power of two that holds ``count``."""
    return 1 << (count - 1).bit_length()


def _with_any_text(rows: Rows, columns: Sequence[int]) -> Rows:
    """Return ``rows`` with what stands escaped in text ``columns`` as it was: rarely anything is."""
    texts = (filter(None, map(itemgetter(column), rows)) for column in columns)
    if ESCAPE not in "".join(chain.from_iterable(texts)):
        return rows
    return [
        [unescape_text(value) if index in columns and value is not None else value for index, value in enumerate(row)]
        for row in rows
    ]
