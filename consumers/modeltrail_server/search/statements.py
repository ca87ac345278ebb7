"""Expressions as SQL: which rows of an index a term means, and which runs satisfy a tree. Runs nothing.

Each term is one range of one index, or a probe by a run's key; whoever runs a statement bounds its rows.
"""

from datetime import UTC, datetime
from functools import reduce
from operator import and_ as both
from operator import or_ as either
from typing import Any, cast

from modeltrail_schemas.event import RunState
from modeltrail_schemas.identity import job_key, ref_key, run_key
from modeltrail_schemas.names import EntityRef, parse_name
from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    and_,
    bindparam,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
    tuple_,
)

from modeltrail_server.projection.tables import Tables
from modeltrail_server.search.expression import ORDERED, All, Either, Expression, Not, SearchSyntaxError, Term, Value
from modeltrail_server.search.tables import SearchTables

FULL_COMMIT_CHARACTERS = 40
LAST_CHARACTER = "\U0010ffff"
_RUNNING = (RunState.START.value, RunState.RUNNING.value)
_LINKED = {"commit": ("commit", "commit"), "model": ("model", "output"), "dataset": ("dataset", "input")}


class Catalogue:
    """The tables of one generation, as search sees them: each term as a condition, each condition on its table."""

    def __init__(self, tables: Tables, index: SearchTables, dialect: str) -> None:
        self.tables, self.index, self.dialect = tables, index, dialect

    def keys_of(self, term: Term) -> Select[Any] | None:
        """Select the keys of the runs that satisfy ``term`` by one range of an index; None where there is none."""
        run = self.tables.run
        if term.operator == "!=" or (term.operator in ("like", "ilike") and not _prefix_of(term)):
            return None
        if term.kind != "attribute":
            table, condition = self._row_condition(term)
            return select(table.c.run_key).where(condition)
        if term.name == "job":
            return select(run.c.run_key).where(run.c.job_key.in_(_job_keys(term)))
        if term.name == "started":
            return select(run.c.run_key).where(_compare(run.c.first_time_ns, term.operator, [_time_ns(term)]))
        if term.name == "run":
            return select(run.c.run_key).where(run.c.run_key.in_([run_key(str(value)) for value in term.values]))
        if term.name in _LINKED:
            link = self.tables.link
            return select(link.c.activity_key).where(self._linked(term), link.c.activity_key.is_not(None)).distinct()
        return None

    def satisfying(self, expression: Expression) -> Select[Any]:
        """Select those of the runs :keys that satisfy ``expression``."""
        run = self.tables.run
        among = run.c.run_key.in_(bindparam("keys", expanding=True))
        return select(run.c.run_key).where(among, self._condition(expression))

    def by_metric(self, name: str, *, descending: bool, after: bool) -> Select[Any]:
        """Select (run_key, value) of metric ``name``, best first, after (:value, :key); :row_limit rows."""
        metric = self.index.metric
        statement = select(metric.c.run_key, metric.c.value)
        statement = statement.where(metric.c.name == name, metric.c.value.is_not(None))
        here = tuple_(metric.c.value, metric.c.run_key)
        there = tuple_(bindparam("value"), bindparam("key"))
        if after:
            statement = statement.where(here < there if descending else here > there)
        order = (metric.c.value.desc(), metric.c.run_key.desc()) if descending else (metric.c.value, metric.c.run_key)
        return statement.order_by(*order).limit(bindparam("row_limit", type_=None))

    def metrics_of(self, names: list[str]) -> Select[Any]:
        """Select (run_key, name, value) of these metrics of the runs :keys."""
        metric = self.index.metric
        among = metric.c.run_key.in_(bindparam("keys", expanding=True))
        return select(metric.c.run_key, metric.c.name, metric.c.value).where(among, metric.c.name.in_(names))

    def texts_of(self, kind: str, names: list[str]) -> Select[Any]:
        """Select (run_key, name, text) of these parameters or tags of the runs :keys."""
        table = self.index.tag if kind == "tag" else self.index.parameter
        among = table.c.run_key.in_(bindparam("keys", expanding=True))
        return select(table.c.run_key, table.c.name, table.c.text).where(among, table.c.name.in_(names))

    def _condition(self, expression: Expression) -> ColumnElement[bool]:
        if isinstance(expression, Not):
            return not_(self._condition(expression.operand))
        if isinstance(expression, All):
            return reduce(both, map(self._condition, expression.operands), true())
        if isinstance(expression, Either):
            return reduce(either, map(self._condition, expression.operands), false())
        return self._probe(expression)

    def _probe(self, term: Term) -> ColumnElement[bool]:
        run = self.tables.run
        if term.kind != "attribute":
            table, condition = self._row_condition(term, probing=True)
            return exists().where(table.c.run_key == run.c.run_key, condition)
        if term.name == "state":
            return self._state(term)
        if term.name == "started":
            return _compare(run.c.first_time_ns, term.operator, [_time_ns(term)])
        if term.name == "job":
            return _negated_if(term, and_(run.c.job_key.is_not(None), run.c.job_key.in_(_job_keys(term))))
        if term.name == "run":
            return _negated_if(term, run.c.run_key.in_([run_key(str(value)) for value in term.values]))
        link = self.tables.link
        return _negated_if(
            term, exists().where(link.c.activity_key == run.c.run_key, self._linked(term, probing=True))
        )

    def _row_condition(self, term: Term, *, probing: bool = False) -> tuple[Any, ColumnElement[bool]]:
        """Return the table of a metric, parameter or tag, and what its row must satisfy.

        ``probing``: the row is found by its run, so its value must not lead the planner to another index.
        """
        seen = _unindexed if probing else _as_it_is
        if term.kind == "metric":
            metric = self.index.metric
            return metric, and_(
                metric.c.name == term.name, _compare(seen(metric.c.value), term.operator, term.values)
            )
        table = self.index.tag if term.kind == "tag" else self.index.parameter
        numbers = [value for value in term.values if not isinstance(value, str)]
        texts = [value for value in term.values if isinstance(value, str)]
        if term.operator in ("like", "ilike"):
            compared = self._like(seen(table.c.text), term)
        elif numbers and texts:
            compared = or_(seen(table.c.number).in_(numbers), seen(table.c.text).in_(texts))
        elif numbers:
            compared = _compare(seen(table.c.number), term.operator, numbers)
        else:
            compared = _compare(seen(table.c.text), term.operator, texts)
        return table, and_(table.c.name == term.name, compared)

    def _linked(self, term: Term, *, probing: bool = False) -> ColumnElement[bool]:
        link, entity = self.tables.link, self.tables.entity
        linked = (_unindexed if probing else _as_it_is)(link.c.entity_key)
        kind, relation = _LINKED[term.name]
        if kind == "commit":
            keys = [ref_key(EntityRef("commit", "", str(value))) for value in term.values]
            whole = linked.in_(keys)
            short = [str(value) for value in term.values if len(str(value)) < FULL_COMMIT_CHARACTERS]
            beginnings = [_begins_with(entity.c.name, text) for text in short]
            found = select(entity.c.entity_key).where(entity.c.kind == "commit", or_(false(), *beginnings))
            return and_(link.c.relation == relation, or_(whole, linked.in_(found)) if short else whole)
        refs = [_named(term, kind, str(value)) for value in term.values]
        versions = linked.in_([ref_key(ref) for ref in refs if ref.version])
        names = [ref_key(ref) for ref in refs if not ref.version]
        of_names = select(entity.c.entity_key).where(entity.c.name_key.in_(names))
        return and_(link.c.relation == relation, or_(versions, linked.in_(of_names)) if names else versions)

    def _state(self, term: Term) -> ColumnElement[bool]:
        state = self.tables.run.c.state
        if term.operator in ("like", "ilike"):
            return self._like(state, term)
        wanted = [word for value in term.values for word in _states(str(value))]
        return _negated_if(term, state.in_(wanted))

    def _like(self, column: ColumnElement[Any], term: Term) -> ColumnElement[bool]:
        """Return LIKE with % and _ as everywhere, letters told apart; ILIKE equates a to z with A to Z only."""
        pattern, prefix = str(term.values[0]), _prefix_of(term)
        bounds = _begins_with(column, prefix) if prefix else true()
        if term.operator == "ilike":
            if self.dialect == "postgresql":
                return column.ilike(pattern, escape="\x01")
            return column.like(pattern, escape="\x01")  # SQLite's equates ASCII letters
        if self.dialect == "postgresql":
            return and_(bounds, column.like(pattern, escape="\x01"))
        return and_(bounds, column.op("GLOB")(_as_glob(pattern)))


