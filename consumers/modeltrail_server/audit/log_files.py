"""The files of one partition's audit log, read as they lie there: whether they are authentic, ``reading`` decides."""

from dataclasses import dataclass
from pathlib import Path

from modeltrail_schemas.counting import counted

from modeltrail_server.audit import layout
from modeltrail_server.audit.checkpoint import Checkpoint, verify_checkpoint
from modeltrail_server.audit.errors import AuditDamagedError, Fault, FaultKind, NoteError
from modeltrail_server.audit.note import VerifierKey
from modeltrail_server.audit.tlog import HASH_BYTES, TILE_WIDTH, Tile
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
            detail = f"the tile has {counted(len(data), 'byte')} instead of {wanted}"
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
