"""What earlier imports have told this log, so that importing again appends only what is new.

It saves work and space and decides nothing: an event told again has the same id and counts once. A SQLite file in
the home; a lost one is made anew by the next import.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from modeltrail.errors import ConfigurationError

LEDGER_NAME = "imports.db"


class Ledger:
    """Units and the state of each that was told last, of one MLflow and one log. Raises ConfigurationError."""

    def __init__(self, path: Path, told_to: str) -> None:
        """Open the ledger at ``path``; ``told_to`` names log and namespace."""
        self._told_to = told_to
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, isolation_level=None)
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS told (told_to TEXT, unit TEXT, value TEXT, PRIMARY KEY (told_to, unit))"
                " WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"{path} cannot be used: {error}", remedy="remove that file") from error

    def value(self, unit: str) -> str | None:
        """Return the state of ``unit`` that was told last; None if it never was."""
        query = "SELECT value FROM told WHERE told_to = ? AND unit = ?"
        row = self._file.execute(query, (self._told_to, _key(unit))).fetchone()
        return None if row is None else str(row[0])

    def beginning_with(self, prefix: str) -> dict[str, str]:
        """Return every unit whose name begins with ``prefix``."""
        query = "SELECT unit, value FROM told WHERE told_to = ? AND substr(unit, 1, ?) = ?"
        return dict(self._file.execute(query, (self._told_to, len(prefix), _key(prefix))).fetchall())

    def record(self, told: Iterable[tuple[str, str]]) -> None:
        """Keep what was told, all or nothing."""
        rows = [(self._told_to, _key(unit), _key(value)) for unit, value in told]
        self._file.execute("BEGIN")
        self._file.executemany("INSERT OR REPLACE INTO told VALUES (?, ?, ?)", rows)
        self._file.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _key(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
