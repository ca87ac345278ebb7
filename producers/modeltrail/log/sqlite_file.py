"""The SQLite file of the embedded log: opened, made, checked, and its errors put into our words.

What is a log file and what is not is decided here; what its rows mean is embedded.py's business.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote

from modeltrail.errors import ConfigurationError, LogNotFoundError, LogUnavailableError, ModeltrailError
from modeltrail.log.filesystem import network_filesystem

APPLICATION_ID = 0x6D74726C  # "mtrl", in the file's header, as file(1) and SQLite know it
FORMAT_VERSION = 1
OPEN_TIMEOUT_MS = 10_000
BUSY_PAUSE_MS = 5

_SCHEMA = (
    "CREATE TABLE log (topic_id TEXT NOT NULL, created_ms INTEGER NOT NULL)",
    "CREATE TABLE record (offset INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL, key BLOB, value BLOB NOT NULL,"
    " headers BLOB)",
)
_FREE_SPACE = (
    "free space on that disk, or set MODELTRAIL_HOME to a folder on another one; nothing acknowledged is lost"
)


def connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """Return a connection to the log at ``path``, made when it is missing and ``create`` is set.

    Commits through it are durable (WAL, synchronous=FULL), also when the power fails. Raises LogNotFoundError when
    it is missing; ConfigurationError when it cannot be used: not a log, a newer format, a network file system.
    """
    _refuse_network(path)
    if create:
        _make_folder(path.parent)
    elif not path.exists():
        raise LogNotFoundError(f"there is no log at {path}", remedy=_MISSING_REMEDY)
    with explained(path):
        mode = "rwc" if create else "rw"
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}",
            uri=True,
            timeout=OPEN_TIMEOUT_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
    try:
        with explained(path):
            _prepare(connection, path, create=create)
    except BaseException:
        connection.close()
        raise
    return connection


def begin_immediate(connection: sqlite3.Connection, timeout_ms: int) -> None:
    """Start a transaction that may write, waiting for other writers up to ``timeout_ms``.

    SQLite asks its busy handler whatever the write-ahead log is busy with, as long as no transaction is open.
    """
    connection.execute(f"PRAGMA busy_timeout = {max(0, timeout_ms)}")
    connection.execute("BEGIN IMMEDIATE")


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether the error says that another connection is in the way, and nothing worse."""
    return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise what SQLite raises inside as the error of ours that says what to do about it."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, path) from error


def _explain(error: sqlite3.Error, path: Path) -> ModeltrailError:
    """Return the error to raise for what SQLite reported (https://www.sqlite.org/rescode.html)."""
    code = _primary_code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LogUnavailableError(f"another process holds the log {path}", remedy="try again when it has written")
    if code == sqlite3.SQLITE_FULL:
        return LogUnavailableError(f"the disk of the log {path} is full", remedy=_FREE_SPACE)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return ConfigurationError(
            f"the log {path} cannot be opened for writing, which reading needs too: {error}",
            remedy="make the file and its folder writable for this user, or copy them where they are "
            "(MODELTRAIL_HOME, MODELTRAIL_LOG)",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return _not_a_log(path)
    if code == sqlite3.SQLITE_CORRUPT:
        return ConfigurationError(
            f"the log {path} is damaged: {error}",
            remedy="put a copy of it back, or make it anew from the audit log: modeltrail replay --from audit:DIR",
        )
    return LogUnavailableError(
        f"the log {path} cannot be used now: {error}", remedy="free space on its disk, or mend it; then retry"
    )


_MISSING_REMEDY = "record a run first, or say where the log is: MODELTRAIL_HOME or MODELTRAIL_LOG"


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _not_a_log(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is not a log of modeltrail", remedy="name another file in MODELTRAIL_LOG; this one was left as it is"
    )


def _refuse_network(path: Path) -> None:
    kind = network_filesystem(path)
    if kind is not None:
        raise ConfigurationError(
            f"{path} lies on a network file system ({kind}), where SQLite can lose what several machines write",
            remedy="set MODELTRAIL_HOME to a folder on a local disk, or use Kafka: MODELTRAIL_LOG=kafka://HOST:PORT/TOPIC",
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder of the log cannot be made: {error}",
            remedy="set MODELTRAIL_HOME to a folder that this user may write to",
        ) from error


def _prepare(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    """Make the tables of a new log, once among all processes that try; check the format of one that is there."""
    if _is_empty(connection):
        if not create:
            raise LogNotFoundError(f"the log {path} is empty, not even made", remedy=_MISSING_REMEDY)
        use_write_ahead_log(connection)
        begin_immediate(connection, OPEN_TIMEOUT_MS)
        try:
            if _is_empty(connection):
                _make_tables(connection)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise _not_a_log(path)
    version = _pragma(connection, "user_version")
    if version > FORMAT_VERSION:
        raise ConfigurationError(
            f"the log {path} has format {version}, this modeltrail knows up to {FORMAT_VERSION}",
            remedy="upgrade: pip install --upgrade modeltrail",
        )
    connection.execute("PRAGMA synchronous = FULL")


def _is_empty(connection: sqlite3.Connection) -> bool:
    if _pragma(connection, "application_id"):
        return False
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch to WAL, which the file then remembers. The busy handler is not always asked for that, hence the loop."""
    deadline = time.monotonic() + OPEN_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
            time.sleep(BUSY_PAUSE_MS / 1000)
        else:
            return


def _make_tables(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT INTO log VALUES (?, ?)", (token_hex(16), time.time_ns() // 1_000_000))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def file_id(path: Path) -> tuple[int, int] | None:
    """Return what stays the same while the file at ``path`` is the same file; None when there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
