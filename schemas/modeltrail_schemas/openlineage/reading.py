"""OpenLineage documents to events. Pure.

What comes in is kept: the event holds the document's bytes, the rest of it is a reading of them.
"""

from dataclasses import fields, replace

from modeltrail_schemas.event import NO_ID, LineageEvent, Routing
from modeltrail_schemas.identity import hashed_id
from modeltrail_schemas.openlineage.documents import canonical_form, parse
from modeltrail_schemas.openlineage.interpretation import interpret
from modeltrail_schemas.openlineage.writing import write

_ROUTING_FIELDS = tuple(field.name for field in fields(Routing))


def read(document: bytes) -> LineageEvent:
    """Return the event that ``document`` (one RunEvent, JobEvent or DatasetEvent, UTF-8) tells.

    Its id is the one in our own facet, else the UUIDv8 of the canonical form. A document that is byte for byte what
    ``write`` makes of an event gives that event back, without document, so that an event exported and imported is
    one. Raises InvalidEventError with the place (JSON path) where nothing can be done with the document.
    """
    parsed = parse(document)
    canonical = canonical_form(parsed)
    event = interpret(parsed)
    if event.event_id == NO_ID:
        return replace(event, event_id=hashed_id(canonical), document=document)
    return event if write(event) == document else replace(event, document=document)


def with_details(routing: Routing, document: bytes) -> LineageEvent:
    """Return the whole event of ``routing``, its other fields read from ``document``.

    Raises InvalidEventError where that is no JSON object, and only there.
    """
    known = {name: getattr(routing, name) for name in _ROUTING_FIELDS}
    return replace(interpret(parse(document), known=routing), document=document, **known)
