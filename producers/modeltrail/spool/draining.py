"""One spool, drained: notes in, batches of events out, each stored before it is given, files removed when sent.

Whoever drains owns the spool. A batch stays the next one until it is acknowledged, over any number of crashes.
"""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from modeltrail.encoding import encode_notes
from modeltrail.log.protocol import Outgoing
from modeltrail.notes import TIME_STEP_NS, Fields, Note, gap_note, inferred_abort, track_open_runs
from modeltrail.spool.layout import Header, damaged_file, events_file, notes_file, segments
from modeltrail.spool.outbox import Batch, Outbox
from modeltrail.spool.ownership import Ownership
from modeltrail.spool.reading import Damage, Reading, read_notes

_LOGGER = logging.getLogger("modeltrail")
Place = tuple[int, int]


class SpoolDrain:
    """Gives the batches of one spool. ``written`` tells how far a living writer of this process is; None: it died.

    Not thread-safe. Methods raise OSError when the disk fails: call again.
    """

    def __init__(self, ownership: Ownership, *, written: Callable[[], Place] | None = None) -> None:
        self.ownership = ownership
        self._written = written
        self._segment = 0
        self._outbox: Outbox | None = None
        self._header = Header()
        self._open_runs: dict[str, Fields] = {}
        self._last: Note | None = None
        self.finished = False

    @property
    def place(self) -> Place:
        """Return (segment, offset) up to which the log has acknowledged the notes."""
        if self._outbox is None or self._outbox.state.pending:
            return self._acknowledged
        return self._segment, self._outbox.state.notes_offset

    def next_batch(self) -> Batch | None:
        """Return what to send next; None when there is nothing, for now or (``finished``) for good."""
        while not self.finished:
            if self._outbox is None and not self._open_next():
                return None
            assert self._outbox is not None
            state = self._outbox.state
            if not state.pending and not state.closed:
                self._fill(self._outbox)
            if state.pending:
                return state.pending[0]
            if not self._is_complete():
                return None
            self._remove_segment()
        return None

    def acknowledge(self, batch: Batch) -> None:
        """Record that the log has ``batch``."""
        assert self._outbox is not None
        self._outbox.acknowledge(batch)

    def replace(self, batch: Batch, records: list[Outgoing]) -> None:
        """Record that ``batch`` is dealt with, and that ``records`` are to be sent instead of what it lacks."""
        assert self._outbox is not None
        self._outbox.append(records, notes_offset=self._outbox.state.notes_offset, acknowledged=batch.end)

    def close(self) -> None:
        """Close the files and, of a dead process's spool, let it go."""
        if self._outbox is not None:
            self._outbox.close()
        if self._written is None:
            self.ownership.release()

    _acknowledged: Place = (0, 0)

    def _open_next(self) -> bool:
        """Open the first segment there is; without one, remove the spool of a dead process."""
        remaining = segments(self.ownership.folder)
        if not remaining:
            if self._written is None:
                shutil.rmtree(self.ownership.folder)
                self.finished = True
            return False
        self._segment = remaining[0]
        self._acknowledged = (self._segment, 0)
        self._outbox = Outbox(events_file(self.ownership.folder, self._segment))
        for data in self._outbox.damaged:
            self._set_aside(data)
        if self._outbox.state.notes_offset:
            self._follow(read_notes(self._path, 0, self._outbox.state.notes_offset))
        return True

    @property
    def _path(self) -> Path:
        return notes_file(self.ownership.folder, self._segment)

    def _is_last(self) -> bool:
        return self._written is None and segments(self.ownership.folder)[-1] == self._segment

    def _is_complete(self) -> bool:
        """Return whether all that the segment will ever hold was sent."""
        return self._segment < self._written()[0] if self._written is not None else True

    def _fill(self, outbox: Outbox) -> None:
        """Store what the next notes become, and after a dead process's last note, the end of its open runs."""
        end = None
        if self._written is not None:
            segment, written = self._written()
            end = written if segment == self._segment else None
        offset = outbox.state.notes_offset
        reading = read_notes(self._path, offset, end)
        self._follow(reading)
        notes = [self._lost(damage) for damage in reading.damages] + reading.notes
        notes.sort(key=lambda note: note.time_ns)
        is_last = self._is_last()
        if is_last:
            notes += self._aborts()
        if reading.end > offset or is_last:
            outbox.append(encode_notes(notes), notes_offset=reading.end, closed=is_last)
            for damage in reading.damages:
                self._set_aside(damage.data)

    def _follow(self, reading: Reading) -> None:
        if reading.header is not None:
            self._header, self._open_runs = reading.header, dict(reading.header.open_runs)
        for note in reading.notes:
            track_open_runs(self._open_runs, note.fields)
            self._last = note

    def _aborts(self) -> list[Note]:
        time_ns = self._last.time_ns if self._last else self._header.event_time_ns
        emitter: Fields = dict(self._last.fields.get("emitter", {}) if self._last else self._header.emitter)
        aborts = []
        for run in self._open_runs.values():
            time_ns += TIME_STEP_NS
            emitter = emitter | {"sequence": emitter.get("sequence", 0) + 1}
            aborts.append(inferred_abort(run, event_time_ns=time_ns, emitter=emitter))
        return aborts

    def _lost(self, damage: Damage) -> Note:
        """Return the gap that stands for bytes that cannot be read: what the notes around it leave open."""
        known = (damage.before or damage.after or self._last or Note({}, 0)).fields
        emitter: Fields = known.get("emitter", {})
        first = damage.before.fields["emitter"]["sequence"] + 1 if damage.before else emitter.get("sequence", 0)
        last = damage.after.fields["emitter"]["sequence"] - 1 if damage.after else first
        gap = gap_note(
            known.get("run_id", ""),
            reason=f"{len(damage.data)} bytes of the spool are damaged",
            lost=max(1, last - first + 1),
            first_sequence=first,
            last_sequence=max(first, last),
        )
        time_ns = known.get("event_time_ns", self.ownership.owner.started_ns)
        return Note(gap | {"event_time_ns": time_ns + 1, "emitter": emitter | {"sequence": first}}, 0)

    def _set_aside(self, data: bytes) -> None:
        path = damaged_file(self.ownership.folder)
        with path.open("ab") as file:
            file.write(data)
        _LOGGER.warning("%d bytes of a spool are damaged and were set aside in %s; the rest goes on", len(data), path)

    def _remove_segment(self) -> None:
        assert self._outbox is not None
        self._outbox.close()
        self._outbox = None
        folder = self.ownership.folder
        # In this order: notes without their outbox would be sent anew, under other ids.
        notes_file(folder, self._segment).unlink()
        events_file(folder, self._segment).unlink()
        self._acknowledged = (self._segment + 1, 0)
