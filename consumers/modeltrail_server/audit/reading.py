"""Reading a log's files with the signed root as the only authority. No writes.

Tiles are authenticated from the root downward (``authentic_tiles``), entries against the tiles, records against the
entries (``authentic_records``). So the first fault met is named, whatever else was changed consistently around it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modeltrail.log import Record

from modeltrail_server.audit import diagnosis, layout
from modeltrail_server.audit.checkpoint import Checkpoint, verify_checkpoint
from modeltrail_server.audit.errors import AuditDamagedError, AuditError, Fault, FaultKind, NoteError
from modeltrail_server.audit.leaf import decode as decode_leaf
from modeltrail_server.audit.leaf import encode as encode_leaf
from modeltrail_server.audit.note import VerifierKey
from modeltrail_server.audit.segments import FrameError, SegmentReader, segment_of
from modeltrail_server.audit.tlog import (
    EMPTY_ROOT,
    HASH_BYTES,
    TILE_WIDTH,
    Tile,
    edge,
    edge_tile,
    fold,
    hash_at,
    leaf_hash,
)
from modeltrail_server.audit.tree import decode_bundle


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The files of one partition's log in an audit folder. A tile reader."""

    folder: Path
    partition: int

    @property
    def path(self) -> Path:
        """Return the log's own folder."""
        return self.folder / layout.partition_folder(self.partition)

    def name(self, name: str) -> str:
        """Return a file's name relative to the audit folder."""
        return f"{layout.partition_folder(self.partition)}/{name}"

    def fault(self, kind: FaultKind, name: str, detail: str, *, index: int | None = None) -> AuditDamagedError:
        """Return the error for a fault in file ``name``."""
        return AuditDamagedError(Fault(kind, self.name(name), detail, index))

    def read_checkpoint(self, key: VerifierKey) -> Checkpoint:
        """Return the signed head. Raises AuditDamagedError when it is missing or its signature is not ``key``'s."""
        return self.read_note(key)[0]

    def read_note(self, key: VerifierKey) -> tuple[Checkpoint, bytes]:
        """Return the signed head and the note it is in, of one moment. Raises as ``read_checkpoint`` does."""
        try:
            note = (self.path / layout.CHECKPOINT).read_bytes()
            return verify_checkpoint(note, key), note
        except FileNotFoundError:
            raise self.fault(FaultKind.DELETED, layout.CHECKPOINT, "the signed head is missing") from None
        except NoteError as error:
            raise self.fault(FaultKind.FORGED, layout.CHECKPOINT, str(error)) from error

    def read_tile(self, tile: Tile) -> bytes:
        """Return a tile; a partial one that is gone from its full successor. Raises AuditDamagedError."""
        name = layout.tile_path(tile)
        data, whole = self._read(name, layout.tile_path(Tile(tile.level, tile.index)), tile)
        wanted = tile.width * HASH_BYTES
        if whole:
            data = data[:wanted]
        if len(data) != wanted:
            kind = FaultKind.TRUNCATED if len(data) < wanted else FaultKind.ADDED
            first = tile.index * TILE_WIDTH + min(len(data) // HASH_BYTES, tile.width)
            detail = f"the tile has {len(data)} bytes instead of {wanted}"
            raise self.fault(kind, name, detail, index=first << (8 * tile.level))
        return data

    def read_entries(self, tile: Tile) -> tuple[list[bytes], int]:
        """Return the entries under a level 0 tile and the number of bytes left over. Raises AuditDamagedError."""
        data, whole = self._read(layout.entries_path(tile), layout.entries_path(Tile(0, tile.index)), tile)
        entries, surplus = decode_bundle(data)
        return (entries[: tile.width], 0) if whole else (entries, surplus)

    def _read(self, name: str, full_name: str, tile: Tile) -> tuple[bytes, bool]:
        """Return a file's bytes, and whether they are of the full twin of a partial one."""
        try:
            return (self.path / name).read_bytes(), False
        except FileNotFoundError:
            pass
        try:
            if not tile.full:
                return (self.path / full_name).read_bytes(), True
        except FileNotFoundError:
            pass
        first = (tile.index * TILE_WIDTH) << (8 * tile.level)
        siblings = (self.path / full_name).parent
        later = [path for path in siblings.glob("*") if path.name > Path(name).name] if siblings.is_dir() else []
        kind = FaultKind.DELETED if later else FaultKind.TRUNCATED
        raise self.fault(kind, name, "the file is missing", index=first)


@dataclass(slots=True)
class _Walk:
    """Authenticated tiles on the way down: one per level is kept."""

    files: LogFiles
    size: int
    edges: dict[int, bytes]
    kept: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    def hashes(self, level: int, index: int) -> bytes:
        """Return the authenticated hashes of a tile."""
        partial = edge_tile(level, self.size)
        if partial is not None and partial.index == index:
            return self.edges[level]
        kept = self.kept.get(level)
        if kept is not None and kept[0] == index:
            return kept[1]
        signed = hash_at(self.hashes(level + 1, index // TILE_WIDTH), index % TILE_WIDTH)
        tile = Tile(level, index)
        data = self.files.read_tile(tile)
        if fold(data) != signed:
            raise diagnosis.changed_tile(self.files, tile, data)
        self.kept[level] = (index, data)
        return data


def read_edges(files: LogFiles, head: Checkpoint) -> dict[int, bytes]:
    """Return the partial tiles by level, proved to lead to the signed root. Raises AuditDamagedError."""
    edges = {tile.level: files.read_tile(tile) for tile in edge(head.size)}
    right = b""
    for hashes in edges.values():
        right = fold(hashes + right)
    if (right or EMPTY_ROOT) != head.root:
        raise diagnosis.unsigned_root(files, head, edges)
    return edges


def authentic_tiles(files: LogFiles, head: Checkpoint, *, first: int = 0) -> Iterator[tuple[Tile, bytes]]:
    """Yield the level 0 tiles from tile ``first`` on, each proved to be under the signed root.

    Raises AuditDamagedError naming the tile that is not.
    """
    walk = _Walk(files, head.size, read_edges(files, head))
    for index in range(first, -(-head.size // TILE_WIDTH)):
        yield Tile(0, index, min(TILE_WIDTH, head.size - index * TILE_WIDTH)), walk.hashes(0, index)


def authentic_entries(files: LogFiles, head: Checkpoint, *, first: int = 0) -> Iterator[tuple[Tile, list[bytes]]]:
    """Yield the entries of each bundle from bundle ``first`` on, proved to be under the signed root."""
    for tile, hashes in authentic_tiles(files, head, first=first):
        entries, surplus = files.read_entries(tile)
        if surplus or len(entries) != tile.width or b"".join([leaf_hash(entry) for entry in entries]) != hashes:
            raise diagnosis.changed_bundle(files, tile, hashes, entries)
        yield tile, entries


def authentic_records(files: LogFiles, head: Checkpoint, *, first: int = 0) -> Iterator[tuple[int, Record]]:
    """Yield (tree index, record) from bundle ``first`` on; each is what was digested and signed.

    Raises AuditDamagedError at the first that is not.
    """
    segments = _Segments(files)
    try:
        for tile, entries in authentic_entries(files, head, first=first):
            for position, entry in enumerate(entries):
                index = tile.index * TILE_WIDTH + position
                offset = decode_leaf(entry).offset
                record = segments.record(index, offset)
                if record is None or encode_leaf(record) != entry:
                    following = segments.following()
                    raise diagnosis.changed_record(
                        files, segments.name, index, entries[position:], [record, following]
                    )
                yield index, record
        segments.finish(last=True)
    finally:
        segments.close()


class _Segments:
    """The segments in order, as the authentic entries ask for their records."""

    def __init__(self, files: LogFiles) -> None:
        self._files = files
        self._number: int | None = None
        self._reader: SegmentReader | None = None

    @property
    def name(self) -> str:
        """Return the name of the segment being read."""
        assert self._reader is not None
        return self._reader.path.relative_to(self._files.path).as_posix()

    def record(self, index: int, offset: int) -> Record | None:
        """Return the next record; ``index`` and ``offset`` are what it must be."""
        number = segment_of(offset)
        if number != self._number:
            self.finish(last=False)
            self._open(number, index, offset)
        assert self._reader is not None
        try:
            return self._reader.record()
        except FrameError as error:
            raise diagnosis.damaged_frame(self._files, self.name, index, offset, error) from error

    def following(self) -> Record | None:
        """Return the record after a wrong one, None when there is no readable one."""
        assert self._reader is not None
        try:
            return self._reader.record()
        except FrameError:
            return None

    def finish(self, *, last: bool) -> None:
        """Leave the segment. Only the last one may go on past the signed head: the auditor writes ahead of it."""
        if self._reader is not None and not last:
            try:
                surplus = self._reader.surplus_bytes()
            except FrameError as error:
                raise self._files.fault(FaultKind.CHANGED, self.name, str(error)) from error
            if surplus:
                raise self._files.fault(
                    FaultKind.ADDED, self.name, f"{surplus} bytes follow the segment's last signed record"
                )
        self.close()

    def close(self) -> None:
        """Free the file."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _open(self, number: int, index: int, offset: int) -> None:
        """Open a segment and, when ``index`` is not its first, skip to it."""
        path = layout.segment_path(number)
        try:
            self._reader = SegmentReader.open(self._files.path, number, self._files.partition)
        except FileNotFoundError:
            raise diagnosis.missing_segment(self._files, path, index, offset) from None
        fresh, self._number = self._number is None, number
        try:
            found, first_index = self._reader.header()
            if found != number or first_index > index or (first_index != index and not fresh):
                raise FrameError(f"it says it is segment {found} from index {first_index}")
            for _ in range(index - first_index):
                self._reader.record()
        except FrameError as error:
            raise diagnosis.damaged_frame(self._files, self.name, index, offset, error) from error


def find_first(files: LogFiles, head: Checkpoint, offset: int) -> int:
    """Return a bundle to read from for everything at and after ``offset``.

    It is the one the search last found to lie before ``offset``. Reading it proves that: offsets ascend, so no
    earlier bundle matters, whatever the search was told elsewhere.
    """
    return max(0, find_bundle(files, head, offset) - 1)


def find_bundle(files: LogFiles, head: Checkpoint, offset: int) -> int:
    """Return the bundle that holds the first record at or after ``offset``: a search, not yet a proof.

    All before it end before ``offset``, if they say the truth.
    """
    low, high = 0, -(-head.size // TILE_WIDTH)
    while low < high:
        middle = (low + high) // 2
        entries, _ = files.read_entries(Tile(0, middle, min(TILE_WIDTH, head.size - middle * TILE_WIDTH)))
        try:
            last = decode_leaf(entries[-1]).offset
        except (AuditError, IndexError):
            return 0
        if last < offset:
            low = middle + 1
        else:
            high = middle
    return low
