"""Names and bounds of the spool's files. Every path in the spool is made here."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from modeltrail.errors import SpoolError

SEGMENT_BYTES = 8 * 1024 * 1024
"""A ``.notes`` file that reached this is finished, and the next one begun."""

_NEW = ".new-"


@dataclass(frozen=True, slots=True)
class Header:
    """The first frame of a segment: what a reader must know of the segments before, which may be gone.

    ``open_runs`` maps the id of each run that is open to the fields that name it; time and emitter are those of the
    last note before.
    """

    open_runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    event_time_ns: int = 0
    emitter: dict[str, Any] = field(default_factory=dict)


def encode_header(header: Header) -> bytes:
    """Return the payload of the first frame of a segment."""
    return b"H" + json.dumps(asdict(header), separators=(",", ":")).encode("ascii")


def decode_header(payload: bytes) -> Header:
    """Return the header that ``encode_header`` wrote. Raises SpoolError."""
    try:
        return Header(**json.loads(payload[1:]))
    except (ValueError, TypeError) as error:
        raise SpoolError(f"a spool's header cannot be read: {error}") from error


def is_header(payload: bytes) -> bool:
    """Return whether a payload is a header, not a note."""
    return payload[:1] == b"H"


def spool_root(home: Path) -> Path:
    """Return the folder of all spools."""
    return home / "spool"


def unfinished_folder(root: Path, emitter_id: str) -> Path:
    """Return where a spool is made ready before it is seen under its own name."""
    return root / f"{_NEW}{emitter_id}"


def spool_folders(root: Path) -> list[Path]:
    """Return the spools there are, the oldest first (emitter ids sort by time)."""
    try:
        with os.scandir(root) as entries:
            names = [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    except FileNotFoundError:
        return []
    return [root / name for name in sorted(names)]


def owner_file(folder: Path) -> Path:
    """Return the file that the owner holds locked."""
    return folder / "owner"


def acknowledged_file(folder: Path) -> Path:
    """Return the file that tells the owner up to where the log has its spool."""
    return folder / "acknowledged"


def notes_file(folder: Path, segment: int) -> Path:
    """Return the file of notes of a segment."""
    return folder / f"{segment:06d}.notes"


def unfinished_notes_file(folder: Path, segment: int) -> Path:
    """Return where a segment is begun before it is seen: once it is seen, the one before is finished."""
    return folder / f"{_NEW}{segment:06d}"


def events_file(folder: Path, segment: int) -> Path:
    """Return the file of encoded events of a segment."""
    return folder / f"{segment:06d}.events"


def damaged_file(folder: Path) -> Path:
    """Return the file beside the spool that keeps what could not be read; it outlives the spool."""
    return folder.with_name(f"{folder.name}.damaged")


def segments(folder: Path) -> list[int]:
    """Return the numbers of the segments there are, ascending."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(name[:-6]) for name in names if name.endswith(".notes") and name[:-6].isdecimal())


def used_bytes(root: Path) -> int:
    """Return the bytes of all spools together."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(folder, name)).st_size
    return total
