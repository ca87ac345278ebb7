"""The wire form: what goes in comes out, and what is damaged is told from what is new."""

import math
import struct
from dataclasses import fields, replace
from io import BytesIO

import pytest
from benchmarks.standard_event import standard_event
from fastavro import schemaless_writer
from hypothesis import example, given
from hypothesis import strategies as st
from modeltrail_schemas.codec import (
    HEADER_BYTES,
    MARKER,
    decode,
    decode_routing,
    decode_sound_routing,
    encode,
    schema_of,
)
from modeltrail_schemas.errors import InvalidEventError, UnknownSchemaError
from modeltrail_schemas.event import Emitter, LineageEvent, Metric, Routing
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.openlineage.reading import read
from modeltrail_schemas.records import dumper, loader
from modeltrail_schemas.versions import current_version
from schemas.strategies import ANY_TEXT, events

DOCUMENT = b"""{"eventTime": "2024-07-05T09:04:01.5Z", "eventType": "START", "run": {"runId": "r-1", "facets": {
  "tags": {"tags": [{"key": "team", "value": "risk"}]}}}, "job": {"namespace": "n", "name": "j"}}"""


@given(events())
def test_an_event_survives_the_wire(event: LineageEvent) -> None:
    assert decode(encode(event)) == event


@given(events(nan=True))
def test_the_bytes_are_those_that_fastavro_writes(event: LineageEvent) -> None:
    buffer = BytesIO()
    schemaless_writer(buffer, current_version().parsed, dumper(LineageEvent)(event))
    assert encode(event)[HEADER_BYTES:] == buffer.getvalue()


@given(events())
def test_records_go_to_dictionaries_and_back(event: LineageEvent) -> None:
    assert loader(LineageEvent)(dumper(LineageEvent)(event)) == event


@given(events())
def test_the_routing_fields_alone_are_those_of_the_whole_event(event: LineageEvent) -> None:
    routing = decode_routing(encode(event))
    assert routing == Routing(**{field.name: getattr(event, field.name) for field in fields(Routing)})


@given(events(texts=ANY_TEXT))
def test_any_python_string_can_be_sent(event: LineageEvent) -> None:
    message = encode(event)
    assert encode(decode(message)) == message


def test_a_lone_surrogate_is_seen_in_plain_text_and_kept_in_names() -> None:
    ref = EntityRef("dataset", "files", "\udce9.csv")
    event = decode(encode(LineageEvent(run_id="r\ud800", inputs=(ref,), tags={"\udfff": "x"})))
    assert (event.run_id, event.inputs, event.tags) == ("r%ED%A0%80", (ref,), {"%ED%BF%BF": "x"})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 5e-324])
def test_a_metric_keeps_its_bits(value: float) -> None:
    (metric,) = decode(encode(LineageEvent(metrics=(Metric("m", value),)))).metrics
    assert struct.pack("<d", metric.value) == struct.pack("<d", value)


@pytest.mark.parametrize(
    "event",
    [
        LineageEvent(event_time_ns=1 << 63),
        LineageEvent(emitter=Emitter(rank=1 << 63)),
        LineageEvent(event_id=b"short"),
        LineageEvent(metrics=(Metric("m", 1.0, step=1.0),)),  # type: ignore[arg-type]
        LineageEvent(metrics=(Metric("m", "high"),)),  # type: ignore[arg-type]
        LineageEvent(tags={"rows": 5}),  # type: ignore[dict-item]
        LineageEvent(inferred=7),  # type: ignore[arg-type]
        LineageEvent(code="a1b2c3d"),  # type: ignore[arg-type]
    ],
    ids=["time", "rank", "id", "step", "metric", "tag", "truth", "code"],
)
def test_a_value_that_does_not_fit_its_field_is_refused(event: LineageEvent) -> None:
    encode(LineageEvent(metrics=(Metric("m", 1.0, step=1),)))
    with pytest.raises(InvalidEventError, match="cannot be encoded"):
        encode(event)


def test_of_an_event_with_a_document_routing_and_document_travel_and_the_rest_is_read_again() -> None:
    event = read(DOCUMENT)
    message = encode(event)
    assert event.tags == {"team": "risk"}
    assert message == encode(replace(event, tags={}, producer="somebody"))
    assert decode(message) == event
    assert encode(decode(message)) == message
    assert message.count(DOCUMENT) == 1


def test_an_unknown_fingerprint_says_to_upgrade() -> None:
    message = MARKER + bytes(8) + encode(standard_event())[HEADER_BYTES:]
    for function in (decode, decode_routing, schema_of):
        with pytest.raises(UnknownSchemaError, match="newer modeltrail") as caught:
            function(message)
        assert "upgrade" in caught.value.remedy


def test_bytes_after_the_event_are_damage() -> None:
    with pytest.raises(InvalidEventError, match="1 byte follows"):
        decode(encode(standard_event()) + b"\x00")


WHOLE = encode(standard_event())
WITH_DOCUMENT = encode(read(DOCUMENT))


@given(st.sampled_from([WHOLE, WITH_DOCUMENT]), st.data())
def test_a_truncated_event_is_refused(message: bytes, data: st.DataObject) -> None:
    with pytest.raises(InvalidEventError):
        decode(message[: data.draw(st.integers(0, len(message) - 1))])


@given(
    st.sampled_from([WHOLE, WITH_DOCUMENT]),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=12)), min_size=1, max_size=4),
)
@example(WHOLE, [(HEADER_BYTES + 16, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")])
@example(WHOLE, [(HEADER_BYTES + 16, b"\xff\xff\xff\xff\x0f")])
def test_damage_gives_an_event_or_one_of_two_errors(message: bytes, patches: list[tuple[int, bytes]]) -> None:
    damaged = bytearray(message)
    for position, patch in patches:
        start = position % len(damaged)
        damaged[start : start + len(patch)] = patch
    for function in (decode, decode_routing):
        try:
            function(bytes(damaged))
        except (InvalidEventError, UnknownSchemaError):
            continue


@given(st.sampled_from([WHOLE, WITH_DOCUMENT]), st.data())
def test_an_event_is_sound_only_where_all_of_it_can_be_decoded(message: bytes, data: st.DataObject) -> None:
    """Damage past the routing fields too: a byte anywhere, a part that is missing, or one that is there twice."""
    at = data.draw(st.integers(HEADER_BYTES, len(message) - 1))
    to = data.draw(st.integers(at, min(len(message), at + 20)))
    damaged = message[:at] + data.draw(st.binary(max_size=8) | st.just(message[at:to] * 2)) + message[to:]
    try:
        routing = decode_sound_routing(damaged)
    except InvalidEventError:
        return
    event = decode(damaged)
    assert routing == decode_routing(damaged)
    assert routing.event_id == event.event_id


@given(events())
def test_an_event_that_was_encoded_is_sound(event: LineageEvent) -> None:
    assert decode_sound_routing(encode(event)) == decode_routing(encode(event))


def test_no_byte_past_the_header_goes_unread() -> None:
    for at in range(HEADER_BYTES, len(WHOLE)):
        with pytest.raises(InvalidEventError):
            decode_sound_routing(WHOLE[:at])
        damaged = WHOLE[:at] + b"\x80" + WHOLE[at + 1 :]
        try:
            decode(damaged)
        except InvalidEventError:
            with pytest.raises(InvalidEventError):
                decode_sound_routing(damaged)


@given(st.binary(max_size=64))
def test_noise_gives_one_of_two_errors(noise: bytes) -> None:
    for message in (noise, WHOLE[:HEADER_BYTES] + noise):
        with pytest.raises((InvalidEventError, UnknownSchemaError)):
            decode(message)
