"""The language of search: text to a tree, errors that point at the column. Pure; knows no database.

    metrics.auc > 0.9 and params.lr = '0.1'
    not (tags.team = 'risk' or state in ('FAIL', 'ABORT')) and job = 'risk/train'
    params.`hidden layers` like '64%'

What stands before the dot is metrics, params, tags or attributes; a word without a dot is an attribute.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import ClassVar, NamedTuple, NoReturn

from modeltrail_schemas.errors import ModeltrailError

MAX_EXPRESSION_CHARACTERS = 4_000
MAX_TERMS = 50
MAX_DEPTH = 50
ATTRIBUTES = (
    *("state", "job", "name", "owner", "user", "started", "ended", "duration"),
    *("commit", "model", "dataset", "run", "parent"),
)
TIMES = frozenset({"started", "ended"})
NUMBERS = TIMES | {"duration"}

_KINDS = {
    **dict.fromkeys(("metrics", "metric"), "metric"),
    **dict.fromkeys(("params", "param", "parameters", "parameter"), "param"),
    **dict.fromkeys(("tags", "tag"), "tag"),
    **dict.fromkeys(("attributes", "attribute", "attr", "run"), "attribute"),
}
_ATTRIBUTE_NAMES = {
    "status": "state",
    "start_time": "started",
    "created": "started",
    "begin": "started",
    "end_time": "ended",
    "run_id": "run",
    "run_name": "name",
    "user_id": "user",
    "parent_run_id": "parent",
    **{name: name for name in ATTRIBUTES},
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])"
    r"|(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")"
    r"|(?P<key>(?P<kind>[A-Za-z_]+)\.(?P<name>`[^`]+`|\"[^\"]+\"|[^\s=<>!()'\",`]+))"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign><=|>=|==|!=|<>|=|<|>|\(|\)|,))"
)
_SIGNS = {"==": "=", "<>": "!="}
ORDERED = frozenset({"<", "<=", ">", ">="})


class SearchSyntaxError(ModeltrailError):
    """An expression is written as nobody reads it. ``column`` counts from 1."""

    exit_code: ClassVar[int] = 2

    def __init__(self, text: str, column: int, what: str, *, remedy: str = "") -> None:
        shown = " ".join(text.splitlines()) if text else ""
        begin = max(0, column - 41)
        part = shown[begin : begin + 76]
        super().__init__(f"column {column}: {what}\n  {part}\n  {' ' * (column - 1 - begin)}^")
        self.column = column
        self.remedy = remedy or "for instance: metrics.auc > 0.9 and params.lr = '0.1' and state = 'COMPLETE'"


Value = str | float


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison. ``kind``: metric, param, tag, attribute. ``operator``: = != < <= > >= in like ilike."""

    kind: str
    name: str
    operator: str
    values: tuple[Value, ...]
    column: int = 0


@dataclass(frozen=True, slots=True)
class Not:
    """What is not so."""

    operand: "Expression"


