"""A session: the spool that an emitter has open, and how it learns what of it the log has."""

import socket
import time

from modeltrail.config import Config
from modeltrail.notes import Fields, encode_note
from modeltrail.sending.launching import Launcher
from modeltrail.spool.acknowledgement import NOWHERE, read_acknowledged
from modeltrail.spool.layout import spool_root, used_bytes
from modeltrail.spool.writing import SpoolWriter

FIRST_PAUSE_S, MAX_PAUSE_S = 0.001, 0.01
ENSURE_INTERVAL_S = 0.1
RING_INTERVAL_S = 1.0
MAX_START_S = 5.0
"""How long an impatient wait gives a sender to come up."""

MAX_SILENCE_S = 1.8
"""How long an impatient wait gives a log that neither takes an event nor refuses one."""

MEASURED_PARTS = 16
"""Room is measured anew after this part of the bound was written: processes of one home exceed it by as much."""

MEASURE_INTERVAL_S = 1.0


class Session:
    """An open spool. ``sequence`` and ``open_runs`` are kept by the emitter."""

    def __init__(self, config: Config, emitter_id: str) -> None:
        """Make the spool. Raises OSError."""
        self.id = emitter_id
        self.started_ns = time.time_ns()
        self._root = spool_root(config.home)
        self._max_bytes = config.max_spool_bytes
        self._room_bytes = 0
        self._measured_at = float("-inf")
        self.writer = SpoolWriter.create(self._root, emitter_id, host=socket.gethostname(), log=config.log)
        self.sequence = 0
        self.open_runs: dict[str, Fields] = {}
        owner = self.writer.ownership.owner
        fields = encode_note({"id": self.id, "host": owner.host, "process_id": owner.process_id})
        self._stamp = b'{"event_time_ns":%d,"emitter":' + fields[:-1].replace(b"%", b"%%")
        self._stamp += b',"rank":%d,"sequence":%d},'

    def stamp(self, time_ns: int, rank: int) -> bytes:
        """Return how the next note begins, as JSON: when it was made, by whom, and which of theirs it is."""
        return self._stamp % (time_ns, rank, self.sequence + 1)

    def emitter_fields(self, rank: int) -> Fields:
        """Return the ``emitter`` of the last note."""
        owner = self.writer.ownership.owner
        return {
            "id": self.id,
            "host": owner.host,
            "process_id": owner.process_id,
            "rank": rank,
            "sequence": self.sequence,
        }

    def has_room(self, size_bytes: int) -> bool:
        """Return whether the spools of the home may grow by ``size_bytes``."""
        if size_bytes > self._room_bytes:
            now = time.monotonic()
            if now < self._measured_at + MEASURE_INTERVAL_S and self._room_bytes < 0:
                return False
            self._measured_at = now
            room_bytes = self._max_bytes - used_bytes(self._root)
            part_bytes = max(size_bytes, self._max_bytes // MEASURED_PARTS)
            self._room_bytes = min(room_bytes, part_bytes) if size_bytes <= room_bytes else -1
        if size_bytes > self._room_bytes:
            return False
        self._room_bytes -= size_bytes
        return True

    def wait(self, launcher: Launcher, deadline: float, *, patient: bool) -> bool:
        """Wait until the log has everything written so far; return whether it has.

        One who is not ``patient`` gives up when the log is known not to answer, or nothing was heard for a while.
        """
        place, seen = self.writer.place, NOWHERE
        heard_at = started_at = time.monotonic()
        ensure_at = ring_at = started_at
        served = False
        pause_s = FIRST_PAUSE_S
        while (acknowledged := read_acknowledged(self.writer.ownership.folder)) < place:
            now = time.monotonic()
            if acknowledged > seen or not served:
                seen, heard_at = max(seen, acknowledged), now
            if now >= ensure_at:
                launcher.ensure()
                served, ensure_at = launcher.place.is_served(), now + ENSURE_INTERVAL_S
                if not patient and served and launcher.place.state().fault:
                    return False
            if now >= ring_at and launcher.place.ring():
                ring_at = now + RING_INTERVAL_S
            is_too_late = now - started_at > MAX_START_S if not served else now - heard_at > MAX_SILENCE_S
            if now >= deadline or (is_too_late and not patient):
                return False
            time.sleep(max(0.0, min(pause_s, deadline - now)))
            pause_s = min(MAX_PAUSE_S, pause_s * 2)
        return True
