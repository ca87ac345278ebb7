"""What a document from outside may claim. No I/O: the events that are there are asked for through a function.

It tells lineage, and is kept as it came. It does not choose its event id: that is of its content, so it can never
take another event's place. One that claims the id of an event that is there is that event, where it says the same,
else a conflict, which is reported and not recorded. Who sent it is what the transport says, in a record's header.
"""

from collections.abc import Callable
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

FindPayload = Callable[[bytes], bytes | None]


class Received(NamedTuple):
    """What a request brings: records to append, how many events are there already, what is refused or conflicts."""

    records: list[Outgoing]
    known: int
    refusals: list[Refusal]
    conflicts: list[Refusal]


def receive(body: bytes, sender: str | None, find: FindPayload) -> Received:
    """Judge the documents in ``body``; ``find`` gives the payload of an event by its id, None where there is none."""
    received = Received([], 0, [], [])
    headers: Headers = ((SENDER_HEADER, sender.encode()),) if sender else ()
    known = 0
    for piece in pieces_of(body, 1):
        if isinstance(piece, Refusal):
            received.refusals.append(piece)
            continue
        try:
            judged = _judge(piece, headers, find)
        except InvalidEventError as error:
            received.refusals.append(Refusal(piece.line, 0, str(error)))
            continue
        if isinstance(judged, Refusal):
            received.conflicts.append(judged)
        elif judged is None:
            known += 1
        else:
            received.records.append(judged)
    return received._replace(known=known)


def _judge(piece: Document, headers: Headers, find: FindPayload) -> Outgoing | Refusal | None:
    """Return the record of a document, None for an event that is there, a refusal for one that contradicts it."""
    document = piece.text.encode("utf-8")
    claimed = claimed_id(document) if _OURS in document else NO_ID
    payload = find(claimed) if claimed != NO_ID else None
    if payload is not None:
        if canonical_form(parse(write(decode(payload)))) == canonical_form(parse(document)):
            return None
        return Refusal(piece.line, 0, f"the event {UUID(bytes=claimed)}, whose id it claims, says something else")
    event = read(document, outside=True)
    return Outgoing(encode(event), partition_key(event), headers)
