"""The audit log: append-only, signed, checked with other people's tools (C2SP tlog-tiles, RFC 6962).

One log per partition, each a folder of files (``layout``). ``init`` makes the key, ``follow`` writes, everything else
reads; reading needs neither the log nor the key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modeltrail.log import LogIdentity, Position, Record

from modeltrail_server.audit import layout, pinning, proofs
from modeltrail_server.audit.auditor import Auditor
from modeltrail_server.audit.checkpoint import Checkpoint
from modeltrail_server.audit.errors import (
    AuditDamagedError,
    AuditError,
    AuditorRunningError,
    AuditWriteError,
    Fault,
    FaultKind,
    KeyFileError,
    NoteError,
    ProofError,
)
from modeltrail_server.audit.exporting import Export, export
from modeltrail_server.audit.files import Files
from modeltrail_server.audit.following import Pace, follow, write_schemas
from modeltrail_server.audit.keys import create_key, read_verifier
from modeltrail_server.audit.leaf import decode as decode_leaf
from modeltrail_server.audit.log_files import LogFiles
from modeltrail_server.audit.note import VerifierKey
from modeltrail_server.audit.proofs import Proven
from modeltrail_server.audit.proofs import check as check_proof
from modeltrail_server.audit.reading import authentic_records, find_first
from modeltrail_server.audit.tlog import TILE_WIDTH, Tile
from modeltrail_server.audit.verification import PartitionReport, Report, partitions_of, verify


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """Where one partition's log stands. ``next_offset`` is the first not audited, ``behind`` how many lack."""

    partition: int
    head: Checkpoint
    verifier_key: str
    next_offset: int
    behind: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """Where an audit folder stands. ``verifier_key`` is the text to pin elsewhere."""

    folder: Path
    verifier_key: str
    partitions: tuple[PartitionStatus, ...]


def init(
    folder: Path, name: str, identity: LogIdentity | None = None, *, partitions: int = 1, files: Files | None = None
) -> Status:
    """Start an audit log: make the key, named ``name``, and with ``identity`` an empty signed head per partition.

    Partitions left out get theirs from ``follow``. Raises KeyFileError when the folder has a key already.
    """
    signer = create_key(folder, name, files or Files())
    for partition in range(partitions if identity is not None else 0):
        assert identity is not None
        with Auditor(folder, signer, identity, partition, files=files):
            pass
    return status(folder)


def status(folder: Path, end: Position | None = None) -> Status:
    """Return the signed heads, and with ``end`` of the log how far they are behind. Checks signatures only."""
    key = read_key_of(folder)
    found = []
    for partition in partitions_of(folder):
        files = LogFiles(folder, partition)
        head = files.read_checkpoint(key)
        next_offset = 0
        if head.size:
            index, width = divmod(head.size - 1, TILE_WIDTH)
            entries = files.read_all_entries(Tile(0, index, width + 1))
            next_offset = decode_leaf(entries[-1]).offset + 1
        behind = None if end is None else max(0, end[partition] - next_offset)
        found.append(PartitionStatus(partition, head, key.renamed(head.origin).format(), next_offset, behind))
    return Status(folder, key.format(), tuple(found))


def prove(folder: Path, *, index: int | None = None, offset: int | None = None, partition: int = 0) -> str:
    """Return the inclusion proof of a record, by tree index or by offset, as text that ``check_proof`` takes."""
    if (index is None) == (offset is None):
        raise AuditError(
            "a record is named by its index or by its offset, one of the two", remedy="give --index or --offset"
        )
    key, files = read_key_of(folder), LogFiles(folder, partition)
    if index is None:
        assert offset is not None
        index = proofs.find_index(files, key, offset)
    return proofs.prove(files, key, index)


def pin(folder: Path, path: Path, *, partition: int = 0) -> Checkpoint:
    """Write the signed head to ``path``, to be kept outside; an older pin there must be its past."""
    return pinning.write_pin(LogFiles(folder, partition), read_key_of(folder), path)


def check_pin(folder: Path, path: Path, verifier_key: VerifierKey | None = None, *, partition: int = 0) -> Checkpoint:
    """Return the signed head after proving that it descends from the pin at ``path``. Raises AuditDamagedError."""
    key, files = verifier_key or read_key_of(folder), LogFiles(folder, partition)
    head = files.read_checkpoint(key)
    pinning.require_descent(files, head, pinning.read_pin(path, key))
    return head


def read_records(
    folder: Path, partition: int = 0, *, start: int = 0, verifier_key: VerifierKey | None = None
) -> Iterator[Record]:
    """Yield the audited records from offset ``start`` on, each proved to be the one that was signed.

    Raises AuditDamagedError at the first that is not.
    """
    files = LogFiles(folder, partition)
    head = files.read_checkpoint(verifier_key or read_key_of(folder))
    first = find_first(files, head, start)
    for _, record in authentic_records(files, head, first=first):
        if record.offset >= start:
            yield record


def read_key_of(folder: Path) -> VerifierKey:
    """Return the verifier key that lies in the folder. Raises AuditError when there is no audit log."""
    path = folder / layout.VERIFIER_KEY
    if not path.exists():
        raise AuditError(f"there is no audit log in {folder}", remedy="start one: modeltrail audit init")
    return read_verifier(path)


__all__ = [
    "AuditDamagedError",
    "AuditError",
    "AuditWriteError",
    "Auditor",
    "AuditorRunningError",
    "Checkpoint",
    "Export",
    "Fault",
    "FaultKind",
    "KeyFileError",
    "NoteError",
    "Pace",
    "PartitionReport",
    "PartitionStatus",
    "ProofError",
    "Proven",
    "Report",
    "Status",
    "VerifierKey",
    "check_pin",
    "check_proof",
    "export",
    "follow",
    "init",
    "partitions_of",
    "pin",
    "prove",
    "read_key_of",
    "read_records",
    "status",
    "verify",
    "write_schemas",
]
