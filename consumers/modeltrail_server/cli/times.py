"""Times as a person writes them. Pure, but for the clock that relative ones are taken from."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime

from modeltrail.log.protocol import Position
from modeltrail_schemas.errors import ModeltrailError

from modeltrail_server.queries.as_of import AsOf

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
PLACE = re.compile(r"(\d{1,6}):(\d{1,18})")
"""PARTITION:OFFSET of a record, no larger than any log has them."""
_POSITION = re.compile(rf"{PLACE.pattern}(,{PLACE.pattern})*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
NS_PER_DAY = 86_400 * 1_000_000_000
_RELATIVE = re.compile(r"(\d{1,6})([smhdw])")


class TimeFormatError(ModeltrailError):
    """A time is written as nobody reads it."""


def parse_time_ns(text: str, *, now_ns: int | None = None) -> int:
    """Return the time ``text`` means, nanoseconds since 1970: ISO 8601 (UTC where it has no zone), or ``3d`` ago.

    Raises TimeFormatError.
    """
    if relative := _RELATIVE.fullmatch(text):
        now = time.time_ns() if now_ns is None else now_ns
        return now - int(relative[1]) * _UNITS_S[relative[2]] * 1_000_000_000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise TimeFormatError(
            f"{text!r} is no time", remedy="write 2026-03-03, 2026-03-03T14:05:00Z, or how long ago: 90m, 12h, 3d, 2w"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = moment.replace(microsecond=0).timestamp()
    return int(seconds) * 1_000_000_000 + moment.microsecond * 1_000


def parse_day_ns(text: str) -> tuple[int, int]:
    """Return the first and last nanosecond (UTC) of the day that ``text`` is, or twice the moment it is."""
    begin = parse_time_ns(text)
    return (begin, begin + NS_PER_DAY - 1) if _DAY.fullmatch(text) else (begin, begin)


def parse_bounds(as_of: str | None, at: str | None) -> AsOf | None:
    """Return the bound of ``--as-of`` and ``--at``: a day, of the latter, means its end. None without either."""
    if as_of is None and at is None:
        return None
    bound = parse_as_of(as_of) if as_of else AsOf()
    return replace(bound, event_time_ns=parse_day_ns(at)[1]) if at else bound


def parse_as_of(text: str) -> AsOf:
    """Return the bound ``text`` means: a position (``0:412``, ``0:412,1:300``), a time, or a day, until its end.

    Raises TimeFormatError.
    """
    if _POSITION.fullmatch(text):
        return AsOf(position=Position.parse(text))
    return AsOf(recorded_ms=parse_day_ns(text)[1] // 1_000_000)
