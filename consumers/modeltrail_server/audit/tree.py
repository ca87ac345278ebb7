"""The growing right edge of a tree: entries in, the files of tiles and bundles out. Pure.

Full tiles depend on the entries alone; partial ones also on when ``files`` is called.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from modeltrail_server.audit import layout
from modeltrail_server.audit.errors import AuditError
from modeltrail_server.audit.tlog import EMPTY_ROOT, HASH_BYTES, TILE_WIDTH, Tile, fold

MAX_ENTRY_BYTES = 65_535
_LENGTH = struct.Struct(">H")
MAX_FRAMED_ENTRY_BYTES = _LENGTH.size + MAX_ENTRY_BYTES
"""Of an entry with its length before it: of 256 of these is a bundle made, at most."""
_TILE_BYTES = TILE_WIDTH * HASH_BYTES


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return an entry bundle. Raises AuditError when an entry is longer than the format allows."""
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise AuditError(f"an entry is longer than {MAX_ENTRY_BYTES} bytes")
    return b"".join([part for entry in entries for part in (_LENGTH.pack(len(entry)), entry)])


def decode_bundle(data: bytes) -> tuple[list[bytes], int]:
    """Return the whole entries of a bundle and how many bytes are left behind the last of them.

    Where there are more than a bundle has, one more of them is returned.
    """
    entries, at, end = list[bytes](), 0, len(data)
    while at + _LENGTH.size <= end and len(entries) <= TILE_WIDTH:
        start = at + _LENGTH.size
        stop = start + int.from_bytes(data[at:start], "big")
        if stop > end:
            break
        entries.append(data[start:stop])
        at = stop
    return entries, end - at


@dataclass(slots=True)
class Tree:
    """A tree of ``size`` leaves: ``levels`` are its partial tiles, ``entries`` is its last, partial bundle."""

    size: int = 0
    levels: list[bytearray] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    _written: dict[str, bytes] = field(default_factory=dict)

    def append(self, entries: Sequence[bytes]) -> None:
        """Add leaves."""
        for start in range(0, len(entries), TILE_WIDTH):
            self._append_some(entries[start : start + TILE_WIDTH])

    def root(self) -> bytes:
        """Return the root hash."""
        right = b""
        for hashes in self.levels:
            if hashes:
                right = fold(bytes(hashes) + right)
        return right or EMPTY_ROOT

    def take_files(self) -> dict[str, bytes]:
        """Return, by path, the full tiles and bundles since the last call and all partial ones."""
        files, self._written = self._written, {}
        for level, hashes in enumerate(self.levels):
            if hashes:
                tile = Tile(level, (self.size >> (8 * level)) // TILE_WIDTH, len(hashes) // HASH_BYTES)
                files[layout.tile_path(tile)] = bytes(hashes)
        if self.entries:
            tile = Tile(0, self.size // TILE_WIDTH, len(self.entries))
            files[layout.entries_path(tile)] = encode_bundle(self.entries)
        return files

    def _append_some(self, entries: Sequence[bytes]) -> None:
        """Add leaves, at most as many as a tile holds."""
        room = TILE_WIDTH - len(self.entries)
        for part in (entries[:room], entries[room:]):
            if part:
                self.entries += part
                self.size += len(part)
                self._push(0, b"".join([sha256(b"\x00" + entry).digest() for entry in part]))

    def _push(self, level: int, hashes: bytes) -> None:
        """Add hashes to a level, of which they complete at most one tile."""
        if level == len(self.levels):
            self.levels.append(bytearray())
        pending = self.levels[level]
        pending += hashes
        if len(pending) < _TILE_BYTES:
            return
        full = bytes(pending)
        pending.clear()
        tile = Tile(level, (self.size >> (8 * level)) // TILE_WIDTH - 1)
        self._written[layout.tile_path(tile)] = full
        if level == 0:
            self._written[layout.entries_path(tile)] = encode_bundle(self.entries)
            self.entries = []
        self._push(level + 1, fold(full))
