"""The option that names the verifier key a person trusts, and how it is read."""

from pathlib import Path
from typing import Annotated

import typer

from modeltrail_server.audit import KeyFileError, VerifierKey

TrustedKey = Annotated[
    str | None,
    typer.Option(metavar="TEXT|FILE", help="The verifier key you trust [default: the one in the folder]."),
]


def read_trusted_key(given: str | None) -> VerifierKey | None:
    """Return the key that ``given`` is or the file of that name holds; None for None. Raises KeyFileError."""
    if given is None or "+" in given:
        return None if given is None else VerifierKey.parse(given.strip())
    try:
        text = Path(given).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise KeyFileError(
            f"{given} is neither a verifier key nor a file that can be read: {reason}",
            remedy="give the text NAME+8 hex digits+base64, or a file that holds it",
        ) from error
    return VerifierKey.parse(text.strip())
