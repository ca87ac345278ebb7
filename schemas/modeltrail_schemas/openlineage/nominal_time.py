"""The nominal time facet (NominalTimeRunFacet 1-0-1): which time a scheduled run is about, not when it ran.

Pure. Nothing typed means this facet: it stays in the document, and is read from there by who asks for it.
"""

from contextlib import suppress
from typing import NamedTuple

from modeltrail_schemas.openlineage.documents import Json, facets_of, parse, text_of
from modeltrail_schemas.openlineage.times import parse_time

FACET = "nominalTime"


class NominalTime(NamedTuple):
    """Nanoseconds since 1970, UTC. ``end_ns`` is None where only a beginning is told."""

    start_ns: int
    end_ns: int | None = None


def read_nominal_time(document: bytes) -> NominalTime | None:
    """Return the nominal time that an OpenLineage event tells; None where there is none, or no time can be read."""
    if FACET.encode() not in document:
        return None
    facet = facets_of(parse(document).get("run")).get(FACET, {})
    start_ns = _time(facet.get("nominalStartTime"))
    return None if start_ns is None else NominalTime(start_ns, _time(facet.get("nominalEndTime")))


def _time(node: Json) -> int | None:
    with suppress(ValueError):
        return parse_time(text_of(node))
    return None
