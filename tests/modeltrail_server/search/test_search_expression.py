"""The language of search: what is written is what is meant, and an error points at its column."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail_server.search.expression import (
    MAX_DEPTH,
    All,
    Either,
    Not,
    SearchSyntaxError,
    Term,
    is_word,
    parse_expression,
    terms_of,
)


def plain(expression):
    """Return a tree without columns, as text."""
    if isinstance(expression, Term):
        return f"{expression.kind}.{expression.name} {expression.operator} {', '.join(map(repr, expression.values))}"
    if isinstance(expression, Not):
        return f"not({plain(expression.operand)})"
    assert isinstance(expression, All | Either)
    word = " and " if isinstance(expression, All) else " or "
    return "(" + word.join(map(plain, expression.operands)) + ")"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("metrics.auc > 0.9", "metric.auc > 0.9"),
        ("metrics.auc > .9 and params.lr = '0.1'", "(metric.auc > 0.9 and param.lr = '0.1')"),
        ("a" * 0 + "metric.loss<=-1e-3", "metric.loss <= -0.001"),
        ("params.`hidden layers` != \"it's\"", "param.hidden layers != \"it's\""),
        ("tags.mlflow.user == 'o''brien'", "tag.mlflow.user = \"o'brien\""),
        ("attributes.status = 'FINISHED' OR state IN ('FAIL','ABORT')",
         "(attribute.state = 'FINISHED' or attribute.state in 'FAIL', 'ABORT')"),
        ("params.depth in (4, 6)", "param.depth in 4.0, 6.0"),
        ("params.opt not like 'ad%'", "not(param.opt like 'ad%')"),
        ("params.opt NOT IN ('sgd')", "not(param.opt in 'sgd')"),
        ("not (job = 'a/b' or run = 'x') and metrics.f1>=1",
         "(not((attribute.job = 'a/b' or attribute.run = 'x')) and metric.f1 >= 1.0)"),
        ("params.a='1' or params.b='2' and params.c='3'",
         "(param.a = '1' or (param.b = '2' and param.c = '3'))"),
        ("start_time > '2026-03-03'", "attribute.started > '2026-03-03'"),
    ],
)  # fmt: skip
def test_an_expression_means_what_mlflow_means_by_it(text, meant):
    assert plain(parse_expression(text)) == meant


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "a name is expected"),
        ("metrics.auc >", 14, "a value is expected"),
        ("metrics.auc 0.9", 13, "a comparison is expected"),
        ("metrics.auc > 'high'", 1, "compared with numbers"),
        ("metrics.auc > 0.9 params.lr = '1'", 19, "does not go on"),
        ("metrics.auc > 0.9 and", 22, "a name is expected"),
        ("(metrics.auc > 0.9", 19, "not closed"),
        ("params.lr = '0.1", 13, "does not end"),
        ("params.lr = 0.1 and § = 1", 21, "means nothing"),
        ("metriks.auc > 1", 1, "nothing is called 'metriks'"),
        ("onwer = 'ana'", 1, "no attribute 'onwer'"),
        ("duration > 'long'", 1, "number of seconds"),
        ("duration = 3", 1, "compared by <"),
        ("params.lr in 0.1", 14, "comes a list"),
        ("tags.x = 1", 1, "compared with text"),
        ("state > 'FAIL'", 1, "no order"),
        ("job > 'a'", 1, "has no order"),
        ("started = '2026'", 1, "compared by <"),
        ("(" * (MAX_DEPTH + 1), MAX_DEPTH + 1, "nested deeper"),
    ],
)
def test_an_error_points_at_its_column_and_says_what_to_write(text, column, words):
    with pytest.raises(SearchSyntaxError) as caught:
        parse_expression(text)

    assert caught.value.column == column
    assert words in str(caught.value)
    assert caught.value.remedy
    _what, _, pointer = str(caught.value).splitlines()
    assert pointer.index("^") == min(column - 1, 40) + 2


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_a_syntax_error(text):
    column = 1
    try:
        found = list(terms_of(parse_expression(text)))
    except SearchSyntaxError as error:
        found, column = [None], error.column

    assert found
    assert 1 <= column <= len(text) + 1


@given(st.text(max_size=30), st.floats(allow_nan=False, allow_infinity=False))
def test_values_come_out_as_they_went_in(text, value):
    quoted = text.replace("'", "''")

    tree = parse_expression(f"tags.x = '{quoted}' or metrics.y < {value!r}")

    assert [term.values[0] for term in terms_of(tree)] == [text, value]


def test_one_word_is_no_expression():
    assert is_word("fraud")
    assert is_word("risk/fraud@1.2")
    assert not is_word("a = 'b'")
    assert not is_word("two words")
