"""The reference is what the commands say of themselves."""

from pathlib import Path

from modeltrail_server.cli.commands import COMMANDS
from modeltrail_server.cli.reference import reference

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_the_reference_is_current() -> None:
    due = "write it: python -m modeltrail_server.cli.reference > docs/reference/cli.md"

    assert REFERENCE.read_text(encoding="utf-8") == reference(), due


def test_every_command_has_its_section() -> None:
    headings = {line.split("`")[1].split()[1] for line in reference().splitlines() if line.startswith("### ")}

    assert headings == set(COMMANDS)