@dataclass(frozen=True, slots=True)
class All:
    """Everything of these."""

    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of these."""

    operands: tuple["Expression", ...]


Expression = Term | Not | All | Either


class _Token(NamedTuple):
    kind: str
    text: str
    column: int
    left: str = ""
    name: str = ""


def parse_expression(text: str) -> Expression:
    """Return the tree of ``text``. Raises SearchSyntaxError."""
    if len(text) > MAX_EXPRESSION_CHARACTERS:
        raise SearchSyntaxError("", 1, f"the expression is longer than {MAX_EXPRESSION_CHARACTERS} characters")
    return _Parser(text, [*_tokens(text), _Token("end", "", len(text) + 1)]).parse()


def parse_key(text: str) -> tuple[str, str]:
    """Return (kind, name) of ``metrics.auc`` or ``started``. Raises SearchSyntaxError for anything else."""
    tokens = list(_tokens(text))
    if len(tokens) != 1 or tokens[0].kind not in ("key", "word"):
        raise SearchSyntaxError(text, 1, "not the name of a metric", remedy="write metrics.NAME, or started")
    return _Parser(text, tokens).key(tokens[0])


def terms_of(expression: Expression) -> Iterator[Term]:
    """Yield every term, in the order written."""
    if isinstance(expression, Term):
        yield expression
    elif isinstance(expression, Not):
        yield from terms_of(expression.operand)
    else:
        for operand in expression.operands:
            yield from terms_of(operand)


def is_word(text: str) -> bool:
    """Return whether ``text`` is no expression but one word to look for."""
    return not re.search(r"[=<>()'\"`]|\s", text.strip()) and bool(text.strip())


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            column = at + len(text[at:]) - len(text[at:].lstrip()) + 1
            character = text[column - 1]
            what = "this text does not end" if character in "'\"`" else f"{character!r} means nothing here"
            raise SearchSyntaxError(text, column, what)
        kind = "key" if match["key"] else str(match.lastgroup)
        yield _Token(kind, match[kind], match.start(kind) + 1, match["kind"] or "", match["name"] or "")
        at = match.end()


class _Parser:
    """Recursive descent: or, and, not, a comparison or parentheses."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text, self._tokens, self._at, self._terms, self._depth = text, tokens, 0, 0, 0

    def parse(self) -> Expression:
        expression = self._either()
        if self._next.kind != "end":
            self._fail(f"{self._next.text!r} does not go on from here", remedy="join comparisons by and, or")
        return expression

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _taken(self, word: str) -> bool:
        found = self._next.kind in ("word", "sign") and self._next.text.lower() == word
        self._at += found
        return found

    def _either(self) -> Expression:
        operands = [self._all()]
        while self._taken("or"):
            operands.append(self._all())
        return operands[0] if len(operands) == 1 else Either(tuple(operands))

    def _all(self) -> Expression:
        operands = [self._one()]
        while self._taken("and"):
            operands.append(self._one())
        return operands[0] if len(operands) == 1 else All(tuple(operands))

    def _one(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"this is nested deeper than {MAX_DEPTH}")
        try:
            if self._taken("not"):
                return Not(self._one())
            if self._taken("("):
                expression = self._either()
                if not self._taken(")"):
                    self._fail("a parenthesis is not closed", remedy="write )")
                return expression
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Expression:
        token = self._next
        if token.kind not in ("key", "word"):
            self._fail("here a name is expected: metrics.X, params.X, tags.X, or " + ", ".join(ATTRIBUTES))
        kind, name = self.key(self._take())
        self._terms += 1
        if self._terms > MAX_TERMS:
            self._fail(f"there are more than {MAX_TERMS} comparisons")
        negated = self._taken("not")
        operator, values = self._operator(negated)
        term = Term(kind, name, operator, values, token.column)
        self._check(term)
        return Not(term) if negated else term

    def key(self, token: _Token) -> tuple[str, str]:
        """Return kind and name of a token that names something."""
        if token.kind == "word":
            kind, name = "attribute", token.text.lower()
        else:
            kind, name = _KINDS.get(token.left.lower(), ""), token.name.strip('`"')
        if not kind:
            near = _near(token.left, _KINDS) or "metrics.X, params.X, tags.X or attributes.X"
            self._fail(f"nothing is called {token.left!r}", token, remedy=f"write {near}")
        if kind == "attribute" and name.lower() not in _ATTRIBUTE_NAMES:
            there = f"there are: {', '.join(ATTRIBUTES)}; metrics.X, params.X, tags.X"
            remedy = _near(name, _ATTRIBUTE_NAMES)
            self._fail(
                f"a run has no attribute {name!r}", token, remedy=f"write {remedy}; {there}" if remedy else there
            )
        return kind, _ATTRIBUTE_NAMES[name.lower()] if kind == "attribute" else name

    def _operator(self, negated: bool) -> tuple[str, tuple[Value, ...]]:
        if self._taken("in"):
            if not self._taken("("):
                self._fail("after IN comes a list", remedy="write IN ('a', 'b')")
            values = [self._value()]
            while self._taken(","):
                values.append(self._value())
            if not self._taken(")"):
                self._fail("the list is not closed", remedy="write )")
            return "in", tuple(values)
        for word in ("like", "ilike"):
            if self._taken(word):
                return word, (self._value(),)
        token = self._next
        if negated or token.kind != "sign" or token.text in "(),":
            self._fail("here a comparison is expected: = != < <= > >= IN LIKE ILIKE")
        self._take()
        return _SIGNS.get(token.text, token.text), (self._value(),)

    def _value(self) -> Value:
        token = self._next
        if token.kind == "number":
            self._take()
            return float(token.text)
        if token.kind == "text":
            self._take()
            quote = token.text[0]
            return token.text[1:-1].replace(quote * 2, quote)
        return self._fail("here a value is expected", remedy="write a number, or text in quotes: 'adam'")

    def _check(self, term: Term) -> None:
        texts = [value for value in term.values if isinstance(value, str)]
        column = _Token("", "", term.column)
        if term.kind == "metric" and (texts or term.operator in ("like", "ilike")):
            self._fail("a metric is compared with numbers", column, remedy=f"write metrics.{term.name} > 0.9")
        if term.kind == "tag" and len(texts) < len(term.values):
            self._fail("a tag is compared with text", column, remedy=f"write tags.{term.name} = '…'")
        if term.operator in ("like", "ilike") and not texts:
            self._fail("LIKE compares with text", column)
        if term.kind == "attribute":
            self._check_attribute(term, texts, column)

    def _check_attribute(self, term: Term, texts: list[str], column: _Token) -> None:
        if term.name not in NUMBERS:
            if len(texts) < len(term.values):
                self._fail(f"{term.name} is compared with text", column, remedy=f"write {term.name} = '…'")
            if term.operator in ORDERED:
                remedy = f"write {term.name} = '…', {term.name} IN ('…', '…') or {term.name} LIKE '…%'"
                self._fail(f"{term.name} has no order", column, remedy=remedy)
            return
        if term.operator not in ORDERED:
            example = "started >= '2026-03-03'" if term.name in TIMES else "duration > 3600"
            self._fail(f"{term.name} is compared by <, <=, > or >=", column, remedy=f"write {example}")
        if texts and term.name not in TIMES:
            self._fail(f"{term.name} is a number of seconds", column, remedy=f"write {term.name} > 3600")

    def _fail(self, what: str, token: _Token | None = None, *, remedy: str = "") -> NoReturn:
        raise SearchSyntaxError(self._text, (token or self._next).column, what, remedy=remedy)


def _near(word: str, words: Iterable[str]) -> str:
    return next(iter(get_close_matches(word.lower(), list(words), n=1)), "")
