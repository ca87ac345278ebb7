"""Records of one partition as one batch to write: decoded, each event once, what cannot be read set aside. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from modeltrail.log.protocol import Record
from modeltrail_schemas.codec import decode, decode_sound_routing
from modeltrail_schemas.errors import InvalidEventError, UnknownSchemaError
from modeltrail_schemas.event import NO_ID, Routing
from modeltrail_schemas.identity import hashed_id
from modeltrail_schemas.openlineage.documents import canonical_form, parse

from modeltrail_server.projection.facts import job_mention, run_identity


class EventRow(NamedTuple):
    """An event, and the record that brought it."""

    event_id: bytes
    partition: int
    offset: int
    recorded_ms: int
    event_time_ns: int
    kind: str
    type: str
    run_key: bytes | None
    job_key: bytes | None
    payload: bytes


class DeadLetterRow(NamedTuple):
    """A record that cannot be read, as it came."""

    partition: int
    offset: int
    recorded_ms: int
    reason: str
    key: bytes | None
    value: bytes


class ConflictRow(NamedTuple):
    """A payload that lost to another payload of the same event id."""

    event_id: bytes
    payload_sha256: bytes
    partition: int
    offset: int


class Decoded(NamedTuple):
    """An event, and the row that keeps it."""

    row: EventRow
    event: Routing


@dataclass(frozen=True)
class Batch:
    """What one transaction writes: everything of ``partition`` from ``first_offset`` up to ``next_offset``.

    ``unknown_schema`` is the error of the record at ``next_offset`` when that is why the batch ends there.
    """

    partition: int
    first_offset: int
    next_offset: int
    recorded_ms: int
    records: int
    events: dict[bytes, Decoded] = field(default_factory=dict)
    dead_letters: list[DeadLetterRow] = field(default_factory=list)
    conflicts: list[ConflictRow] = field(default_factory=list)
    duplicates: int = 0
    unknown_schema: UnknownSchemaError | None = None


def decode_batch(
    records: Sequence[Record], *, first_offset: int, refused: Mapping[int, str] = MappingProxyType({})
) -> Batch:
    """Return the batch of ``records``, which follow each other in one partition from ``first_offset`` on.

    ``refused`` says, by offset, which of them are dead letters whatever they are, and why.

    It ends before the first record whose schema is unknown, and is empty when that is the first of all.
    """
    events: dict[bytes, Decoded] = {}
    dead_letters: list[DeadLetterRow] = []
    conflicts: list[ConflictRow] = []
    duplicates = count = 0
    unknown_schema = None
    for record in records:
        try:
            if refused and record.offset in refused:
                raise InvalidEventError(refused[record.offset])
            decoded = decode_record(record)
        except InvalidEventError as error:
            dead_letters.append(_dead_letter(record, str(error)))
        except UnknownSchemaError as error:
            unknown_schema = error
            break
        else:
            known = events.setdefault(decoded.row.event_id, decoded)
            if known is not decoded:
                duplicates += 1
                if known.row.payload != decoded.row.payload:
                    events[decoded.row.event_id], loser = decide(known, decoded)
                    conflicts += [] if tell_the_same(known, decoded) else [conflict_of(loser.row)]
        count += 1
    return Batch(
        partition=records[0].partition,
        first_offset=first_offset,
        next_offset=records[count - 1].offset + 1 if count else first_offset,
        recorded_ms=max((record.timestamp_ms for record in records[:count]), default=0),
        records=count,
        events=events,
        dead_letters=dead_letters,
        conflicts=conflicts,
        duplicates=duplicates,
        unknown_schema=unknown_schema,
    )


def decode_record(record: Record) -> Decoded:
    """Return the event of ``record``, all of which can be decoded. Raises InvalidEventError, UnknownSchemaError."""
    event = decode_sound_routing(record.value)
    if event.event_id == NO_ID:
        raise InvalidEventError("the event has no id")
    run_key = run_identity(event.run_id)[0] if event.run_id else None
    job_key = job_mention(event.job).entity_key if event.job.name else None
    row = EventRow._make(
        (
            event.event_id,
            record.partition,
            record.offset,
            record.timestamp_ms,
            event.event_time_ns,
            event.kind,
            event.type,
            run_key,
            job_key,
            record.value,
        )
    )
    return Decoded(row, event)


def decide(one: Decoded, other: Decoded) -> tuple[Decoded, Decoded]:
    """Return (winner, loser) of two payloads of one event id: the smallest SHA-256 stands."""
    return (one, other) if payload_sha256(one.row) < payload_sha256(other.row) else (other, one)


def tell_the_same(one: Decoded, other: Decoded) -> bool:
    """Return whether two payloads are one OpenLineage document in two layouts, which is no contradiction."""
    return _is_its_hash(one) and _is_its_hash(other)


def _is_its_hash(decoded: Decoded) -> bool:
    """Return whether the event's id is that of the document in its payload."""
    try:
        document = decode(decoded.row.payload).document
        return document is not None and hashed_id(canonical_form(parse(document))) == decoded.row.event_id
    except InvalidEventError:
        return False


def payload_sha256(row: EventRow) -> bytes:
    """Return the SHA-256 of the message."""
    return hashlib.sha256(row.payload).digest()


def conflict_of(loser: EventRow) -> ConflictRow:
    """Return the report of a payload that lost."""
    return ConflictRow(loser.event_id, payload_sha256(loser), loser.partition, loser.offset)


def _dead_letter(record: Record, reason: str) -> DeadLetterRow:
    return DeadLetterRow(record.partition, record.offset, record.timestamp_ms, reason, record.key, record.value)
