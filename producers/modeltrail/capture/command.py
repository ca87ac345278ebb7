"""The command line of this process, without its secrets. Pure over the arguments given."""

from collections.abc import Sequence

from modeltrail.redaction import redact_command

MAX_ARGUMENTS = 1_000
MAX_ARGUMENT_CHARACTERS = 4_096


def capture_command(arguments: Sequence[str]) -> tuple[list[str], int]:
    """Return the arguments as they may be kept, and how many values were redacted."""
    clean, redactions = redact_command(arguments[:MAX_ARGUMENTS])
    shortened = [argument[:MAX_ARGUMENT_CHARACTERS] for argument in clean]
    return [argument.encode("utf-8", "replace").decode("utf-8") for argument in shortened], redactions
