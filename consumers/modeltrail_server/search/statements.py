"""Meanings as SQL: which rows of the index a condition means, and which runs satisfy a tree. Runs nothing.

A condition is a *range*, if one of its tests is answered by an index, or a *probe* by a run's key. A search reads a
range from its beginning, or gathers a small one and probes the rest of each run in it: one statement.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
    LargeBinary,
    Select,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy import cast as cast_to

from modeltrail_server.queries.named_things import LAST_CHARACTER
from modeltrail_server.queries.statements.parts import among, remembered, row_limit
from modeltrail_server.search.expression import ORDERED
from modeltrail_server.search.meaning import BEGINS, Condition, Conjunction, Meaning, Negation, Test, prefix_of
from modeltrail_server.search.rows import PARAM, Key, number_of
from modeltrail_server.search.tables import SearchTables

_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "in": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMERIC_BEGINNINGS = tuple("-0123456789")


@dataclass(frozen=True, slots=True)
class Range:
    """Rows of one key: those for which all ``tests`` hold; of ``tests`` one at least is answered by an index.

    ``one_value``: all rows have the same value, so the index has them in the order of time.
    """

    key: Key
    tests: tuple[Test, ...] = ()

    @property
    def one_value(self) -> bool:
        """Return whether the rows are of one value."""
        return any(test.operator in ("=", "in") and len(test.values) == 1 for test in self.tests)


@remembered
def told(tables: SearchTables) -> Select[Any]:
    """Select (run_key, key_id, text, number, started_ns) of the runs :keys under the keys :key_ids, as told."""
    value = tables.value
    columns = (value.c.run_key, value.c.key_id, value.c.text, value.c.number, value.c.started_ns)
    return (
        select(*columns)
        .where(among(value.c.run_key, "keys"), among(value.c.key_id, "key_ids"))
        .order_by(value.c.place)
    )


@remembered
def told_of_waiting(tables: SearchTables, dialect: str) -> Select[Any]:
    """Select the same as ``told`` of the runs that wait for their codes, up to :row_limit, under the keys :key_ids.

    For PostgreSQL they are an array: of a list of unknown length it might make a join that reads a key's every row.
    """
    value = tables.value
    columns = (value.c.run_key, value.c.key_id, value.c.text, value.c.number, value.c.started_ns)
    waiting = select(tables.waiting.c.run_key).limit(row_limit())
    if dialect == "postgresql":
        is_waiting = value.c.run_key == any_(func.array(waiting.scalar_subquery(), type_=ARRAY(LargeBinary)))
    else:
        is_waiting = value.c.run_key.in_(waiting)
    return select(*columns).where(is_waiting, among(value.c.key_id, "key_ids")).order_by(value.c.place)


@remembered
def told_of_ordinals(tables: SearchTables, dialect: str) -> Select[Any]:
    """Select the same as ``told``, and the ordinal, of the runs :ordinals (on PostgreSQL one text).

    The driver of PostgreSQL reads a statement with many parameters anew each time, which takes it a millisecond.
    """
    value, run = tables.value, tables.run
    columns = (value.c.run_key, value.c.key_id, value.c.text, value.c.number, value.c.started_ns, run.c.ordinal)
    joined = run.join(value, run.c.run_key == value.c.run_key)
    is_run = among(run.c.ordinal, "ordinals")
    if dialect == "postgresql":
        is_run = run.c.ordinal == any_(cast_to(func.string_to_array(bindparam("ordinals"), ","), ARRAY(Integer)))
    is_asked = is_run & among(value.c.key_id, "key_ids")
    return select(*columns).select_from(joined).where(is_asked).order_by(value.c.place)


@remembered
def runs_numbered(tables: SearchTables) -> Select[Any]:
    """Select (run_key, started_ns) of runs with a number from :least to :most under the key :key_id: :row_limit."""
    value = tables.value
    is_between = (value.c.number >= bindparam("least"), value.c.number <= bindparam("most"))
    numbered = select(value.c.run_key, value.c.started_ns).where(value.c.key_id == bindparam("key_id"), *is_between)
    return numbered.limit(row_limit())


@remembered
def runs_written(tables: SearchTables, ranges: int) -> CompoundSelect[Any]:
    """Select (run_key, started_ns) of runs with a text in one of the ``ranges`` under the key :key_id: :row_limit.

    Range n is from :least_n to :greatest_n.
    """
    value = tables.value
    written = select(value.c.run_key, value.c.started_ns)
    written = written.where(value.c.key_id == bindparam("key_id"), value.c.number.is_(None))
    parts = (
        written.where(value.c.text >= bindparam(f"least_{place}"), value.c.text <= bindparam(f"greatest_{place}"))
        for place in range(ranges)
    )
    return union_all(*parts).limit(row_limit())


def range_of(meaning: Meaning) -> Range | None:
    """Return the rows that ``meaning`` means, where an index has them together."""
    if isinstance(meaning, Condition) and any(_is_indexed(meaning.key, test) for test in meaning.tests):
        return Range(meaning.key, meaning.tests)
    return None


class Catalogue:
    """The tables of one generation's index, as a search sees them."""

    def __init__(self, tables: SearchTables, dialect: str) -> None:
        self._value, self._dialect = tables.value, dialect

    def counted(self, ranges: Iterable[Range]) -> Select[Any]:
        """Count the rows of each range, no further than :row_limit: one row of as many numbers."""
        return select(*(self._counted(rows).scalar_subquery() for rows in ranges))

    def _counted(self, rows: Range) -> Select[Any]:
        value = self._value
        within: Select[Any] = select(literal_column("1")).select_from(value).where(self._within(rows, value))
        return select(func.count()).select_from(within.limit(row_limit()).subquery())

    def walked(self, rows: Range, *, by_number: bool, descending: bool) -> Select[Any]:
        """Select (run_key, number) of :row_limit rows of a range, in the order of numbers, else of time."""
        value = self._value
        order = (value.c.number,) * by_number + (value.c.started_ns, value.c.run_key)
        walk = select(value.c.run_key, value.c.number).where(self._within(rows, value))
        return walk.order_by(*(column.desc() if descending else column for column in order)).limit(row_limit())

    def gathered(self, rows: Range, rest: Meaning, best_of: Key | None, *, descending: bool) -> Select[Any]:
        """Select (run_key, number, started_ns) of all rows of a range whose runs satisfy ``rest``, in no order.

        ``number`` is the best under ``best_of``, null where there is none.
        """
        value = self._value
        seen = select(value.c.run_key, value.c.started_ns).where(self._within(rows, value)).subquery("seen")
        best: ColumnElement[Any] = literal_column("NULL")
        if best_of is not None:
            other = value.alias("best")
            extreme = func.max(other.c.number) if descending else func.min(other.c.number)
            own = select(extreme).where(other.c.run_key == seen.c.run_key, other.c.key_id == best_of.id)
            best = own.scalar_subquery()
        return select(seen.c.run_key, best, seen.c.started_ns).where(self._condition(rest, seen))

    def _within(self, rows: Range, value: FromClause) -> ColumnElement[bool]:
        """Return what a row of the range is: for each test, in the words of the index that answers it."""
        key = rows.key
        tests = [
            and_(_indexed(value, key, test), self._holds(test, value))
            if _is_indexed(key, test)
            else self._holds(test, value)
            for test in rows.tests
        ]
        return and_(value.c.key_id == key.id, *(tests or [value.c.number.is_not(None)]))

    def _condition(self, meaning: Meaning, seen: FromClause) -> ColumnElement[bool]:
        if isinstance(meaning, Condition):
            return self._probe(meaning, seen)
        if isinstance(meaning, Negation):
            return not_(self._condition(meaning.operand, seen))
        conditions = [self._condition(operand, seen) for operand in meaning.operands]
        return (
            reduce(operator.and_ if isinstance(meaning, Conjunction) else operator.or_, conditions)
            if conditions
            else true()
        )

    def _probe(self, condition: Condition, seen: FromClause) -> ColumnElement[bool]:
        """Return whether a run has such a value, as a subquery of its own.

        A scalar subquery is asked for each run by the row's key; an EXISTS some planners would make a join of, which
        reads every row of the key first. So that no other index is chosen, none orders what is compared.
        """
        own = self._value.alias()
        unordered = {name: func.coalesce(own.c[name], own.c[name]) for name in ("text", "number")}
        tests = [self._holds(test, own, unordered) for test in condition.tests]
        found: Select[Any] = select(literal_column("1")).where(
            own.c.run_key == seen.c.run_key, own.c.key_id == condition.key.id, *tests
        )
        return found.limit(1).scalar_subquery().is_not(None)

    def _holds(
        self, test: Test, value: FromClause, seen: Mapping[str, ColumnElement[Any]] | None = None
    ) -> ColumnElement[bool]:
        """Return the test as a condition on a row: the twin of ``meaning.satisfies``."""
        columns: Any = seen or {"text": value.c.text, "number": value.c.number}
        texts = [each for each in test.values if isinstance(each, str)]
        numbers = [each for each in test.values if not isinstance(each, str)]
        if test.operator in ("like", "ilike"):
            return self._like(columns["text"], test)
        if test.operator == BEGINS:
            return _begins_with(columns["text"], texts[0])
        if numbers and texts:
            return or_(columns["number"].in_(numbers), columns["text"].in_(texts))
        return _compare(columns["number" if numbers else "text"], test.operator, numbers or texts)

    def _like(self, column: ColumnElement[Any], test: Test) -> ColumnElement[bool]:
        """Return LIKE with % and _ as everywhere, letters told apart; ILIKE equates a to z with A to Z only."""
        pattern, prefix = str(test.values[0]), prefix_of(test)
        bounds = _begins_with(column, prefix) if prefix else true()
        if test.operator == "ilike":
            if self._dialect == "postgresql":
                return column.ilike(pattern, escape="\x01")
            return column.like(pattern, escape="\x01")  # SQLite's equates ASCII letters
        if self._dialect == "postgresql":
            return and_(bounds, column.like(pattern, escape="\x01"))
        return and_(bounds, column.op("GLOB")(_as_glob(pattern)))


