"""Numbers of things in words."""

import pytest
from modeltrail_schemas.counting import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 notes"), (1, "1 note"), (2, "2 notes"), (12_345, "12,345 notes")]
)
def test_one_thing_is_named_as_one_and_any_other_number_as_several(number: int, text: str) -> None:
    assert counted(number, "note") == text


def test_words_that_take_no_s_are_given_in_both_forms() -> None:
    assert counted(1, "event is", "events are") == "1 event is"
    assert counted(2, "event is", "events are") == "2 events are"
