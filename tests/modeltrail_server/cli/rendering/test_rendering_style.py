"""Labels and what stands after them."""

from modeltrail_server.cli.rendering.style import labelled


def test_a_part_without_text_takes_no_place() -> None:
    (line,) = labelled("error", [("", "bold red"), "boom", "", "again"], width=80)
    assert line.plain == "error   boom  again"
