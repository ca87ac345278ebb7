"""Encoding and decoding the standard event, beside fastavro alone: what every other rate is made of."""

from io import BytesIO

from benchmarks.measuring import best_rate
from benchmarks.reporting import Limit, Report, Row
from benchmarks.standard_event import standard_event
from fastavro import schemaless_writer
from modeltrail_schemas.codec import decode, decode_routing, encode
from modeltrail_schemas.event import LineageEvent
from modeltrail_schemas.records import dumper
from modeltrail_schemas.versions import current_version

EVENTS = 500
SLICES = 40


def test_codec(report: Report) -> None:
    events = [standard_event(number) for number in range(EVENTS)]
    messages = [encode(event) for event in events]
    dictionaries = [dumper(LineageEvent)(event) for event in events]
    schema = current_version().parsed

    def write_dictionaries() -> None:
        for dictionary in dictionaries:
            schemaless_writer(BytesIO(), schema, dictionary)

    def rate(work: object, values: list[object]) -> float:
        return best_rate(lambda: [work(value) for value in values], EVENTS, slices=SLICES)  # type: ignore[operator]

    bare = best_rate(write_dictionaries, EVENTS, slices=SLICES)
    decodes = Limit("fastavro's whole decode (D)", report.decodes_per_s)
    rates = (
        ("encode whole", rate(encode, events), Limit("fastavro's writer, dictionaries at hand", bare), 1.0),
        ("decode what the projector needs", rate(decode_routing, messages), decodes, 3.0),
        ("decode whole, into values", rate(decode, messages), decodes, None),
    )
    for what, figure, limit, multiple in rates:
        reached = None if multiple is None else figure >= multiple * report.decodes_per_s
        target = "" if multiple is None else f"≥ {multiple:.0f} D"
        report.add(Row("codec", what, figure, "events/s", limit, target, reached))
