"""What runs beside the log: projection, audit, replay, queries and the command line.

``modeltrail_server.open()`` asks the questions from Python. Importing this module loads nothing else.
"""

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modeltrail_server.library.records import Records

__all__ = ["open"]


def open(  # noqa: A001 - it is always written modeltrail_server.open
    *, home: "str | PathLike[str] | None" = None, database: str | None = None, log: str | None = None
) -> "Records":
    """Return the records of ``home`` (looked for upward as the command line does), or of a ``database`` by its URL.

    With a database and no log, what was projected is read and nothing is caught up. Raises ConfigurationError,
    DatabaseUrlError.
    """
    from modeltrail_server.library.records import open_records

    return open_records(home=home, database=database, log=log)
