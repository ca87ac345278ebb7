"""Labels and what stands after them; large numbers."""

from modeltrail_server.cli.rendering.style import count, labelled


def test_a_part_without_text_takes_no_place() -> None:
    (line,) = labelled("error", [("", "bold red"), "boom", "", "again"], width=80)
    assert line.plain == "error   boom  again"


def test_many_are_counted_in_round_numbers_and_one_is_named_as_one() -> None:
    assert [count(number, "row") for number in (0, 1, 12, 1_234_567)] == ["0 rows", "1 row", "12 rows", "1.23M rows"]
