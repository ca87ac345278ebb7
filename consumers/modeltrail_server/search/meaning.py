"""What an expression asks of a run's values: names, times and states as the index writes them. Pure; no database.

Both ways to answer, the index now and the events as of a time, go by this. A condition is satisfied by a run that has
a value under its key for which all of its tests hold.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from modeltrail_schemas.event import RunState
from modeltrail_schemas.identity import canonical_run_id
from modeltrail_schemas.names import parse_name

from modeltrail_server.projection.facts import key_text
from modeltrail_server.queries.display import display
from modeltrail_server.search.expression import (
    ORDERED,
    TIMES,
    All,
    Either,
    Expression,
    Not,
    SearchSyntaxError,
    Term,
    Value,
)
from modeltrail_server.search.rows import ATTRIBUTE, METRIC, RUNNING, Key, ValuesByKey, cut_text

FULL_COMMIT_CHARACTERS = 40
NS_PER_MS = 1_000_000
BEGINS = "begins"
"""An operator of its own: a text begins so. A commit is named by its beginning."""
STATES = {
    "START": RUNNING,
    "SCHEDULED": RUNNING,
    "FINISHED": RunState.COMPLETE.value,
    "FAILED": RunState.FAIL.value,
    "KILLED": RunState.ABORT.value,
}
"""States of a run that have not ended are one; MLflow's words mean ours."""
MEANINGS_REMEMBERED = 256
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NAMED = frozenset({"job", "model", "dataset"})
_RUNS = frozenset({"run", "parent"})


