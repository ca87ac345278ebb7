"""Who may send events over HTTP: bearer tokens (RFC 6750), each with the name of its sender.

Kept are digests alone, so that no token can get into a log, a traceback or an answer.
"""

import hmac
import ipaddress
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from modeltrail.errors import ConfigurationError

MIN_TOKEN_CHARACTERS = 16
ONLY_SENDER = "api"
_SCHEME = "bearer "
_FORM = "one sender a line: its name, a space, its token; nothing after a # at the start of a line counts"


class Tokens:
    """The senders by the SHA-256 of their tokens."""

    def __init__(self, senders: Mapping[bytes, str]) -> None:
        self._senders = dict(senders)

    def sender_of(self, authorization: str | None) -> str | None:
        """Return whose token an Authorization header carries, None for nobody's; as long for any token."""
        if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
            return None
        given, found = _digest(authorization[len(_SCHEME) :].strip()), None
        for digest, name in self._senders.items():
            if hmac.compare_digest(digest, given):
                found = name
        return found


def read_tokens(path: Path | None, token: str | None) -> Tokens | None:
    """Return the tokens of a file, and ``token`` as that of the sender ``api``; None where there are none.

    Raises ConfigurationError for a file that cannot be used; the message has the line, never what is in it.
    """
    senders: dict[bytes, str] = {}
    if path is not None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigurationError(f"the file of tokens {path} cannot be read: {reason}") from None
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.startswith("#"):
                name, _, given = line.strip().partition(" ")
                _add(senders, name, given.strip(), f"line {number} of {path}")
        if not senders:
            raise ConfigurationError(f"the file of tokens {path} has none", remedy=_FORM)
    if token is not None:
        _add(senders, ONLY_SENDER, token.strip(), "the token in the environment")
    return Tokens(senders) if senders else None


def require_for(host: str, tokens: Tokens | None) -> None:
    """Raise ConfigurationError where others than this machine's users could send and nobody asks who they are."""
    if tokens is None and not is_loopback(host):
        raise ConfigurationError(
            f"the role api on {host} would take events from anybody who reaches it",
            remedy="give its senders tokens (--token-file, or MODELTRAIL_API_TOKEN in the environment), "
            "or let it listen on 127.0.0.1",
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches ``host``. A name but ``localhost`` may be anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _add(senders: dict[bytes, str], name: str, token: str, where: str) -> None:
    if len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or any(map(str.isspace, token)):
        raise ConfigurationError(
            f"{where} is no token of at least {MIN_TOKEN_CHARACTERS} ASCII characters without spaces",
            remedy=f"make one: openssl rand -hex 32. {_FORM}",
        )
    if senders.setdefault(_digest(token), name) != name:
        raise ConfigurationError(f"{where} is the token of another sender too", remedy="give each its own")


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
