"""Naming a fault once one is known to be there: which file, which index, what was done. Reads, never writes.

What is authentic is decided in ``reading``; here the differences are put into words.
"""

import contextlib
from collections.abc import Mapping, Sequence

from modeltrail.log import Record
from modeltrail_schemas.counting import counted

from modeltrail_server.audit import layout
from modeltrail_server.audit.checkpoint import Checkpoint
from modeltrail_server.audit.errors import AuditDamagedError, AuditError, Fault, FaultKind
from modeltrail_server.audit.leaf import decode as decode_leaf
from modeltrail_server.audit.leaf import encode as encode_leaf
from modeltrail_server.audit.log_files import LogFiles
from modeltrail_server.audit.segments import FrameCutError, FrameError, SegmentReader, segment_of
from modeltrail_server.audit.tlog import (
    HASH_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    edge_tile,
    fold,
    hash_at,
    leaf_hash,
)


def changed_tile(files: LogFiles, tile: Tile, hashes: bytes) -> AuditDamagedError:
    """Name the hash in a full tile that is not the one of what lies below it."""
    index = _first_difference(files, tile, hashes)
    name = layout.tile_path(tile)
    if index is None:
        first = tile.index * TILE_WIDTH << (TILE_HEIGHT * tile.level)
        detail = "what it stands for was rewritten, with everything below it: the signed tree has another hash here"
        return files.fault(FaultKind.CHANGED, name, detail, index=first)
    return files.fault(FaultKind.CHANGED, name, "the hash here is not that of what lies below", index=index)


def unsigned_root(files: LogFiles, head: Checkpoint, edges: Mapping[int, bytes]) -> AuditDamagedError:
    """Name the partial tile that leads to another root than the signed one; without one, history was rewritten."""
    for level in sorted(edges):
        tile = edge_tile(level, head.size)
        assert tile is not None
        index = _first_difference(files, tile, edges[level])
        if index is not None:
            detail = "the hash here is not that of what lies below"
            return files.fault(FaultKind.CHANGED, layout.tile_path(tile), detail, index=index)
    detail = (
        f"the files agree among themselves, but not with the signed root of {counted(head.size, 'record')}: "
        "history was rewritten, or the head belongs to another one"
    )
    return files.fault(FaultKind.FORKED, layout.CHECKPOINT, detail)


def changed_bundle(files: LogFiles, tile: Tile, hashes: bytes, entries: Sequence[bytes]) -> AuditDamagedError:
    """Name the entry in a bundle whose hash is not the signed one."""
    signed = [hash_at(hashes, position) for position in range(tile.width)]
    found = [leaf_hash(entry) for entry in entries]
    position = next((at for at, pair in enumerate(zip(signed, found, strict=False)) if pair[0] != pair[1]), None)
    if position is None:
        position = min(len(signed), len(found))
        kind = FaultKind.TRUNCATED if len(found) < len(signed) else FaultKind.ADDED
        detail = f"the bundle does not end after {counted(tile.width, 'entry', 'entries')}"
    else:
        kind = _classify(signed[position:], found[position:])
        detail = f"the entry was {kind}: its hash is not the signed one"
    offset = _find_offset(files, signed[position], entries) if position < tile.width else None
    fault = Fault(kind, files.name(layout.entries_path(tile)), detail, tile.index * TILE_WIDTH + position, offset)
    return AuditDamagedError(fault)


def changed_record(
    files: LogFiles, name: str, index: int, signed: Sequence[bytes], found: Sequence[Record | None]
) -> AuditDamagedError:
    """Name what is wrong with the first of ``found``, records of a segment; ``signed`` are the leaves from it on."""
    leaf = decode_leaf(signed[0])
    record = found[0]
    if record is None:
        detail = "the segment ends before this record"
        return AuditDamagedError(Fault(FaultKind.TRUNCATED, files.name(name), detail, index, leaf.offset))
    kind = _classify(signed, [encode_leaf(each) for each in found if each is not None])
    if kind is FaultKind.CHANGED:
        detail = f"{' and '.join(leaf.differences(record))} of the record differ from what was signed"
    else:
        detail = f"a record was {kind}: offset {record.offset} stands where offset {leaf.offset} was signed"
    return AuditDamagedError(Fault(kind, files.name(name), detail, index, leaf.offset))


def damaged_frame(files: LogFiles, name: str, index: int, offset: int, error: FrameError) -> AuditDamagedError:
    """Name a record whose bytes cannot be read."""
    kind = FaultKind.TRUNCATED if isinstance(error, FrameCutError) else FaultKind.CHANGED
    return AuditDamagedError(Fault(kind, files.name(name), str(error), index, offset))


def missing_segment(files: LogFiles, name: str, index: int, offset: int) -> AuditDamagedError:
    """Name a segment that is gone. Its digests are not: what it held can still be recognised, not read."""
    detail = (
        "the payloads of this segment are gone, in both forms; the entries still prove what they were, "
        "so a copy from an export or from the log can be put back and will verify"
    )
    return AuditDamagedError(Fault(FaultKind.DELETED, files.name(name), detail, index, offset))


def _first_difference(files: LogFiles, tile: Tile, hashes: bytes) -> int | None:
    """Return the tree index at which ``hashes`` stops being what lies below the tile; None if it never does."""
    if tile.level == 0:
        entries, _ = files.read_entries(tile)
        below = b"".join([leaf_hash(entry) for entry in entries])
    else:
        children = range(tile.index * TILE_WIDTH, tile.index * TILE_WIDTH + tile.width)
        below = b"".join([fold(files.read_tile(Tile(tile.level - 1, child))) for child in children])
    for position in range(tile.width):
        if hash_at(hashes, position) != below[position * HASH_BYTES : (position + 1) * HASH_BYTES]:
            return (tile.index * TILE_WIDTH + position) << (TILE_HEIGHT * tile.level)
    return None


def _classify(signed: Sequence[bytes], found: Sequence[bytes]) -> FaultKind:
    """Return what turns ``signed`` into ``found`` at their first place, where they differ."""
    if found[1:2] == signed[:1]:
        return FaultKind.REORDERED if found[:1] == signed[1:2] else FaultKind.ADDED
    if len(signed) > 1 and found[0] == signed[1]:
        return FaultKind.DELETED
    return FaultKind.REORDERED if found[0] in signed else FaultKind.CHANGED


def _find_offset(files: LogFiles, signed: bytes, entries: Sequence[bytes]) -> int | None:
    """Return the offset of the record with leaf hash ``signed``, looked for in the segments of a bundle."""
    offsets = [offset for entry in entries if (offset := _offset(entry)) is not None]
    for number in sorted({segment_of(offset) for offset in offsets}):
        with (
            contextlib.suppress(FrameError, FileNotFoundError),
            SegmentReader.open(files.path, number, files.partition) as reader,
        ):
            reader.header()
            while (record := reader.record()) is not None:
                if leaf_hash(encode_leaf(record)) == signed:
                    return record.offset
    return None


def _offset(entry: bytes) -> int | None:
    try:
        return decode_leaf(entry).offset
    except AuditError:
        return None
