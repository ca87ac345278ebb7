"""The read model's database: how it is opened, and its errors in our words.

An engine made here gives SQLite the same transactions as PostgreSQL: one BEGIN, which takes the write lock at once
where the connection was marked by ``writing``.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from modeltrail.log.sqlite_file import use_write_ahead_log
from modeltrail.secret import without_password
from modeltrail_schemas.errors import ModeltrailError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from modeltrail_server.errors import DatabaseUnavailableError, DatabaseUrlError, DataRefusedError

# A server that hangs, or is gone without a word, is noticed: what waits for it longer is tried again.
POSTGRESQL_LIMITS_MS = {"statement_timeout": 120_000, "lock_timeout": 30_000}
# A projector that is frozen or cut off within a transaction holds the partition's position until then.
IDLE_IN_TRANSACTION_S = 30
POSTGRESQL_DEFAULTS = {
    "application_name": "modeltrail",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
BUSY_TIMEOUT_MS = 30_000
SQLITE_CACHE_KIB = 32 * 1024
SQLITE_PAGE_BYTES = 8_192
SQLITE_CHECKPOINT_PAGES = 16_384
SQLITE_WAL_BYTES_KEPT = 2 * SQLITE_CHECKPOINT_PAGES * SQLITE_PAGE_BYTES
# Each text that was asked is planned once for a connection, which remembers so many: every question, at every length.
STATEMENTS_PREPARED = 256
POOL_SIZE = 5
POOL_WAIT_S = 30

_SQLITE_PRAGMAS = (
    # A power cut may take the last commits, never consistency; positions go with them, so the log gives them again.
    "synchronous = NORMAL",
    f"cache_size = -{SQLITE_CACHE_KIB}",
    f"wal_autocheckpoint = {SQLITE_CHECKPOINT_PAGES}",
    # It grows while somebody reads for long; without this it would stay as large for ever.
    f"journal_size_limit = {SQLITE_WAL_BYTES_KEPT}",
    # What would undo a statement lies on the disk: in memory, that of dropping a table is as large as the table.
    "temp_store = FILE",
)
# What can be wrong with a row (PostgreSQL, appendix A): it merges twice, has no value of its type, is against a
# constraint or a view's check, past a limit of the server (an index entry), or refused by somebody's trigger.
_REFUSAL_CLASSES = ("21", "22", "23", "44", "54", "P0001")
_SQLITE_REFUSALS = ("SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH")
_FORMS = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


def open_engine(url: str) -> Engine:
    """Return the engine of the database at ``url``, a SQLAlchemy URL. Nothing is connected yet.

    A PostgreSQL URL takes libpq's parameters (sslmode, sslrootcert, connect_timeout in seconds, …), and
    ``statement_timeout_ms`` and ``lock_timeout_ms``; 0 is no limit. The folder of a SQLite file is made. Raises
    DatabaseUrlError.
    """
    address = _parse_url(url)
    return _open_sqlite(address) if address.get_backend_name() == "sqlite" else _open_postgresql(address)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a transaction that will write; committed at the end, rolled back on an error.

    Whoever is silent within it for IDLE_IN_TRANSACTION_S loses it on PostgreSQL. Raises DatabaseUnavailableError,
    DataRefusedError, DatabaseUrlError for what the database raises.
    """
    with explained(engine), engine.connect() as connection, connection.execution_options(writes=True).begin():
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_S}s'")
        yield connection


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Raise in our words what the driver raises about the state of the database."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise _translate(error, engine) from error
    except Exception as error:
        # The PostgreSQL driver is loaded only where it is used.
        if type(error).__module__.partition(".")[0] == "psycopg":
            raise _translate(error, engine) from error
        raise


