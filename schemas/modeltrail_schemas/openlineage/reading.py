"""OpenLineage documents to events. Pure.

What comes in is kept: the event holds the document's bytes, the rest of it is a reading of them.
"""

from dataclasses import fields, replace

from modeltrail_schemas.event import NO_ID, LineageEvent, Routing
from modeltrail_schemas.identity import hashed_id
from modeltrail_schemas.openlineage.documents import canonical_form, parse
from modeltrail_schemas.openlineage.interpretation import interpret
from modeltrail_schemas.openlineage.writing import write

CLAIMED = "claimed"

_ROUTING_FIELDS = tuple(field.name for field in fields(Routing))


def read(document: bytes, *, outside: bool = False) -> LineageEvent:
    """Return the event that ``document`` (one RunEvent, JobEvent or DatasetEvent, UTF-8) tells.

    Its id is the UUIDv8 of the canonical form. A document that says what ``write`` makes of an event, however it is
    laid out, gives that event back, with its id and without document, so that an event exported and imported is one:
    unless it comes from ``outside``, where anybody could write one. What else claims an id is not believed.
    Raises InvalidEventError with the place (JSON path) where nothing can be done with the document.
    """
    parsed = parse(document)
    canonical = canonical_form(parsed)
    event = interpret(parsed)
    if not outside and event.event_id != NO_ID and canonical_form(parse(write(event))) == canonical:
        return event
    return replace(_as_claimed(event), event_id=hashed_id(canonical), document=document)


def claimed_id(document: bytes) -> bytes:
    """Return the event id that our own facet in ``document`` tells, NO_ID where none. Raises InvalidEventError."""
    return interpret(parse(document)).event_id


def with_details(routing: Routing, document: bytes) -> LineageEvent:
    """Return the whole event of ``routing``, its other fields read from ``document``.

    Raises InvalidEventError where that is no JSON object, and only there.
    """
    known = {name: getattr(routing, name) for name in _ROUTING_FIELDS}
    return replace(_as_claimed(interpret(parse(document), known=routing)), document=document, **known)


def _as_claimed(event: LineageEvent) -> LineageEvent:
    """Return ``event`` with no more assurance of who declared something than a document can give: a claim."""
    if event.statement is None or event.statement.assurance in ("", CLAIMED):
        return event
    return replace(event, statement=replace(event.statement, assurance=CLAIMED))
