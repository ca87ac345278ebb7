"""Times as OpenLineage writes them (ISO 8601, RFC 3339) to nanoseconds since 1970 and back. Pure.

Reading takes what producers send: a space for the T, no seconds, a comma, any number of decimals (those past the
ninth are cut off), no zone (then UTC), a zone's name in brackets behind the offset, a leap second (counted as the
second after it).
"""

import re
from datetime import date

NS_PER_SECOND = 1_000_000_000
_EPOCH_DAYS = date(1970, 1, 1).toordinal()
_TIME = re.compile(
    r"\s*(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*(?:([Zz])|([+-])(\d\d):?(\d\d)?)?(?:\[[^\]]*\])?)?\s*",
    re.ASCII,
)
_EARLIEST_NS, _LATEST_NS = -(1 << 63), (1 << 63) - 1


def parse_time(text: str) -> int:
    """Return the nanoseconds since 1970, UTC.

    Raises ValueError for what is no time, and for one outside 64 bits of nanoseconds (1677-09-21 to 2262-04-11).
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("not a time such as 2024-07-05T09:04:01.5Z")
    year, month, day, hour, minute, second, decimals, _, sign, offset_hours, offset_minutes = match.groups()
    if int(hour or 0) > 23 or int(minute or 0) > 59 or int(second or 0) > 60 or int(offset_minutes or 0) > 59:
        raise ValueError("no such time of day")
    if int(offset_hours or 0) > 23:
        raise ValueError("no such offset from UTC")
    days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAYS
    seconds = days * 86_400 + int(hour or 0) * 3_600 + int(minute or 0) * 60 + int(second or 0)
    offset_seconds = int(offset_hours or 0) * 3_600 + int(offset_minutes or 0) * 60
    seconds += offset_seconds if sign == "-" else -offset_seconds
    time_ns = seconds * NS_PER_SECOND + int((decimals or "")[:9].ljust(9, "0"))
    return _bounded(time_ns)


def format_time(time_ns: int) -> str:
    """Return the time in UTC with nine decimals; undone by parse_time. Raises ValueError outside 64 bits."""
    days, rest_ns = divmod(_bounded(time_ns), 86_400 * NS_PER_SECOND)
    seconds, fraction_ns = divmod(rest_ns, NS_PER_SECOND)
    day = date.fromordinal(days + _EPOCH_DAYS).isoformat()
    return f"{day}T{seconds // 3_600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction_ns:09}Z"


def _bounded(time_ns: int) -> int:
    if not _EARLIEST_NS <= time_ns <= _LATEST_NS:
        raise ValueError("not between 1677-09-21 and 2262-04-11")
    return time_ns
