"""Notes to records of the log. Imports fastavro: for the sender and the command line, not for the caller's thread."""

import os
from collections.abc import Sequence

from modeltrail_schemas.codec import decode, encode
from modeltrail_schemas.event import Gap, Kind, LineageEvent
from modeltrail_schemas.identity import new_event_id, partition_key

from modeltrail.errors import InvalidEventError
from modeltrail.log.protocol import Outgoing
from modeltrail.notes import Note, coalesce, event_of, gap_note, spoken

ENTROPY_BYTES = 8


def encode_notes(notes: Sequence[Note]) -> list[Outgoing]:
    """Return the records that the notes become, in order. A note that cannot be an event becomes a gap."""
    records: list[Outgoing] = []
    notes = spoken(notes)
    try:
        groups = coalesce(notes)
    except (TypeError, ValueError, AttributeError):  # a field of the wrong shape: find it by taking them singly
        groups = [[note] for note in notes]
    for group in groups:
        try:
            records.append(record_of(event_of(group, _new_id)))
        except InvalidEventError:
            records += [_record_or_gap(note) for note in group]
    return records


def record_of(event: LineageEvent) -> Outgoing:
    """Return the record of an event: keyed by run, else by job, else by the first thing it names."""
    return Outgoing(value=encode(event), key=partition_key(event))


def gap_for(record: Outgoing, reason: str) -> Outgoing:
    """Return the record that says that ``record``, an event of ours, was lost."""
    lost = decode(record.value)
    sequence = lost.emitter.sequence
    return record_of(
        LineageEvent(
            event_id=_new_id(lost.event_time_ns),
            kind=Kind.GAP,
            event_time_ns=lost.event_time_ns,
            run_id=lost.run_id,
            job=lost.job,
            producer=lost.producer,
            emitter=lost.emitter,
            gap=Gap(reason, 1, sequence, sequence),
        )
    )


def _record_or_gap(note: Note) -> Outgoing:
    try:
        return record_of(event_of([note], _new_id))
    except InvalidEventError as error:
        return record_of(event_of([_gap_in_place_of(note, str(error))], _new_id))


def _gap_in_place_of(note: Note, reason: str) -> Note:
    """Return the note that says that ``note`` could not become an event."""
    run_id = note.fields.get("run_id", "")
    gap = gap_note(
        run_id if isinstance(run_id, str) and run_id.isprintable() else "",
        reason=reason.encode("ascii", "backslashreplace").decode("ascii"),
        lost=1,
        first_sequence=note.sequence,
        last_sequence=note.sequence,
    )
    return Note(gap | {"event_time_ns": note.time_ns, "emitter": note.fields.get("emitter", {})}, 0)


def _new_id(event_time_ns: int) -> bytes:
    return new_event_id(event_time_ns, os.urandom(ENTROPY_BYTES))
