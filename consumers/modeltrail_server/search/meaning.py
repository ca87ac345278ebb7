"""What an expression asks of a run's values: names, times and states as the index writes them. Pure; no database.

Both ways to answer, the index now and the events as of a time, go by this. A condition is satisfied by a run that has
a value under its key for which all of its tests hold.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

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
from modeltrail_server.search.rows import ATTRIBUTE, METRIC, RUNNING, Key, cut_text

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


def satisfies(meaning: Meaning, values: Mapping[Key, Sequence[tuple[str, float | None]]]) -> bool:
    """Return whether a run with these values (text, number) is what ``meaning`` asks for."""
    if isinstance(meaning, Condition):
        return any(all(holds(test, *value) for test in meaning.tests) for value in values.get(meaning.key, ()))
    if isinstance(meaning, Negation):
        return not satisfies(meaning.operand, values)
    if isinstance(meaning, Conjunction):
        return all(satisfies(operand, values) for operand in meaning.operands)
    return any(satisfies(operand, values) for operand in meaning.operands)


def holds(test: Test, text: str, number: float | None) -> bool:
    """Return whether a test holds for a value."""
    if test.operator == "in":
        return any(_equals(value, text, number) for value in test.values)
    value = test.values[0]
    if test.operator == BEGINS:
        return text.startswith(str(value))
    if test.operator in ("like", "ilike"):
        return _pattern(str(value), ignoring_case=test.operator == "ilike").fullmatch(text) is not None
    if isinstance(value, str):
        return _compares(test.operator, text, value)
    return number is not None and _compares(test.operator, number, value)


def satisfying_texts(tests: Sequence[Test], texts: Iterable[str]) -> set[str]:
    """Return those of ``texts``, values that are no numbers, for which all ``tests`` hold."""
    found = set(texts)
    for test in tests:
        if test.operator in ("like", "ilike"):
            pattern = _pattern(str(test.values[0]), ignoring_case=test.operator == "ilike")
            found = set(filter(pattern.fullmatch, found))
        else:
            found = {text for text in found if holds(test, text, None)}
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


def _equals(value: Value, text: str, number: float | None) -> bool:
    return text == value if isinstance(value, str) else number == value


def _compares(operator: str, one: Value, other: Value) -> bool:
    if operator == "=":
        return one == other
    if operator == "!=":
        return one != other
    assert isinstance(one, str) == isinstance(other, str)
    below, same = one < other, one == other  # type: ignore[operator]
    return {"<": below, "<=": below or same, ">": not below and not same, ">=": not below}[operator]


@lru_cache(maxsize=256)
def _pattern(text: str, *, ignoring_case: bool) -> re.Pattern[str]:
    """Return a LIKE as a regular expression; ILIKE equates a to z with A to Z only."""
    wild = {"%": ".*", "_": "."}
    written = "".join(wild.get(character) or re.escape(character) for character in text)
    return re.compile(written, re.DOTALL | re.ASCII | (re.IGNORECASE if ignoring_case else re.NOFLAG))
