"""The reader's side of a segment: its header, its notes from an offset on, and what of it is damaged."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from modeltrail.errors import InvalidEventError, SpoolError
from modeltrail.notes import Note, decode_note
from modeltrail.spool.framing import decode_frames
from modeltrail.spool.layout import Header, decode_header, is_header


@dataclass(slots=True)
class Damage:
    """Bytes that are no note, between the notes before and after (None at an end)."""

    data: bytes
    before: Note | None
    after: Note | None = None


@dataclass(slots=True)
class Reading:
    """What a segment holds from an offset on; ``end`` is the offset to read on from."""

    notes: list[Note] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)
    header: Header | None = None
    end: int = 0


def read_notes(path: Path, start: int, end: int, *, is_growing: bool = False) -> Reading:
    """Return the notes between the offsets, an unfinished one at ``end`` left out.

    Of a file that ``is_growing``, what is no note at the end is not damaged but just being written. Raises OSError.
    """
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(end - start)
    frames = decode_frames(data, offset=start)
    damages, read_to = frames.damages, frames.end
    if is_growing and damages and damages[-1][1] == read_to:
        read_to = damages[-1][0]
        damages = damages[:-1]
    pieces: list[tuple[int, bytes, bool]] = [(at, payload, True) for payload, at in frames.payloads]
    pieces += [(to, data[at - start : to - start], False) for at, to in damages]
    reading = Reading(end=read_to)
    for _, piece, is_whole in sorted(pieces):
        _take(reading, piece, is_whole=is_whole)
    return reading


def _take(reading: Reading, piece: bytes, *, is_whole: bool) -> None:
    last = reading.notes[-1] if reading.notes else None
    note = None
    with suppress(InvalidEventError, SpoolError):
        if is_whole and is_header(piece):
            reading.header = decode_header(piece)
            return
        note = decode_note(piece) if is_whole else None
    if note is None:
        reading.damages.append(Damage(piece, last))
        return
    for damage in reading.damages:
        damage.after = damage.after or note
    reading.notes.append(note)
