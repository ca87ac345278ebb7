"""Names that end in numbers stand in the order of these."""

from hypothesis import given
from hypothesis import strategies as st
from modeltrail_server.queries.display import natural_order

numbers = st.integers(0, 10**30)
texts = st.text(st.sampled_from("a0129_²é"), max_size=6)


@given(numbers, numbers, st.sampled_from(["layer_", "", "2.x"]))
def test_names_that_differ_in_a_number_are_ordered_by_it(one, other, beginning):
    assert (natural_order(f"{beginning}{one}") < natural_order(f"{beginning}{other}")) == (one < other)


@given(texts, texts)
def test_any_two_texts_have_an_order_and_only_one_text_has_a_place(one, other):
    before, after = natural_order(one) < natural_order(other), natural_order(other) < natural_order(one)

    assert (before or after) == (one != other)
    assert not (before and after)


def test_a_number_may_have_more_digits_than_python_reads():
    assert natural_order("9" * 5_000) < natural_order("1" + "0" * 5_000)
