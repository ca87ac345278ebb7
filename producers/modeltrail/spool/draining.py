"""One spool, drained: notes in, batches of events out, each stored before it is given, files removed when sent.

Whoever drains owns the spool. A batch stays the next one until it is acknowledged, over any number of crashes.
"""

import logging
import os
from pathlib import Path

from modeltrail_schemas.counting import counted

from modeltrail.encoding import encode_notes
from modeltrail.log.protocol import Outgoing
from modeltrail.notes import TIME_STEP_NS, Fields, Note, gap_note, inferred_end, track_open_runs
from modeltrail.spool.acknowledgement import NOWHERE, Place, write_acknowledged
from modeltrail.spool.layout import Header, damaged_file, events_file, notes_file, segments
from modeltrail.spool.outbox import Batch, Outbox
from modeltrail.spool.ownership import Ownership, adopt, discard, read_owner
from modeltrail.spool.reading import Damage, Reading, read_notes

READ_BYTES = 512 * 1024
"""How much of a segment becomes one batch: about as much as fits one request to a broker, and one moment's work."""

_LOGGER = logging.getLogger("modeltrail")


class SpoolDrain:
    """Gives the batches of one spool, of a living process or, with its ``ownership``, of a dead one.

    Not thread-safe. Methods raise OSError when the disk fails: call again.
    """

    def __init__(self, folder: Path, ownership: Ownership | None = None) -> None:
        self.folder = folder
        self.finished = False
        """Whether all of a dead process's spool was sent and removed."""
        self.place = NOWHERE
        """(segment, offset) up to which the log has acknowledged the notes."""
        self._ownership = ownership
        self._segment = 0
        self._outbox: Outbox | None = None
        self._header = Header()
        self._open_runs: dict[str, Fields] = {}
        self._last: Note | None = None

    @property
    def is_dead(self) -> bool:
        """Return whether the process that wrote the spool is known to be gone."""
        return self._ownership is not None

    def look_for_owner(self) -> bool:
        """Return whether the process that writes the spool lives; own the spool of one that does not."""
        if self._ownership is None:
            self._ownership = adopt(self.folder)
        return self._ownership is None

    def written(self) -> Place:
        """Return how far the spool is written. Raises OSError."""
        last = max(segments(self.folder), default=0)
        return (last, notes_file(self.folder, last).stat().st_size) if last else NOWHERE

    def has_news(self) -> bool:
        """Return whether more is written than the log has, at the price of two looks at the file system."""
        segment, offset = self.place
        try:
            is_longer = os.stat(notes_file(self.folder, segment)).st_size > offset
        except FileNotFoundError:
            return True
        return is_longer or os.path.exists(notes_file(self.folder, segment + 1))

    def next_batch(self) -> Batch | None:
        """Return what to send next; None when there is nothing, for now or (``finished``) for good."""
        while not self.finished and (outbox := self._outbox or self._open_next()) is not None:
            # One look at the writer for the whole turn: it may begin the next segment, or die, meanwhile.
            written = None if self.is_dead else self.written()
            while not outbox.state.pending and not outbox.state.closed and self._fill(outbox, written):
                pass
            if outbox.state.pending:
                return outbox.state.pending[0]
            self._reach(self._segment, outbox.state.notes_offset)
            if written is not None and self._segment >= written[0]:
                return None
            self._remove_segment(outbox)
        return None

    def acknowledge(self, batch: Batch) -> None:
        """Record that the log has ``batch``."""
        assert self._outbox is not None
        self._outbox.acknowledge(batch)
        if not self._outbox.state.pending:
            self._reach(self._segment, self._outbox.state.notes_offset)

    def replace(self, batch: Batch, records: list[Outgoing]) -> None:
        """Record that ``batch`` is dealt with, and that ``records`` are to be sent instead of what it lacks."""
        assert self._outbox is not None
        self._outbox.append(records, notes_offset=self._outbox.state.notes_offset, acknowledged=batch.end)

    def close(self) -> None:
        """Close the files and, of a dead process's spool, let it go."""
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None
        if self._ownership is not None:
            self._ownership.release()

    def _reach(self, segment: int, offset: int) -> None:
        if self.place != (segment, offset):
            self.place = (segment, offset)
            if not self.is_dead:
                write_acknowledged(self.folder, self.place)

    def _open_next(self) -> Outbox | None:
        """Open the first segment there is; without one, remove the spool of a dead process."""
        remaining = segments(self.folder)
        if not remaining:
            if self._ownership is not None:
                discard(self._ownership)
                self.finished = True
            return None
        self._segment = remaining[0]
        outbox = Outbox(events_file(self.folder, self._segment))
        for data in outbox.damaged:
            self._set_aside(data)
        if outbox.state.notes_offset:
            self._follow(read_notes(self._path, 0, outbox.state.notes_offset))
        self._outbox = outbox
        return outbox

    @property
    def _path(self) -> Path:
        return notes_file(self.folder, self._segment)

    def _fill(self, outbox: Outbox, written: Place | None) -> bool:
        """Store what the next notes become, and after a dead process's last note, the end of its open runs.

        Returns whether there is more to read.
        """
        is_growing = written is not None and written[0] == self._segment
        end = written[1] if written is not None and is_growing else self._path.stat().st_size
        offset, before = outbox.state.notes_offset, self._last
        reading = read_notes(self._path, offset, min(end, offset + READ_BYTES), is_growing=is_growing)
        has_more = offset + READ_BYTES < end
        if has_more and (reading.damages or reading.end == offset):  # what is damaged, or large, takes a look at all
            reading, has_more = read_notes(self._path, offset, end, is_growing=is_growing), False
        is_last = written is None and not has_more and segments(self.folder)[-1] == self._segment
        self._follow(reading)
        notes = reading.notes + [self._gap(damage, before) for damage in reading.damages]
        notes.sort(key=lambda note: note.time_ns)
        if is_last:
            notes += self._aborts()
        if reading.end > offset or is_last:
            outbox.append(encode_notes(notes), notes_offset=reading.end, closed=is_last)
            for damage in reading.damages:
                self._set_aside(damage.data)
        return has_more

    def _follow(self, reading: Reading) -> None:
        if reading.header is not None:
            self._header, self._open_runs = reading.header, dict(reading.header.open_runs)
        for note in reading.notes:
            track_open_runs(self._open_runs, note.fields)
            self._last = note

    def _aborts(self) -> list[Note]:
        """Return the ends of the runs that the process left open or did not leave, after the last thing it said."""
        time_ns, emitter = self._header.event_time_ns, self._header.emitter
        if self._last is not None:
            time_ns, emitter = self._last.time_ns, self._last.fields.get("emitter", {})
        aborts = []
        for run in self._open_runs.values():
            time_ns += TIME_STEP_NS
            emitter = emitter | {"sequence": emitter.get("sequence", 0) + 1}
            aborts.append(inferred_end(run, event_time_ns=time_ns, emitter=emitter))
        return aborts

    def _gap(self, damage: Damage, earlier: Note | None) -> Note:
        """Return the gap that stands for bytes that cannot be read, as wide as the notes around it leave open."""
        before, after = damage.before or earlier, damage.after
        first = before.sequence + 1 if before else after.sequence - 1 if after else 0
        last = max(first, after.sequence - 1 if after else first)
        known = before or after or Note({"event_time_ns": read_owner(self.folder).started_ns}, 0)
        gap = gap_note(
            known.fields.get("run_id", ""),
            reason=f"{counted(len(damage.data), 'byte of the spool is', 'bytes of the spool are')} damaged",
            lost=last - first + 1,
            first_sequence=first,
            last_sequence=last,
        )
        emitter = known.fields.get("emitter", {}) | {"sequence": first}
        time_ns = known.time_ns + (TIME_STEP_NS // 2 if before else -TIME_STEP_NS // 2)
        return Note(gap | {"event_time_ns": time_ns, "emitter": emitter}, 0)

    def _set_aside(self, data: bytes) -> None:
        path = damaged_file(self.folder)
        with path.open("ab") as file:
            file.write(data)
        _LOGGER.warning("%d bytes of a spool are damaged and were set aside in %s; the rest goes on", len(data), path)

    def _remove_segment(self, outbox: Outbox) -> None:
        outbox.close()
        self._outbox = None
        # In this order: notes without their outbox would be sent anew, under other ids.
        notes_file(self.folder, self._segment).unlink()
        events_file(self.folder, self._segment).unlink()
        self._reach(self._segment + 1, 0)
