"""Logs to audit: a list that is a log, and histories to put into it."""

import contextlib
import hashlib
import os
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from modeltrail.log import LogIdentity, Outgoing, Position, Record
from modeltrail_server import audit
from modeltrail_server.audit.keys import read_key

IDENTITY = LogIdentity("0f3e5c1a-topic", "lineage")
NAME = "example.org/lineage"


class ListLog:
    """A log in a list of records per partition; offsets may have gaps."""

    def __init__(self, *partitions: Sequence[Record], identity: LogIdentity = IDENTITY) -> None:
        self.identity = identity
        self.records = [list(records) for records in partitions]
        self.first = [0 for _ in partitions]

    def partitions(self) -> int:
        return len(self.records)

    def append(self, records: Sequence[Outgoing], *, timeout_ms: int = 30_000) -> list[tuple[int, int]]:
        places = []
        for outgoing in records:
            partition = outgoing.partition or 0
            offset = self.end()[partition]
            self.records[partition].append(
                Record(partition, offset, 1_700_000_000_000 + offset, outgoing.key, outgoing.value, outgoing.headers)
            )
            places.append((partition, offset))
        return places

    def reader(self, *, group: str | None = None) -> "ListReader":
        return ListReader(self)

    def start(self) -> Position:
        return Position(tuple(self.first))

    def end(self) -> Position:
        return Position(tuple(records[-1].offset + 1 if records else 0 for records in self.records))

    def close(self) -> None:
        pass

    def __enter__(self) -> "ListLog":
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass


class ListReader:
    def __init__(self, log: ListLog) -> None:
        self._log = log
        self._at: dict[int, int] = {}

    def assignment(self) -> frozenset[int]:
        return frozenset(range(self._log.partitions()))

    def unpositioned(self) -> frozenset[int]:
        return self.assignment() - set(self._at)

    def seek(self, partition: int, offset: int) -> None:
        self._at[partition] = offset

    def position(self, partition: int) -> int:
        return self._at.get(partition, 0)

    def poll(self, *, max_records: int, wait_ms: int) -> Mapping[int, Sequence[Record]]:
        found: dict[int, list[Record]] = {}
        for partition, offset in self._at.items():
            fresh = [record for record in self._log.records[partition] if record.offset >= offset][:max_records]
            if fresh:
                found[partition] = fresh
                self._at[partition] = fresh[-1].offset + 1
        return found

    def close(self) -> None:
        pass


def history(size: int, *, seed: int = 1, partition: int = 0, gaps: bool = True) -> list[Record]:
    """Return records of mixed sizes, with and without keys and headers, at offsets with gaps."""
    chance = random.Random(seed)
    records, offset = [], 0
    for number in range(size):
        if gaps and chance.random() < 0.02:
            offset += chance.choice((1, 2, 40))
        digest = hashlib.sha256(f"{seed}-{number}".encode()).digest()
        key = chance.choice((None, b"", digest[:16]))
        headers = chance.choice(((), (), (("trace", digest[:4]), ("", b""))))
        records.append(
            Record(partition, offset, 1_700_000_000_000 + number, key, digest * chance.randrange(4), headers)
        )
        offset += 1
    return records


def start(folder: Path, records: Sequence[Record], batches: Sequence[int] = (), *, name: str = NAME) -> Path:
    """Make an audit folder of records, published in batches of these sizes and a last one."""
    audit.init(folder, name, IDENTITY)
    go_on(folder, records, batches)
    return folder


def go_on(folder: Path, records: Sequence[Record], batches: Sequence[int] = ()) -> None:
    """Audit more records."""
    with audit.Auditor(folder, read_key(folder), IDENTITY, 0) as auditor:
        at = 0
        for size in [*batches, len(records)]:
            auditor.append(records[at : at + size])
            auditor.publish()
            at += size


@contextlib.contextmanager
def quick_folder() -> Iterator[Path]:
    """Make a folder in memory where the machine has one, and remove it: for thousands of small files."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the content of every file by its name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lasting_files(folder: Path) -> dict[str, bytes]:
    """Return what depends on the log alone: full tiles and bundles, and segments."""
    tiles, segments = ("0/tile/", "0/segments/")
    return {
        name: data
        for name, data in files_of(folder).items()
        if (name.startswith(tiles) and ".p/" not in name) or name.startswith(segments)
    }
