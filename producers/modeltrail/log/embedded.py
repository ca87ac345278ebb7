"""The embedded log: one SQLite file, one partition, many processes of one machine.

What ``append`` returned survives a crash and a power cut. A log object and its readers must not cross ``fork``: open
the log again in the child.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from modeltrail.errors import LogIdentityError
from modeltrail.log.appending import MAX_RECORD_BYTES, check_sizes
from modeltrail.log.cursor import Cursor, check_offset
from modeltrail.log.packing import pack_headers, unpack_headers
from modeltrail.log.protocol import LogIdentity, Outgoing, Position, Record
from modeltrail.log.sqlite_file import begin_immediate, connect, explained, file_id

POLL_INTERVAL_MS = 20
MAX_POLL_BYTES = 64 * 1024 * 1024
FETCH_RECORDS = 1_000


class EmbeddedLog:
    """A log in the file at ``path``. Safe for many threads and processes, not across ``fork``."""

    def __init__(self, path: Path | str, *, create: bool = True, max_record_bytes: int = MAX_RECORD_BYTES) -> None:
        """Open the log, making it and its folder when missing and ``create`` is set; see sqlite_file.connect."""
        self._path = Path(path).expanduser().absolute()
        self._max_record_bytes = max_record_bytes
        self._file = _LogFile(self._path, create=create)
        self._identity = LogIdentity(self._file.topic_id, str(self._path))

    @property
    def identity(self) -> LogIdentity:
        """Return which log this is, as first seen when it was opened."""
        return self._identity

    def partitions(self) -> int:
        """Return 1."""
        return 1

    def append(self, records: Sequence[Outgoing], *, timeout_ms: int = 30_000) -> list[tuple[int, int]]:
        """Append all of them in one transaction, or none; return (0, offset) of each once they are on the disk."""
        check_sizes(records, self._max_record_bytes)
        for record in records:
            if record.partition not in (None, 0):
                raise ValueError(f"partition {record.partition} of a log with one")
        if not records:
            return []
        with self._file.used() as connection, _rolled_back_on_error(connection):
            begin_immediate(connection, timeout_ms)
            start, timestamp_ms = _next_offset_and_time(connection)
            connection.executemany(
                "INSERT INTO record VALUES (?, ?, ?, ?, ?)",
                (
                    (offset, timestamp_ms, record.key, record.value, pack_headers(record.headers) or None)
                    for offset, record in enumerate(records, start)
                ),
            )
            connection.execute("COMMIT")
        return [(0, offset) for offset in range(start, start + len(records))]

    def reader(self, *, group: str | None = None) -> "EmbeddedReader":
        """Return a reader of the one partition. There is nothing to share, so each member of a group gets it too.

        Two processes that project the same log into one database are kept apart by that database, not by the log.
        """
        del group
        return EmbeddedReader(self._path, self._identity)

    def start(self) -> Position:
        """Return the first offset still held."""
        with self._file.used() as connection:
            return Position((_bounds(connection)[0],))

    def end(self) -> Position:
        """Return the offset after the last record."""
        with self._file.used() as connection:
            return Position((_bounds(connection)[1],))

    def close(self) -> None:
        """Close the file. Readers stay open: each has the file open for itself."""
        self._file.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()


class EmbeddedReader:
    """A cursor over an embedded log, with a connection of its own. One thread at a time."""

    def __init__(self, path: Path, identity: LogIdentity) -> None:
        self._file = _LogFile(path, create=False)
        if self._file.topic_id != identity.topic_id:
            self._file.close()
            raise _another_log(path)
        self._name = identity.name
        self._cursor = Cursor((0,))

    def assignment(self) -> frozenset[int]:
        """Return the one partition, or none after ``close``."""
        return self._cursor.assignment()

    def unpositioned(self) -> frozenset[int]:
        """Return the partition as long as it waits for a ``seek``."""
        return self._cursor.unpositioned()

    def seek(self, partition: int, offset: int) -> None:
        """Read ``partition`` from ``offset`` on. Ignored when it is not partition 0."""
        self._cursor.seek(partition, offset)

    def position(self, partition: int) -> int:
        """Return the offset that is read next."""
        return self._cursor.position(partition)

    def poll(self, *, max_records: int, wait_ms: int) -> Mapping[int, Sequence[Record]]:
        """Return up to ``max_records`` records and about MAX_POLL_BYTES; empty after ``wait_ms`` without any.

        Waiting looks every POLL_INTERVAL_MS: SQLite tells no other process of a commit, and looking costs 20 µs.
        """
        deadline = time.monotonic() + wait_ms / 1000
        while True:
            records = self._read(max_records)
            if records:
                self._cursor.advance(0, records[-1].offset + 1)
                return {0: records}
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                return {}
            time.sleep(min(remaining_s, POLL_INTERVAL_MS / 1000))

    def close(self) -> None:
        """Close the reader's connection."""
        self._cursor.assign(())
        self._file.close()

    def _read(self, max_records: int) -> list[Record]:
        with self._file.used() as connection:
            for partition, offset in self._cursor.positioned():
                records = _select(connection, offset, max_records)
                if not records or records[0].offset != offset:
                    check_offset(self._name, partition, offset, *_bounds(connection))
                return records
        return []


