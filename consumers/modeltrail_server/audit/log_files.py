"""The files of one partition's audit log, read as they lie there: whether they are authentic, ``reading`` decides.

No more of a file is read than it may have, whatever its size: who made the folder may mean harm.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modeltrail_schemas.counting import counted

from modeltrail_server.audit import layout
from modeltrail_server.audit.checkpoint import Checkpoint, verify_checkpoint
from modeltrail_server.audit.errors import AuditDamagedError, Fault, FaultKind, NoteError
from modeltrail_server.audit.note import MAX_NOTE_BYTES, VerifierKey
from modeltrail_server.audit.tlog import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, Tile
from modeltrail_server.audit.tree import MAX_FRAMED_ENTRY_BYTES, decode_bundle


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
            note = read_at_most(self.path / layout.CHECKPOINT, MAX_NOTE_BYTES)
            return verify_checkpoint(note, key), note
        except FileNotFoundError:
            raise self.fault(FaultKind.DELETED, layout.CHECKPOINT, "the signed head is missing") from None
        except NoteError as error:
            raise self.fault(FaultKind.FORGED, layout.CHECKPOINT, str(error)) from error

    def read_tile(self, tile: Tile) -> bytes:
        """Return a tile; a partial one that is gone from its full successor. Raises AuditDamagedError."""
        data, _ = self._read(layout.tile_path, tile, HASH_BYTES)
        wanted = tile.width * HASH_BYTES
        if len(data) < wanted:
            first = tile.index * TILE_WIDTH + len(data) // HASH_BYTES
            detail = f"the tile has {counted(len(data), 'byte')} instead of {wanted}"
            name = layout.tile_path(tile)
            raise self.fault(FaultKind.TRUNCATED, name, detail, index=first << (TILE_HEIGHT * tile.level))
        return data[:wanted]

    def read_entries(self, tile: Tile) -> tuple[list[bytes], int]:
        """Return the entries under a level 0 tile and the number of bytes left over. Raises AuditDamagedError."""
        data, whole = self._read(layout.entries_path, tile, MAX_FRAMED_ENTRY_BYTES)
        entries, surplus = decode_bundle(data)
        return (entries[: tile.width], 0) if whole else (entries, surplus)

    def read_all_entries(self, tile: Tile) -> list[bytes]:
        """Return the entries under a level 0 tile, as many as it is wide. Raises AuditDamagedError."""
        entries, _ = self.read_entries(tile)
        if len(entries) < tile.width:
            detail = f"the bundle has {counted(len(entries), 'entry', 'entries')} instead of {tile.width}"
            first = tile.index * TILE_WIDTH + len(entries)
            raise self.fault(FaultKind.TRUNCATED, layout.entries_path(tile), detail, index=first)
        return entries[: tile.width]

    def _read(self, path_of: Callable[[Tile], str], tile: Tile, max_each_bytes: int) -> tuple[bytes, bool]:
        """Return the bytes of a tile or bundle, and whether they are of the full twin of a partial one."""
        full = Tile(tile.level, tile.index)
        for each in dict.fromkeys((tile, full)):
            max_bytes = each.width * max_each_bytes
            try:
                data = read_at_most(self.path / path_of(each), max_bytes)
            except FileNotFoundError:
                continue
            if len(data) > max_bytes:
                end = (each.index * TILE_WIDTH + each.width) << (TILE_HEIGHT * each.level)
                detail = f"the file has more than {max_bytes:,} bytes, the most that may be in it"
                raise self.fault(FaultKind.ADDED, path_of(each), detail, index=end)
            return data, each != tile
        siblings, own = (self.path / path_of(full)).parent, Path(path_of(tile)).name
        later = [path for path in siblings.glob("*") if path.name > own] if siblings.is_dir() else []
        kind = FaultKind.DELETED if later else FaultKind.TRUNCATED
        first = (tile.index * TILE_WIDTH) << (TILE_HEIGHT * tile.level)
        raise self.fault(kind, path_of(tile), "the file is missing", index=first)


def read_at_most(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a file; of one that has more than ``max_bytes``, one more than these."""
    with path.open("rb") as file:
        # Room is made for as much as is asked for, so no more is asked for than there is.
        return file.read(min(os.fstat(file.fileno()).st_size, max_bytes) + 1)