@dataclass(frozen=True, slots=True)
class Test:
    """What a value must be: = != < <= > >= in like ilike begins. Numbers compare with numbers, texts with texts."""

    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """The run has a value under ``key`` for which all ``tests`` hold."""

    key: Key
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """What is not so."""

    operand: "Meaning"


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Everything of these."""

    operands: tuple["Meaning", ...]


@dataclass(frozen=True, slots=True)
class Disjunction:
    """At least one of these."""

    operands: tuple["Meaning", ...]


Meaning = Condition | Negation | Conjunction | Disjunction
"""What a run has, (text, number) under each key."""


def meaning_of(expression: Expression) -> Meaning:
    """Return what ``expression`` asks. Raises SearchSyntaxError for what is no name or time."""
    if isinstance(expression, Term):
        return _of_term(expression)
    if isinstance(expression, Not):
        return Negation(meaning_of(expression.operand))
    if isinstance(expression, Either):
        return Disjunction(tuple(map(meaning_of, expression.operands)))
    assert isinstance(expression, All)
    return Conjunction(tuple(_joined(map(meaning_of, expression.operands))))


def conjuncts_of(meaning: Meaning) -> tuple[Meaning, ...]:
    """Return what must all hold."""
    return meaning.operands if isinstance(meaning, Conjunction) else (meaning,)


def conditions_of(meaning: Meaning) -> Iterator[Condition]:
    """Yield every condition, in the order written."""
    if isinstance(meaning, Condition):
        yield meaning
    elif isinstance(meaning, Negation):
        yield from conditions_of(meaning.operand)
    else:
        for operand in meaning.operands:
            yield from conditions_of(operand)


def satisfies(meaning: Meaning, values: ValuesByKey) -> bool:
    """Return whether a run with these values is what ``meaning`` asks for."""
    return satisfying(meaning)(values)


@lru_cache(maxsize=MEANINGS_REMEMBERED)
def satisfying(meaning: Meaning) -> Callable[[ValuesByKey], bool]:
    """Return what tells whether a run with these values is what ``meaning`` asks for."""
    if isinstance(meaning, Condition):
        return _having(meaning.key, [holding(test) for test in meaning.tests])
    if isinstance(meaning, Negation):
        is_so = satisfying(meaning.operand)
        return lambda values: not is_so(values)
    parts = [satisfying(operand) for operand in meaning.operands]
    if isinstance(meaning, Conjunction):
        return lambda values: all(part(values) for part in parts)
    return lambda values: any(part(values) for part in parts)


def _having(key: Key, checks: Sequence[Callable[[str, float | None], bool]]) -> Callable[[ValuesByKey], bool]:
    def has(values: ValuesByKey) -> bool:
        for text, number in values.get(key, ()):
            for check in checks:
                if not check(text, number):
                    break
            else:
                return True
        return False

    return has


def holding(test: Test) -> Callable[[str, float | None], bool]:
    """Return what tells whether ``test`` holds for a value (text, number)."""
    value = test.values[0]
    if test.operator == "in":
        values = frozenset(test.values)
        return lambda text, number: text in values or number in values
    prefix = prefix_of(test)
    if test.operator == BEGINS or (prefix and value == f"{prefix}%"):
        return lambda text, _: text.startswith(prefix)
    if test.operator in ("like", "ilike"):
        pattern = _pattern(str(value), ignoring_case=test.operator == "ilike")
        return lambda text, _: pattern.fullmatch(text) is not None
    compares = _COMPARISONS[test.operator]
    if isinstance(value, str):
        return lambda text, _: compares(text, value)
    return lambda _, number: number is not None and compares(number, value)


def satisfying_texts(tests: Sequence[Test], texts: Iterable[str]) -> set[str]:
    """Return those of ``texts``, values that are no numbers, for which all ``tests`` hold."""
    found = set(texts)
    for check in map(holding, tests):
        found = {text for text in found if check(text, None)}
    return found


def prefix_of(test: Test) -> str:
    """Return what every text begins with that a LIKE lets through; empty for anything else."""
    if test.operator == BEGINS:
        return str(test.values[0])
    if test.operator != "like":
        return ""
    return re.split("[%_]", str(test.values[0]), maxsplit=1)[0]


def _joined(meanings: Iterable[Meaning]) -> Iterator[Meaning]:
    """Yield the meanings, comparisons by order of one key as one: between two bounds lies one value, not two."""
    between: dict[Key, list[Test]] = {}
    found: list[Meaning | Key] = []
    for meaning in meanings:
        if isinstance(meaning, Condition) and all(test.operator in ORDERED for test in meaning.tests):
            if meaning.key not in between:
                found.append(meaning.key)
            between.setdefault(meaning.key, []).extend(meaning.tests)
        else:
            found.append(meaning)
    for each in found:
        yield Condition(each, tuple(between[each])) if isinstance(each, Key) else each


def _of_term(term: Term) -> Meaning:
    key = Key(term.kind, term.name)
    if term.kind == METRIC:
        return Condition(key, (Test(term.operator, term.values),))
    if term.kind != ATTRIBUTE:
        return Condition(key, (Test(term.operator, _cut(term.values, term.operator)),))
    if term.operator == "!=":  # what a run is not: of several values, none is this
        return Negation(_of_attribute(key, "=", term))
    return _of_attribute(key, term.operator, term)


def _of_attribute(key: Key, operator: str, term: Term) -> Meaning:
    if term.name in TIMES:
        return Condition(key, tuple(Test(operator, (float(_time_ns(term, value)),)) for value in term.values))
    if operator in ("like", "ilike") or not all(isinstance(value, str) for value in term.values):
        return Condition(key, (Test(operator, term.values),))
    texts = [str(value) for value in term.values]
    if term.name == "commit":
        return _commits(key, texts)
    if term.name == "state":
        texts = [STATES.get(text.upper(), text.upper()) for text in texts]
    elif term.name in _NAMED:
        texts = [_name(term, text) for text in texts]
    elif term.name in _RUNS:
        texts = [canonical_run_id(text) for text in texts]
    return Condition(key, (Test(operator, tuple(map(key_text, texts))),))


def _commits(key: Key, texts: Sequence[str]) -> Meaning:
    whole = tuple(text for text in texts if len(text) >= FULL_COMMIT_CHARACTERS)
    conditions = [Condition(key, (Test("in", whole),))] if whole else []
    conditions += [Condition(key, (Test(BEGINS, (text,)),)) for text in texts if len(text) < FULL_COMMIT_CHARACTERS]
    return conditions[0] if len(conditions) == 1 else Disjunction(tuple(conditions))


def _name(term: Term, text: str) -> str:
    """Return a name as the index writes it."""
    try:
        return display(parse_name(text.replace("@", "%40") if term.name == "job" else text, kind=term.name))
    except ValueError as error:
        raise SearchSyntaxError("", term.column, str(error), remedy="write NAMESPACE/NAME") from None


def _time_ns(term: Term, value: Value) -> int:
    """Return the time that a value names: a date, or milliseconds since 1970 as MLflow has it."""
    if isinstance(value, float):
        return int(value) * NS_PER_MS
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        remedy = f"write {term.name} >= '2026-03-03' or '2026-03-03T14:05:00Z'"
        raise SearchSyntaxError("", term.column, f"{value!r} is no time", remedy=remedy) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1_000


def _cut(values: Iterable[Value], operator: str) -> tuple[Value, ...]:
    """Return the values with texts cut as those of the index are; patterns stay whole."""
    if operator in ("like", "ilike"):
        return tuple(values)
    return tuple(cut_text(value) if isinstance(value, str) else value for value in values)


@lru_cache(maxsize=256)
def _pattern(text: str, *, ignoring_case: bool) -> re.Pattern[str]:
    """Return a LIKE as a regular expression; ILIKE equates a to z with A to Z only."""
    wild = {"%": ".*", "_": "."}
    written = "".join(wild.get(character) or re.escape(character) for character in text)
    return re.compile(written, re.DOTALL | re.ASCII | (re.IGNORECASE if ignoring_case else re.NOFLAG))
