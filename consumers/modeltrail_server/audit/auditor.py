"""The auditor of one partition: records in, signed checkpoints out. The thin shell around ``tree``.

What is on disk is its whole state. It is made to be killed: a new one derives where to go on from the signed head,
and rewrites, byte for byte, whatever lies beyond it. Order of every publication, each step durable before the next:
segments, tiles and entry bundles, all of it read again and hashed again, checkpoint.
"""

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Self

from modeltrail.errors import LogIdentityError
from modeltrail.log import LogIdentity, Record

from modeltrail_server.audit import layout, leaf
from modeltrail_server.audit.checkpoint import Checkpoint, origin_of, sign_checkpoint
from modeltrail_server.audit.errors import AuditError, FaultKind
from modeltrail_server.audit.files import Files, Store
from modeltrail_server.audit.keys import publish_verifier
from modeltrail_server.audit.locking import hold
from modeltrail_server.audit.log_files import LogFiles
from modeltrail_server.audit.note import SignerKey
from modeltrail_server.audit.reading import read_edges
from modeltrail_server.audit.segments import (
    FrameError,
    SegmentReader,
    compress,
    encode_frame,
    encode_header,
    same_bytes,
    segment_of,
)
from modeltrail_server.audit.tlog import (
    EMPTY_ROOT,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    edge,
    fold,
    hash_at,
    leaf_hash,
    root,
    tiles,
)
from modeltrail_server.audit.tree import Tree