def is_missing_table(error: Exception) -> bool:
    """Return whether the statement failed, in the driver, because a table of it is not there."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return "no such table" in str(cause)
    return getattr(cause, "sqlstate", "") == "42P01"


def is_lock_timeout(error: DBAPIError) -> bool:
    """Return whether PostgreSQL gave up waiting for a lock (lock_timeout)."""
    return getattr(error.orig, "sqlstate", "") == "55P03"


def _parse_url(url: str) -> URL:
    try:
        address = make_url(url.replace("postgres://", "postgresql://", 1))
        address.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise DatabaseUrlError(
            f"not the address of a database: {without_password(url)!r}", remedy=f"write {_FORMS}"
        ) from error
    if address.get_backend_name() not in ("sqlite", "postgresql"):
        raise DatabaseUrlError(f"no support for {address.get_backend_name()}", remedy=f"write {_FORMS}")
    if address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:"):
        raise DatabaseUrlError("a SQLite database needs a file", remedy=f"write {_FORMS}")
    return address


def _open_sqlite(address: URL) -> Engine:
    path = Path(str(address.database)).expanduser().absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUrlError(
            f"the folder {path.parent} cannot be made: {error.strerror}",
            remedy="name another place with MODELTRAIL_DATABASE or MODELTRAIL_HOME",
        ) from error
    engine = create_engine(address.set(database=str(path)), connect_args={"isolation_level": None})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _open_postgresql(address: URL) -> Engine:
    query = dict(address.query)
    limits = {name: query.pop(f"{name}_ms", default) for name, default in POSTGRESQL_LIMITS_MS.items()}
    for name, value in limits.items():
        if not str(value).isdecimal():
            raise DatabaseUrlError(f"{name}_ms is no number of milliseconds: {value!r}", remedy="write digits only")
    options = [f"-c {name}={value}" for name, value in limits.items()]
    if "options" in query:
        options.append(str(query.pop("options")))
    arguments = {name: value for name, value in POSTGRESQL_DEFAULTS.items() if name not in query}
    engine = create_engine(
        address.set(drivername="postgresql+psycopg", query=query),
        connect_args=arguments | {"options": " ".join(options)},
        pool_pre_ping=True,
        pool_size=POOL_SIZE,
        pool_timeout=POOL_WAIT_S,
    )
    event.listen(engine, "connect", _remember_plans)
    return engine


def _remember_plans(driver_connection: Any, _record: Any) -> None:
    driver_connection.prepared_max = STATEMENTS_PREPARED


def _set_pragmas(driver_connection: Any, _record: Any) -> None:
    """Set up a new connection."""
    driver_connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    driver_connection.execute(f"PRAGMA page_size = {SQLITE_PAGE_BYTES}")  # of a new file
    use_write_ahead_log(driver_connection)
    for pragma in _SQLITE_PRAGMAS:
        driver_connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")  # waits for other writers: busy_timeout


def _translate(error: Exception, engine: Engine) -> ModeltrailError:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    name = without_password(engine.url.render_as_string(hide_password=True))
    if isinstance(cause, sqlite3.Error):
        return _translate_sqlite(cause, name, str(engine.url.database))
    reason = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    if _is_refusal(cause):
        return _refusal(reason)
    if isinstance(error, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError) or _is_operational(cause):
        return DatabaseUnavailableError(
            f"the database {name} does not answer: {reason}", remedy="start it, or correct MODELTRAIL_DATABASE"
        )
    return DatabaseUrlError(f"the database {name} refused: {reason}", remedy="see what its role may do")


def _refusal(reason: str) -> DataRefusedError:
    return DataRefusedError(f"the database refused it: {reason}", remedy="see which of its rules that is against")


def _is_refusal(cause: BaseException) -> bool:
    """Return whether a row is at fault. What the driver itself refuses has no SQLSTATE, but a class named so."""
    sqlstate = getattr(cause, "sqlstate", None)
    if sqlstate:
        return str(sqlstate).startswith(_REFUSAL_CLASSES)
    return any(base.__name__ in ("DataError", "IntegrityError") for base in type(cause).__mro__)


def _is_operational(cause: BaseException) -> bool:
    """Return whether time may help. Class 25: a transaction ended for being idle, a server that only reads now."""
    if (getattr(cause, "sqlstate", None) or "").startswith("25"):
        return True
    return any(base.__name__ in ("OperationalError", "InterfaceError") for base in type(cause).__mro__)


def _translate_sqlite(cause: sqlite3.Error, name: str, path: str) -> ModeltrailError:
    code = getattr(cause, "sqlite_errorname", "")
    if code.startswith(_SQLITE_REFUSALS) or isinstance(cause, sqlite3.DataError):
        return _refusal(str(cause))
    if code.startswith("SQLITE_NOTADB"):
        return DatabaseUrlError(f"{path} is not a SQLite database", remedy="name another file, or move this one away")
    if code.startswith("SQLITE_CORRUPT"):
        return DatabaseUrlError(
            f"{path} is damaged: {cause}", remedy="move it away: the log builds it anew (modeltrail rebuild)"
        )
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return DatabaseUrlError(
            f"{path} cannot be written: {cause}", remedy="make it writable, or name another with MODELTRAIL_DATABASE"
        )
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR")):
        return DatabaseUnavailableError(
            f"the database {name} does not answer: {cause}", remedy="free the disk, or end who holds the file"
        )
    return DatabaseUrlError(f"the database {name} refused: {cause}")
