"""Verification: recompute everything under the signed heads, name the first fault. Streams; writes nothing.

Covered: every byte of checkpoints, tiles, bundles, segments, schemas and keys. What is not, is listed in the report.
"""

import os
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path

from modeltrail_server.audit import layout
from modeltrail_server.audit.checkpoint import Checkpoint
from modeltrail_server.audit.errors import AuditDamagedError, AuditError, Fault, FaultKind, KeyFileError, NoteError
from modeltrail_server.audit.keys import read_key, read_verifier
from modeltrail_server.audit.log_files import LogFiles, read_at_most
from modeltrail_server.audit.note import VerifierKey
from modeltrail_server.audit.pinning import read_pin, require_descent
from modeltrail_server.audit.reading import authentic_records
from modeltrail_server.audit.segments import FrameError, SegmentReader, same_bytes, segment_of
from modeltrail_server.audit.tlog import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, Tile
from modeltrail_server.audit.tree import encode_bundle

PROGRESS_RECORDS = 4096
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class PartitionReport:
    """What was found in one partition's log. ``uncovered`` are files beside it that no signature covers."""

    partition: int
    head: Checkpoint | None
    records: int = 0
    payload_bytes: int = 0
    first_offset: int | None = None
    last_offset: int | None = None
    fault: Fault | None = None
    uncovered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What ``verify`` found. ``pinned_key`` says whether the key came from outside the folder."""

    folder: Path
    key: VerifierKey | None
    pinned_key: bool
    partitions: tuple[PartitionReport, ...] = ()
    folder_fault: Fault | None = None
    uncovered: tuple[str, ...] = ()

    @property
    def faults(self) -> list[Fault]:
        """Return the first fault of the folder and of each partition."""
        found = [self.folder_fault, *(each.fault for each in self.partitions)]
        return [fault for fault in found if fault is not None]

    @property
    def ok(self) -> bool:
        """Return whether everything under the signatures is as it was signed."""
        return not self.faults


@dataclass(slots=True)
class _Seen:
    """What a walk over one log gathers."""

    records: int = 0
    payload_bytes: int = 0
    first_offset: int | None = None
    last_offset: int | None = None
    segments: set[int] = field(default_factory=set)
    uncovered: list[str] = field(default_factory=list)


def verify(
    folder: Path,
    verifier_key: VerifierKey | None = None,
    *,
    pins: Sequence[Path] = (),
    on_progress: OnProgress | None = None,
) -> Report:
    """Check a whole audit folder; ``verifier_key`` should come from outside it, else the one that lies there is used.

    ``on_progress`` hears (records done, records in all) of each partition. Faults are in the report, never raised;
    AuditError is raised when there is no audit log to look at, or a file cannot be read.
    """
    try:
        return _verify(folder, verifier_key, pins, on_progress)
    except OSError as error:
        raise AuditError(
            f"{error.filename or folder} cannot be read: {error.strerror}",
            remedy="verify as a user who may read the folder, or verify an export of it",
        ) from error


def _verify(
    folder: Path, verifier_key: VerifierKey | None, pins: Sequence[Path], on_progress: OnProgress | None
) -> Report:
    partitions = partitions_of(folder)
    if not (folder / layout.VERIFIER_KEY).exists() and not partitions:
        raise AuditError(f"there is no audit log in {folder}", remedy="start one: modeltrail audit init")
    try:
        key = verifier_key or read_verifier(folder / layout.VERIFIER_KEY)
    except KeyFileError as error:
        fault = Fault(FaultKind.CHANGED, layout.VERIFIER_KEY, str(error))
        return Report(folder, None, pinned_key=False, folder_fault=fault)
    folder_fault, uncovered, pinned = None, [], []
    try:
        pinned = [_read_pin(pin, key) for pin in pins]
        uncovered = _check_folder(folder, key)
    except AuditDamagedError as error:
        folder_fault = error.fault
    reports = tuple(_verify_partition(LogFiles(folder, each), key, pinned, on_progress) for each in partitions)
    folder_fault = folder_fault or _missing_log(pinned, reports)
    return Report(folder, key, verifier_key is not None, reports, folder_fault, tuple(uncovered))


def partitions_of(folder: Path) -> list[int]:
    """Return the partitions that have a log in ``folder``; one of which an auditor has made but the lock has none."""
    if not folder.is_dir():
        return []
    parts = (layout.CHECKPOINT, layout.TILES, layout.SEGMENTS)
    begun = [path for path in folder.iterdir() if any((path / part).exists() for part in parts)]
    parsed = (layout.parse_partition_folder(path.name) for path in begun)
    return sorted(partition for partition in parsed if partition is not None)


def _verify_partition(
    files: LogFiles, key: VerifierKey, pinned: Sequence[Checkpoint], on_progress: OnProgress | None
) -> PartitionReport:
    head, fault, seen = None, None, _Seen()
    try:
        head = files.read_checkpoint(key)
        _check_log_key(files, key, head)
        for pin in pinned:
            if pin.origin == head.origin:
                require_descent(files, head, pin)
        for index, record in authentic_records(files, head):
            seen.records = index + 1
            seen.payload_bytes += len(record.value)
            seen.first_offset = record.offset if index == 0 else seen.first_offset
            seen.last_offset = record.offset
            seen.segments.add(segment_of(record.offset))
            if on_progress is not None and seen.records % PROGRESS_RECORDS == 0:
                on_progress(seen.records, head.size)
        if on_progress is not None:
            on_progress(head.size, head.size)
        seen.uncovered = list(_check_beside(files, head, seen.segments))
    except AuditDamagedError as error:
        fault = error.fault
    return PartitionReport(
        files.partition,
        head,
        seen.records,
        seen.payload_bytes,
        seen.first_offset,
        seen.last_offset,
        fault,
        tuple(seen.uncovered),
    )


def _read_pin(path: Path, key: VerifierKey) -> Checkpoint:
    try:
        return read_pin(path, key)
    except NoteError as error:
        raise AuditDamagedError(Fault(FaultKind.FORGED, str(path), str(error))) from error


def _missing_log(pinned: Sequence[Checkpoint], reports: Sequence[PartitionReport]) -> Fault | None:
    """Return the fault of a pinned log that is not in the folder at all."""
    if any(report.head is None for report in reports):
        return None  # one is there and has lost its head: that is the fault
    there = {report.head.origin for report in reports if report.head is not None}
    for pin in pinned:
        if pin.origin not in there:
            return Fault(FaultKind.DELETED, pin.origin, "this log was pinned, and is not in the folder")
    return None


def _check_folder(folder: Path, key: VerifierKey) -> list[str]:
    """Check what lies beside the partitions; return the names that nothing covers."""
    uncovered = []
    own = folder / layout.VERIFIER_KEY
    if own.exists():
        _require(
            _verifier_is(own, key.name, key), FaultKind.CHANGED, layout.VERIFIER_KEY, "it is not the key of this log"
        )
    for path in sorted(folder.iterdir()):
        if path.name == layout.KEY and os.access(path, os.R_OK):
            _check_signer(folder, key)
        elif path.name == layout.SCHEMAS:
            for schema in sorted(path.iterdir()):
                with schema.open("rb") as file:
                    name = layout.schema_path(file_digest(file, "sha256").hexdigest())
                found = schema.relative_to(folder).as_posix()
                _require(found == name, FaultKind.CHANGED, found, "its bytes are not those its name digests")
        elif path.name != layout.VERIFIER_KEY and layout.parse_partition_folder(path.name) is None:
            uncovered += [each.relative_to(folder).as_posix() for each in _walk(path)]
    return uncovered


def _check_signer(folder: Path, key: VerifierKey) -> None:
    try:
        signer = read_key(folder).verifier
    except KeyFileError as error:
        raise AuditDamagedError(Fault(FaultKind.CHANGED, layout.KEY, str(error))) from error
    _require(signer == key, FaultKind.CHANGED, layout.KEY, "it is not the key that this log is signed with")


def _check_log_key(files: LogFiles, key: VerifierKey, head: Checkpoint) -> None:
    path = files.path / layout.VERIFIER_KEY
    if path.exists():
        detail = "it is not the key of this log"
        _require(_verifier_is(path, head.origin, key), FaultKind.CHANGED, files.name(layout.VERIFIER_KEY), detail)


def _verifier_is(path: Path, name: str, key: VerifierKey) -> bool:
    try:
        return read_verifier(path) in (key, key.renamed(name))
    except KeyFileError:
        return False


def _check_beside(files: LogFiles, head: Checkpoint, walked: Set[int]) -> Iterator[str]:
    """Check what the walk over the records did not read; yield the names of files that no signature covers.

    Left are: partial tiles of older heads, whatever was written ahead of the head, segments in two forms.
    """
    for path in _walk(files.path):
        name = path.relative_to(files.path).as_posix()
        if name in (layout.CHECKPOINT, layout.VERIFIER_KEY):
            continue
        try:
            covered = _is_covered(files, head, walked, name)
        except FileNotFoundError:
            continue  # an auditor at work has superseded it
        if not covered:
            yield files.name(name)


def _is_covered(files: LogFiles, head: Checkpoint, walked: Set[int], name: str) -> bool:
    """Check one file; return whether the signed head covers it whole."""
    path = files.path / name
    if (tile := layout.parse_tile_path(name)) is not None:
        return _check_tile(files, head, tile, path)
    if (bundle := layout.parse_entries_path(name)) is not None:
        return _check_bundle(files, head, bundle, path)
    if (segment := layout.parse_segment_path(name)) is not None:
        return _check_segment(files, head, segment[0], walked, path)
    return False


def _check_tile(files: LogFiles, head: Checkpoint, tile: Tile, path: Path) -> bool:
    """Compare a tile's file with the signed hashes; return whether they cover it whole."""
    signed_width = min(TILE_WIDTH, (head.size >> (TILE_HEIGHT * tile.level)) - tile.index * TILE_WIDTH)
    if signed_width <= 0:
        return False
    signed = files.read_tile(Tile(tile.level, tile.index, signed_width))
    common = min(signed_width, tile.width) * HASH_BYTES
    data = read_at_most(path, common)
    same = data[:common] == signed[:common] and (tile.width > signed_width or len(data) == common)
    _require(
        same, FaultKind.CHANGED, files.name(layout.tile_path(tile)), "it is not the beginning of the signed tile"
    )
    return tile.width <= signed_width


