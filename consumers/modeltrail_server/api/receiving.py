"""What documents from outside may claim. No I/O: the events that are there are asked for through a function, once.

It tells lineage, and is kept as it came. It does not choose its event id: that is of its content, so it can never
take another event's place. One that claims the id of an event that is there is that event, where it says the same,
else a conflict, which is reported and not recorded. Who sent it is what the transport says, in a record's header.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple
from uuid import UUID

from modeltrail.log.protocol import Headers, Outgoing
from modeltrail_schemas.codec import decode, encode
from modeltrail_schemas.errors import InvalidEventError
from modeltrail_schemas.event import NO_ID
from modeltrail_schemas.identity import partition_key
from modeltrail_schemas.openlineage.documents import canonical_form, parse
from modeltrail_schemas.openlineage.facets import OUR_PREFIX
from modeltrail_schemas.openlineage.reading import claimed_id, read
from modeltrail_schemas.openlineage.writing import write

from modeltrail_server.events.documents import Document, Refusal
from modeltrail_server.events.importing import pieces_of

SENDER_HEADER = "modeltrail-sender"
_OURS = OUR_PREFIX.encode()

FindPayloads = Callable[[Collection[bytes]], Mapping[bytes, bytes]]


class Received(NamedTuple):
    """What a request brings: records to append, how many events are there already, what is refused or conflicts."""

    records: list[Outgoing]
    known: int
    refusals: list[Refusal]
    conflicts: list[Refusal]


class _Claim(NamedTuple):
    """A document, and the event id that it claims (NO_ID: none)."""

    line: int
    document: bytes
    event_id: bytes


def receive(body: bytes, sender: str | None, find: FindPayloads) -> Received:
    """Judge the documents in ``body``; ``find`` gives the payloads of those events, by id, that are there.

    It is asked only where a document claims an id.
    """
    received = Received([], 0, [], [])
    headers: Headers = ((SENDER_HEADER, sender.encode()),) if sender else ()
    claims = []
    for piece in pieces_of(body, 1):
        if isinstance(piece, Refusal):
            received.refusals.append(piece)
            continue
        try:
            claims.append(_claim(piece))
        except InvalidEventError as error:
            received.refusals.append(Refusal(piece.line, 0, str(error)))
    claimed = {claim.event_id for claim in claims if claim.event_id != NO_ID}
    payloads = find(claimed) if claimed else {}
    known = 0
    for claim in claims:
        try:
            judged = _judge(claim, headers, payloads.get(claim.event_id))
        except InvalidEventError as error:
            received.refusals.append(Refusal(claim.line, 0, str(error)))
            continue
        if isinstance(judged, Refusal):
            received.conflicts.append(judged)
        elif judged is None:
            known += 1
        else:
            received.records.append(judged)
    return received._replace(known=known)


def _claim(piece: Document) -> _Claim:
    document = piece.text.encode("utf-8")
    return _Claim(piece.line, document, claimed_id(document) if _OURS in document else NO_ID)


def _judge(claim: _Claim, headers: Headers, payload: bytes | None) -> Outgoing | Refusal | None:
    """Return the record of a document, None for an event that is there, a refusal for one that contradicts it.

    ``payload`` is that of the event whose id it claims, where that is there.
    """
    if payload is not None:
        if canonical_form(parse(write(decode(payload)))) == canonical_form(parse(claim.document)):
            return None
        event_id = UUID(bytes=claim.event_id)
        return Refusal(claim.line, 0, f"the event {event_id}, whose id it claims, says something else")
    event = read(claim.document, outside=True)
    return Outgoing(encode(event), partition_key(event), headers)
