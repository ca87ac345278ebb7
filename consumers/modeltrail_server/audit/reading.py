"""Reading a log's files with the signed root as the only authority. No writes.

Tiles are authenticated from the root downward (``authentic_tiles``), entries against the tiles, records against the
entries (``authentic_records``). So the first fault met is named, whatever else was changed consistently around it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from modeltrail.log import Record
from modeltrail_schemas.counting import counted

from modeltrail_server.audit import diagnosis, layout
from modeltrail_server.audit.checkpoint import Checkpoint
from modeltrail_server.audit.errors import AuditError, FaultKind
from modeltrail_server.audit.leaf import decode as decode_leaf
from modeltrail_server.audit.leaf import encode as encode_leaf
from modeltrail_server.audit.log_files import LogFiles
from modeltrail_server.audit.segments import FrameError, SegmentReader, segment_of
from modeltrail_server.audit.tlog import (
    EMPTY_ROOT,
    TILE_WIDTH,
    Tile,
    edge,
    edge_tile,
    fold,
    hash_at,
    leaf_hash,
)


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
                    FaultKind.ADDED,
                    self.name,
                    f"at least {counted(surplus, 'byte follows', 'bytes follow')} the segment's last signed record",
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