class _LogFile:
    """An open connection to a log file, for one thread at a time, that notices when the file was replaced."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self._path = path
        self._connection = connect(path, create=create)
        self._file_id = file_id(path)
        self._process_id = os.getpid()
        self._lock = threading.Lock()
        self._closed = False
        with self.used() as connection:
            self.topic_id: str = connection.execute("SELECT topic_id FROM log").fetchone()[0]

    @contextmanager
    def used(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to one thread; what SQLite raises meanwhile is raised in our words."""
        with self._lock, explained(self._path):
            if self._closed:
                raise ValueError(f"the log {self._path} was closed")
            if os.getpid() != self._process_id:
                raise ValueError(f"the log {self._path} was opened before a fork: open it again in the child")
            if file_id(self._path) != self._file_id:
                raise _another_log(self._path)
            yield self._connection

    def close(self) -> None:
        with self._lock:
            if not self._closed and os.getpid() == self._process_id:
                self._connection.close()
            self._closed = True


@contextmanager
def _rolled_back_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    finally:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # the error that led here is the one to report
                connection.execute("ROLLBACK")


def _next_offset_and_time(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the next offset and the time to stamp: now, or the last record's time when the clock went back."""
    now_ms = time.time_ns() // 1_000_000
    last = connection.execute("SELECT offset, timestamp_ms FROM record ORDER BY offset DESC LIMIT 1").fetchone()
    return (0, now_ms) if last is None else (last[0] + 1, max(last[1], now_ms))


def _bounds(connection: sqlite3.Connection) -> tuple[int, int]:
    row = connection.execute(
        "SELECT coalesce((SELECT min(offset) FROM record), 0), coalesce((SELECT max(offset) + 1 FROM record), 0)"
    ).fetchone()
    return int(row[0]), int(row[1])


def _select(connection: sqlite3.Connection, offset: int, max_records: int) -> list[Record]:
    cursor = connection.execute(
        "SELECT offset, timestamp_ms, key, value, headers FROM record WHERE offset >= ? ORDER BY offset LIMIT ?",
        (offset, max_records),
    )
    records: list[Record] = []
    size_bytes = 0
    while size_bytes < MAX_POLL_BYTES and (rows := cursor.fetchmany(FETCH_RECORDS)):
        size_bytes += sum([len(row[3]) for row in rows])
        records += [Record(0, at, ms, key, value, unpack_headers(h) if h else ()) for at, ms, key, value, h in rows]
    cursor.close()
    return records


def _another_log(path: Path) -> LogIdentityError:
    return LogIdentityError(
        f"the file {path} is not the one that was opened: it was removed, or made anew",
        remedy="put the log back that was followed, or build what was derived from it anew (rebuild)",
    )
