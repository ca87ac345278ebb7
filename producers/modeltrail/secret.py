"""What must not be shown: a string that does not print itself, and addresses without their passwords. Pure."""

import re

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


def without_password(address: str) -> str:
    """Return a URL, well formed or not, with three stars for each password in it."""
    return _PASSWORD_IN_QUERY.sub(rf"\1{HIDDEN}", _PASSWORD_BEFORE_HOST.sub(rf"\1{HIDDEN}@", address))
