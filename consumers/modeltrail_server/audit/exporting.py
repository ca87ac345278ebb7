"""Exports: a self-contained copy of what the signed heads cover, for somebody else to verify. The key stays here."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modeltrail_schemas.counting import counted

from modeltrail_server.audit import layout
from modeltrail_server.audit.checkpoint import Checkpoint
from modeltrail_server.audit.errors import AuditError, FaultKind
from modeltrail_server.audit.keys import read_verifier
from modeltrail_server.audit.leaf import decode
from modeltrail_server.audit.log_files import LogFiles
from modeltrail_server.audit.segments import FrameError, SegmentReader, segment_of
from modeltrail_server.audit.tlog import TILE_WIDTH, Tile, tiles
from modeltrail_server.audit.tree import encode_bundle
from modeltrail_server.audit.verification import Report, partitions_of, verify


@dataclass(frozen=True, slots=True)
class Export:
    """What was copied, and what verifying the copy found."""

    folder: Path
    files: int
    bytes: int
    report: Report


def export(folder: Path, destination: Path) -> Export:
    """Copy an audit folder as of its signed heads to ``destination``, missing or empty; verify the copy.

    The auditor may go on meanwhile. Raises AuditError, AuditDamagedError when a file that the heads name is missing.
    """
    if destination.exists() and any(destination.iterdir()):
        raise AuditError(f"{destination} is not empty", remedy="export into a new folder")
    key = read_verifier(folder / layout.VERIFIER_KEY)
    copied = [_copy(folder / layout.VERIFIER_KEY, destination / layout.VERIFIER_KEY)]
    schemas = folder / layout.SCHEMAS
    copied += [_copy(path, destination / layout.SCHEMAS / path.name) for path in sorted(schemas.glob("*.avsc"))]
    for partition in partitions_of(folder):
        files = LogFiles(folder, partition)
        target = destination / layout.partition_folder(partition)
        head, note = files.read_note(key)
        copied += _copy_log(files, head, target)
        copied.append(_write(target / layout.CHECKPOINT, note))
    report = verify(destination, key)
    return Export(destination, len(copied), sum(copied), report)


def _copy_log(files: LogFiles, head: Checkpoint, target: Path) -> Iterator[int]:
    """Copy what ``head`` covers; yield the size of each file."""
    if (files.path / layout.VERIFIER_KEY).exists():
        yield _copy(files.path / layout.VERIFIER_KEY, target / layout.VERIFIER_KEY)
    for tile in tiles(head.size):
        yield _write(target / layout.tile_path(tile), files.read_tile(tile))
        if tile.level == 0:
            yield _write(target / layout.entries_path(tile), _bundle(files, tile))
    last_segment = _last_segment(files, head)
    for path in sorted(each for each in (files.path / layout.SEGMENTS).rglob("*") if each.is_file()):
        try:
            length = _signed_bytes(path, files, head, last_segment)
            if length != 0:
                yield _copy(path, target / path.relative_to(files.path), length)
        except FileNotFoundError:  # an auditor at work has just compressed it
            path = path.with_name(path.name + layout.COMPRESSED)
            yield _copy(path, target / path.relative_to(files.path))


def _bundle(files: LogFiles, tile: Tile) -> bytes:
    entries, surplus = files.read_entries(tile)
    name = layout.entries_path(tile)
    if surplus or len(entries) != tile.width:
        raise files.fault(
            FaultKind.TRUNCATED, name, f"the bundle does not hold {counted(tile.width, 'entry', 'entries')}"
        )
    return encode_bundle(entries)


def _last_segment(files: LogFiles, head: Checkpoint) -> int:
    if not head.size:
        return -1
    index, width = divmod(head.size - 1, TILE_WIDTH)
    entries, _ = files.read_entries(Tile(0, index, width + 1))
    return segment_of(decode(entries[-1]).offset)


def _signed_bytes(path: Path, files: LogFiles, head: Checkpoint, last_segment: int) -> int | None:
    """Return how many bytes of a segment's file count: None all of them, 0 none."""
    number, compressed = layout.parse_segment_path(path.relative_to(files.path).as_posix()) or (
        last_segment + 1,
        False,
    )
    if number != last_segment or compressed:
        return None if number <= last_segment else 0
    with SegmentReader.open_file(path, files.partition) as reader:
        try:
            _, first_index = reader.header()
            for _ in range(head.size - first_index):
                reader.record()
        except FrameError:
            return None
        return reader.position


def _copy(source: Path, target: Path, length: int | None = None) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    if length is not None and length < target.stat().st_size:
        with target.open("r+b") as file:
            file.truncate(length)
    return target.stat().st_size


def _write(target: Path, data: bytes) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.write_bytes(data)