def _indexed(value: FromClause, key: Key, test: Test) -> ColumnElement[bool]:
    """Return in which of the two indices the rows are of which a test holds, and where in that of numbers."""
    if not all(isinstance(each, str) for each in test.values):
        return true()
    numbers = [number_of(key, str(each)) for each in test.values] if test.operator in ("=", "in") else [None]
    if None in numbers:
        return value.c.number.is_(None)
    return _compare(value.c.number, "in", numbers)


def _is_indexed(key: Key, test: Test) -> bool:
    """Return whether an index has the rows of which ``test`` holds together."""
    if test.operator in ("like", BEGINS):
        prefix = prefix_of(test)  # texts that are numbers are in the other index
        return bool(prefix) and not (key.kind == PARAM and prefix.startswith(_NUMERIC_BEGINNINGS))
    are_texts = {isinstance(value, str) for value in test.values}
    if len(are_texts) > 1 or test.operator in ("ilike", "!="):
        return False
    if are_texts == {False}:
        return True
    return test.operator not in ORDERED and len({number_of(key, str(value)) is None for value in test.values}) == 1


def _compare(column: ColumnElement[Any], sign: str, values: Sequence[Any]) -> ColumnElement[bool]:
    if sign == "in" and len(values) > 1:
        return column.in_(list(values))
    return cast("ColumnElement[bool]", _COMPARISONS[sign](column, values[0]))


def _begins_with(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    return and_(column >= text, column <= text + LAST_CHARACTER)


def _as_glob(pattern: str) -> str:
    wild = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join(wild.get(character, character) for character in pattern)
