"""What must not be shown: a string that does not print itself, read from its file; addresses without passwords."""

import re
from pathlib import Path

from modeltrail.errors import ConfigurationError

HIDDEN = "***"
_PASSWORD_BEFORE_HOST = re.compile(r"(://[^:@/\s]*:)\S*@")
_PASSWORD_IN_QUERY = re.compile(r"(?i)([?&][a-z_]*password=)[^&\s]*")


class Secret(str):
    """A string whose ``repr`` hides it: what logs a structure of settings, or shows a traceback's variables, is safe.

    ``str`` of it, and what is made of it by joining or slicing, is the secret itself.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Return three stars, however long it is."""
        return repr(HIDDEN)


def read_secret(option: str, path: Path) -> Secret:
    """Return what the file holds, without the end of its last line. Raises ConfigurationError naming ``option``."""
    try:
        secret = Secret(path.read_text(encoding="utf-8").rstrip("\r\n"))
    except OSError as error:
        raise ConfigurationError(f"{option} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{option} {path} is not UTF-8") from None  # that error quotes the content
    if not secret:
        raise ConfigurationError(f"{option} {path} is empty", remedy="write the secret into it, one line")
    return secret


def without_password(address: str) -> str:
    """Return a URL, well formed or not, with three stars for each password in it."""
    return _PASSWORD_IN_QUERY.sub(rf"\1{HIDDEN}", _PASSWORD_BEFORE_HOST.sub(rf"\1{HIDDEN}@", address))