class Auditor:
    """Appends to the log of one partition. Open, ``append`` and ``publish``, close; after an error only close."""

    def __init__(
        self, folder: Path, signer: SignerKey, identity: LogIdentity, partition: int, *, files: Files | None = None
    ) -> None:
        """Name the log; nothing is touched before ``open``."""
        self.partition = partition
        self.origin = origin_of(signer.name, identity, partition)
        self._key = signer.verifier
        self._signer = signer.renamed(self.origin)
        self._files = LogFiles(folder, partition)
        self._store = Store(self._files.path, layout.SCRATCH, files or Files())
        self._lock_descriptor: int | None = None
        self._tree = Tree()
        self.head = Checkpoint(self.origin, 0, EMPTY_ROOT)
        self.last_leaf: bytes | None = None
        self.next_offset = 0
        self._segment: int | None = None
        self._segment_bytes = 0
        self._frames: list[bytes] = []
        self._unwritten: dict[str, tuple[int, list[bytes]]] = {}
        self._closed_segments: list[int] = []
        self._headers: tuple[object, bytes, bytes] = (
            (),
            leaf.encode_headers(()),
            sha256(leaf.encode_headers(())).digest(),
        )

    def open(self) -> Self:
        """Take the lock and go on where the signed head stands; a log that is new gets its empty checkpoint.

        Raises AuditorRunningError, LogIdentityError (the folder is of another topic), AuditDamagedError.
        """
        self._store.make()
        self._lock_descriptor = hold(self._store.folder / layout.LOCK)
        try:
            self._store.clear()
            self._recover()
        except BaseException:
            self.close()
            raise
        return self

    @property
    def size(self) -> int:
        """Return the number of records taken, published or not."""
        return self._tree.size

    def append(self, records: Sequence[Record]) -> None:
        """Take records in offset order. They are in memory only until ``publish``."""
        entries = []
        last_headers, raw_headers, headers_digest = self._headers
        next_offset = self.next_offset
        for number, record in enumerate(records):
            if record.offset < next_offset or record.partition != self.partition:
                raise AuditError(
                    f"record {record.partition}:{record.offset} cannot follow offset {next_offset - 1} "
                    f"of partition {self.partition}"
                )
            next_offset = record.offset + 1
            if record.headers != last_headers:
                last_headers, raw_headers = record.headers, leaf.encode_headers(record.headers)
                headers_digest = sha256(raw_headers).digest()
            if segment_of(record.offset) != self._segment:
                self._begin_segment(segment_of(record.offset), self._tree.size + number)
            frame = encode_frame(record, raw_headers)
            self._frames.append(frame)
            self._segment_bytes += len(frame)
            entries.append(leaf.encode_with_headers(record, headers_digest))
        if entries:
            self._headers = (last_headers, raw_headers, headers_digest)
            self._tree.append(entries)
            self.next_offset, self.last_leaf = next_offset, entries[-1]

    def publish(self) -> Checkpoint:
        """Make everything taken durable, check it as it lies on disk, sign it. Returns the new head."""
        if self._tree.size == self.head.size:
            return self.head
        for name, (at, frames) in self._unwritten.items():
            data = b"".join(frames)
            self._store.extend(name, at, data)
            with (self._store.folder / name).open("rb") as file:
                file.seek(at)
                if file.read() != data:
                    raise self._files.fault(FaultKind.CHANGED, name, "the disk does not hold what was just written")
        self._store.write_once(self._tree.take_files())
        self._check_written()
        before, self.head = self.head, Checkpoint(self.origin, self._tree.size, self._tree.root())
        self._store.replace(layout.CHECKPOINT, sign_checkpoint(self.head, self._signer))
        self._store.remove(self._superseded(before.size))
        self._rest_segments()
        return self.head

    def compress_closed(self) -> None:
        """Compress the completed segments under the signed head, and remove their uncompressed form."""
        assert self._tree.size == self.head.size, "publish first"
        for number in self._closed_segments:
            name = layout.segment_path(number)
            compressed = name + layout.COMPRESSED
            if not (self._store.folder / compressed).exists():
                with (self._store.folder / name).open("rb") as file:
                    self._store.write_once({compressed: b"".join(compress(file))})
            if not same_bytes(self._store.folder / name, self._store.folder / compressed):
                raise self._files.fault(FaultKind.CHANGED, compressed, "it is not the compressed form of its segment")
            self._store.remove([name])
        self._closed_segments = []

    def close(self) -> None:
        """Free the lock. What was not published is forgotten. May be called twice."""
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None

    def __enter__(self) -> Self:
        """Open."""
        return self.open()

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()

    def _recover(self) -> None:
        folder = self._store.folder
        if not (folder / layout.CHECKPOINT).exists():
            if (folder / layout.TILES).exists():
                raise self._files.fault(FaultKind.DELETED, layout.CHECKPOINT, "there are tiles, but no signed head")
            publish_verifier(self._store, self._signer.verifier)
            self._store.replace(layout.CHECKPOINT, sign_checkpoint(self.head, self._signer))
            return
        self.head = self._read_own_head()
        edges = read_edges(self._files, self.head)
        if not self.head.size:
            return
        levels = [bytearray() for _ in range(self.head.size.bit_length() // TILE_HEIGHT + 1)]
        for level, hashes in edges.items():
            levels[level] += hashes
        index, width = divmod(self.head.size - 1, TILE_WIDTH)
        last = Tile(0, index, width + 1)
        entries, surplus = self._files.read_entries(last)
        hashes = b"".join([leaf_hash(entry) for entry in entries])
        if surplus or hashes != self._files.read_tile(last):
            raise self._files.fault(
                FaultKind.CHANGED, layout.entries_path(last), "the entries are not those of the tile"
            )
        self._tree = Tree(self.head.size, levels, [] if last.full else entries)
        self.last_leaf = entries[-1]
        self.next_offset = leaf.decode(entries[-1]).offset + 1
        self._recover_segment()

    def _read_own_head(self) -> Checkpoint:
        head = self._files.read_checkpoint(self._key)
        if head.origin != self.origin:
            raise LogIdentityError(
                f"the audit log in {self._store.folder} is of {head.origin}; the log now read is {self.origin}",
                remedy="keep that folder as the record of the old topic, and audit the new one into another folder",
            )
        return head

    def _recover_segment(self) -> None:
        """Find where the signed records end in the last segment."""
        number = segment_of(self.next_offset - 1)
        name = layout.segment_path(number)
        try:
            with SegmentReader.open_file(self._store.folder / name, self.partition) as reader:
                _, first_index = reader.header()
                record = None
                for _ in range(self.head.size - first_index):
                    record = reader.record()
                position = reader.position
        except FileNotFoundError:
            raise self._files.fault(
                FaultKind.DELETED, name, "the last segment is missing", index=self.head.size - 1
            ) from None
        except FrameError as error:
            raise self._files.fault(FaultKind.CHANGED, name, str(error)) from error
        if record is None or leaf.encode(record) != self.last_leaf:
            raise self._files.fault(
                FaultKind.CHANGED, name, "it does not end in the last signed record", index=self.head.size - 1
            )
        self._segment, self._segment_bytes = number, position
        self._closed_segments = self._uncompressed_before(number)
        self._rest_segments()

    def _uncompressed_before(self, number: int) -> list[int]:
        folder = self._store.folder
        paths = (
            path.relative_to(folder).as_posix() for path in (folder / layout.SEGMENTS).rglob("*") if path.is_file()
        )
        found = [parsed for path in paths if (parsed := layout.parse_segment_path(path)) is not None]
        return sorted(each for each, compressed in found if each < number and not compressed)

    def _begin_segment(self, number: int, first_index: int) -> None:
        if self._segment is not None:
            self._closed_segments.append(self._segment)
        self._segment, self._frames = number, [encode_header(number, first_index)]
        self._segment_bytes = len(self._frames[0])
        self._unwritten[layout.segment_path(number)] = (0, self._frames)

    def _rest_segments(self) -> None:
        """Begin a new round of writes, which goes on in the open segment."""
        assert self._segment is not None
        self._frames = []
        self._unwritten = {layout.segment_path(self._segment): (self._segment_bytes, self._frames)}

    def _check_written(self) -> None:
        """Read the new tiles and bundles from the disk; what they lead to must be what is going to be signed."""
        size = self._tree.size
        for tile in tiles(size, since=self.head.size):
            hashes = self._files.read_tile(tile)
            if tile.level == 0:
                entries, surplus = self._files.read_entries(tile)
                good = not surplus and b"".join([leaf_hash(entry) for entry in entries]) == hashes
            else:
                first = max(tile.index * TILE_WIDTH, self.head.size >> (TILE_HEIGHT * tile.level))
                children = range(first, tile.index * TILE_WIDTH + tile.width)
                below = [fold(self._files.read_tile(Tile(tile.level - 1, child))) for child in children]
                good = below == [hash_at(hashes, child % TILE_WIDTH) for child in children]
            if not good:
                raise self._files.fault(
                    FaultKind.CHANGED, layout.tile_path(tile), "the disk does not hold what was written"
                )
        if root(size, self._files) != self._tree.root():
            raise self._files.fault(FaultKind.CHANGED, layout.TILES, "the tiles on disk lead to another root")

    def _superseded(self, before: int) -> list[str]:
        """Return the partial files of tiles that are full since the head of ``before`` leaves."""
        names = []
        for tile in edge(before):
            full = Tile(tile.level, tile.index)
            if (self._tree.size >> (TILE_HEIGHT * tile.level)) // TILE_WIDTH > tile.index:
                paths = [layout.tile_path(full)] + ([layout.entries_path(full)] if tile.level == 0 else [])
                for path in paths:
                    folder = self._store.folder / layout.partials_path(path)
                    names += [f"{layout.partials_path(path)}/{partial.name}" for partial in folder.glob("*")]
        return names