def _compare(column: ColumnElement[Any], operator: str, values: Any) -> ColumnElement[bool]:
    if operator == "in":
        return column.in_(list(values))
    value = values[0]
    comparisons = {
        "=": column == value,
        "!=": column != value,
        "<": column < value,
        "<=": column <= value,
        ">": column > value,
        ">=": column >= value,
    }
    return cast("ColumnElement[bool]", comparisons[operator])


def _as_it_is(column: Column[Any]) -> ColumnElement[Any]:
    return column


def _unindexed(column: Column[Any]) -> ColumnElement[Any]:
    """Return the column's value as an expression that no index orders."""
    return func.coalesce(column, column)


def _begins_with(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    return and_(column >= text, column <= text + LAST_CHARACTER)


def _negated_if(term: Term, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return not_(condition) if term.operator == "!=" else condition


def _prefix_of(term: Term) -> str:
    """Return what a LIKE pattern begins with before its first wildcard; empty for anything else."""
    if term.operator != "like":
        return ""
    text = str(term.values[0])
    ends = [text.find(wildcard) for wildcard in "%_" if wildcard in text]
    return text[: min(ends)] if ends else text


def _as_glob(pattern: str) -> str:
    wild = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join(wild.get(character, character) for character in pattern)


def _states(word: str) -> tuple[str, ...]:
    return _RUNNING if word.upper() in _RUNNING else (word.upper(),)


def _job_keys(term: Term) -> list[bytes]:
    refs = [_named(term, "job", str(value).replace("@", "%40")) for value in term.values]
    return [job_key(ref.namespace, ref.name) for ref in refs]


def _named(term: Term, kind: str, text: str) -> EntityRef:
    try:
        return parse_name(text, kind=kind)
    except ValueError as error:
        raise SearchSyntaxError("", term.column, str(error), remedy="write NAMESPACE/NAME") from None


def _time_ns(term: Term) -> int:
    """Return the time that a term names. Raises SearchSyntaxError."""
    assert term.operator in ORDERED
    text: Value = term.values[0]
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        remedy = "write started >= '2026-03-03' or '2026-03-03T14:05:00Z'"
        raise SearchSyntaxError("", term.column, f"{text!r} is no time", remedy=remedy) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1_000
