"""Times as producers write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail_schemas.openlineage.times import format_time, parse_time
from schemas.strategies import LONGS

NOON_NS = 1_720_180_800_000_000_000  # 2024-07-05T12:00:00Z


@given(LONGS)
def test_every_time_of_an_event_can_be_written_and_read(time_ns: int) -> None:
    assert parse_time(format_time(time_ns)) == time_ns


@given(st.datetimes(datetime(1678, 1, 1), datetime(2262, 1, 1), timezones=st.timezones()))
def test_what_python_writes_is_read_exactly(moment: datetime) -> None:
    offset = moment.utcoffset()
    if offset is None or offset.seconds % 60 or offset.microseconds:
        return  # RFC 3339 has no offsets of seconds
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).days * 86_400 + (
        moment - datetime(1970, 1, 1, tzinfo=UTC)
    ).seconds
    assert parse_time(moment.isoformat()) == (seconds * 1_000_000 + moment.microsecond) * 1_000


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("2024-07-05T12:00:00Z", NOON_NS),
        ("2024-07-05T12:00:00", NOON_NS),
        ("2024-07-05 12:00:00", NOON_NS),
        ("2024-07-05t12:00:00z", NOON_NS),
        ("2024-07-05T12:00", NOON_NS),
        ("2024-07-05T14:00:00+02:00", NOON_NS),
        ("2024-07-05T14:00:00+0200", NOON_NS),
        ("2024-07-05T14:00:00+02", NOON_NS),
        ("2024-07-05T14:00:00+02:00[Europe/Berlin]", NOON_NS),
        ("2024-07-05T06:30:00-05:30", NOON_NS),
        ("2024-07-05", NOON_NS - 43_200_000_000_000),
        ("2024-07-05T12:00:00.123456789Z", NOON_NS + 123_456_789),
        ("2024-07-05T12:00:00.123456789999Z", NOON_NS + 123_456_789),
        ("2024-07-05T12:00:00,5", NOON_NS + 500_000_000),
        ("2024-07-05T11:59:60Z", NOON_NS),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2262-04-11T23:47:16.854775807Z", (1 << 63) - 1),
        ("1677-09-21T00:12:43.145224192Z", -(1 << 63)),
    ],
)
def test_a_time_is_read_as_it_is_meant(text: str, time_ns: int) -> None:
    assert parse_time(text) == time_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "1720180800",
        "2024-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-07-05T24:00:00Z",
        "2024-07-05T12:61:00Z",
        "2024-07-05T12:00:00+02:75",
        "2024-07-05T12:00:00+25:00",
        "0000-01-01T00:00:00Z",
        "2262-04-11T23:47:16.854775808Z",
        "1677-09-21T00:12:43.145224191Z",
        "٢٠٢٤-07-05T12:00:00Z",
    ],
)
def test_what_is_no_time_of_64_bits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)