def _check_bundle(files: LogFiles, head: Checkpoint, tile: Tile, path: Path) -> bool:
    """Compare a bundle's file with the signed entries; return whether they cover it whole."""
    signed_width = min(TILE_WIDTH, head.size - tile.index * TILE_WIDTH)
    if signed_width <= 0:
        return False
    signed, _ = files.read_entries(Tile(0, tile.index, signed_width))
    common = encode_bundle(signed[: tile.width])
    data = read_at_most(path, len(common))
    same = data.startswith(common) and (tile.width > signed_width or len(data) == len(common))
    _require(
        same, FaultKind.CHANGED, files.name(layout.entries_path(tile)), "it is not the beginning of the signed bundle"
    )
    return tile.width <= signed_width


def _check_segment(files: LogFiles, head: Checkpoint, number: int, walked: Set[int], path: Path) -> bool:
    """Check a segment's file beyond what the walk read of it; return whether the signed head covers it whole."""
    name = files.name(path.relative_to(files.path).as_posix())
    last = max(walked, default=-1)
    if number > last:
        return False
    _require(number in walked, FaultKind.ADDED, name, "a segment that no signed record belongs to")
    plain = files.path / layout.segment_path(number)
    if path != plain and plain.exists():
        _require(same_bytes(plain, path), FaultKind.CHANGED, name, "it is not the compressed form of its segment")
    if number < last:
        return True
    try:
        with SegmentReader.open_file(path, files.partition) as reader:
            _, first_index = reader.header()
            for _ in range(head.size - first_index):
                reader.record()
            return not reader.surplus_bytes()
    except FrameError as error:
        raise AuditDamagedError(Fault(FaultKind.CHANGED, name, str(error))) from error


def _walk(path: Path) -> Iterator[Path]:
    """Yield the files under a path, or the one it is; those that vanish meanwhile are left out."""
    if path.is_file():
        yield path
    for folder, folders, names in os.walk(path, onerror=_raise_unless_gone):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names))


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _require(condition: bool, kind: FaultKind, name: str, detail: str) -> None:
    if not condition:
        raise AuditDamagedError(Fault(kind, name, detail))
