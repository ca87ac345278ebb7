"""What waits in the spools, told without touching them."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from modeltrail.spool.framing import decode_frames
from modeltrail.spool.layout import events_file, is_header, notes_file, segments, spool_folders
from modeltrail.spool.outbox import read_state
from modeltrail.spool.ownership import Owner, is_alive, read_owner


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """One spool: whose it is, and what of it the log does not have.

    ``is_alive``: its process may live; one that ended is known to have, though its sender holds its lock meanwhile.
    """

    emitter_id: str
    owner: Owner
    is_alive: bool
    waiting_notes: int
    waiting_events: int
    waiting_bytes: int

    @property
    def is_empty(self) -> bool:
        """Return whether the log has all of it."""
        return not self.waiting_notes and not self.waiting_events

    def age_s(self) -> float:
        """Return how long ago the spool was made, in seconds."""
        return max(0.0, time.time() - self.owner.started_ns / 1e9)


def spool_status(root: Path) -> list[SpoolStatus]:
    """Return the state of each spool, the oldest first. Raises OSError when they cannot be read."""
    return [status for folder in spool_folders(root) if (status := _status(folder)) is not None]


def damaged_files(root: Path) -> list[Path]:
    """Return the files of bytes that were set aside because they could not be read."""
    return sorted(root.glob("*.damaged"))


def _status(folder: Path) -> SpoolStatus | None:
    """Return the state of a spool; None when it was sent and removed meanwhile."""
    owner = read_owner(folder)
    alive = is_alive(folder) and not owner.has_ended()
    notes = events = size_bytes = 0
    for segment in segments(folder):
        with suppress(FileNotFoundError):
            outbox = read_state(events_file(folder, segment))
            data = notes_file(folder, segment).read_bytes()[outbox.notes_offset :]
            waiting = [payload for payload, _ in decode_frames(data).payloads if not is_header(payload)]
            notes += len(waiting)
            size_bytes += sum(len(payload) for payload in waiting)
            events += sum(len(batch.events) for batch in outbox.pending)
            size_bytes += sum(len(event.value) for batch in outbox.pending for event in batch.events)
    if not folder.is_dir():
        return None
    return SpoolStatus(folder.name, owner, alive, notes, events, size_bytes)
