"""The token of SASL OAUTHBEARER, from a file that somebody else renews (a sidecar, a mounted Kubernetes secret).

Importing this imports kafka-python: only kafka_options.py does, where a token is asked for.
"""

from pathlib import Path

from kafka.net.sasl.oauth import AbstractTokenProvider

from modeltrail.secret import Secret, read_secret


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python has no types
    """Gives what the file holds at that moment, so a token renewed in place serves the next connection."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.token()  # a file that is not there is found out when the log is opened

    def token(self) -> Secret:
        """Return the token. Raises ConfigurationError when the file cannot be read."""
        return read_secret("token_file", self._path)

    def __repr__(self) -> str:
        """Return where the token is, not what it is."""
        return f"TokenFile({str(self._path)!r})"
