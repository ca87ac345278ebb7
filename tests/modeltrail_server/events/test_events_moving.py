"""Events into a log and out of it: each once, as they came, whatever is broken beside them."""

import io
import json
import tracemalloc
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail.log.memory import MemoryLog
from modeltrail.log.protocol import Log, Outgoing
from modeltrail_schemas.codec import decode, encode
from modeltrail_schemas.event import LineageEvent, Metric
from modeltrail_schemas.identity import new_event_id
from modeltrail_server.events import importing
from modeltrail_server.events.exporting import export_events, positions_of_last, write_avro, write_json_lines
from modeltrail_server.events.importing import Import, import_events
from ol_documents import document, line

PAST_64_BITS = 2**64 + 1
MAX_RECORD_BYTES = 10_000


def imported(data: bytes, log: Log) -> Import:
    """Return what became of ``data``."""
    *_, result = import_events(io.BytesIO(data), log)
    return result


def exported(log: Log) -> bytes:
    """Return the export of ``log``."""
    target = io.BytesIO()
    export_events(log, target, write_json_lines)
    return target.getvalue()


def test_good_events_are_kept_and_each_refused_one_is_named_with_line_column_and_reason() -> None:
    lines = [line(1), '{"eventType": oops}', line(2, eventTime="yesterday"), line(3), '{"run": 1}', line(4)]
    log = MemoryLog()
    result = imported("\n".join(lines).encode(), log)
    assert result.accepted == log.end()[0] == 3
    assert [refusal[:2] for refusal in result.refusals] == [(2, 15), (3, 0), (5, 0)]
    assert "not JSON" in result.refusals[0].reason
    assert "$.eventTime: 'yesterday'" in result.refusals[1].reason


@pytest.mark.parametrize("layout", ["lines", "array", "pretty", "array on one line"])
def test_the_layout_of_a_file_makes_no_difference_to_its_events(layout: str) -> None:
    documents = [document(number, price=1.0) for number in range(3)]
    text = {
        "lines": "\n".join(map(json.dumps, documents)),
        "array": json.dumps(documents, indent=2),
        "pretty": "\n".join(json.dumps(each, indent=2) for each in documents),
        "array on one line": json.dumps(documents),
    }[layout]
    log, plain = MemoryLog(), MemoryLog()
    assert imported(text.encode(), log) == Import(3, [])
    imported("\n".join(map(json.dumps, documents)).encode(), plain)
    assert [decode(value).event_id for value in _values(log)] == [decode(value).event_id for value in _values(plain)]


def test_an_empty_file_is_no_event_and_no_fault() -> None:
    assert imported(b"", MemoryLog()) == imported(b" \n\n", MemoryLog()) == Import(0, [])


def test_the_same_event_twice_is_one_in_the_export() -> None:
    log = MemoryLog()
    imported(f"{line(1)}\n{line(1)}\n".encode(), log)
    imported(json.dumps(document(1), indent=3, sort_keys=True).encode(), log)
    target = io.BytesIO()
    result = export_events(log, target, write_json_lines)
    assert (result.events, result.repetitions) == (1, 2)
    assert target.getvalue() == line(1).encode() + b"\n"


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False) | st.text(), max_size=3)))
def test_export_undoes_import_and_gives_the_same_events_again(extras: list[dict[str, Any]]) -> None:
    log, again = MemoryLog(), MemoryLog()
    imported("\n".join(line(number, extra=extra) for number, extra in enumerate(extras)).encode(), log)
    text = exported(log)
    assert text.decode().splitlines() == [line(number, extra=extra) for number, extra in enumerate(extras)]
    imported(text, again)
    assert _values(again) == _values(log)


def test_numbers_come_out_as_they_were_spelled() -> None:
    text = line(1, x=0).replace('"x": 0', f'"x": [1.0, 1, 1e2, {PAST_64_BITS}, 0.10]')
    log = MemoryLog()
    assert imported(text.encode(), log) == Import(1, [])
    assert exported(log) == text.encode() + b"\n"


def test_a_document_of_several_lines_loses_only_the_breaks() -> None:
    log = MemoryLog()
    imported(json.dumps(document(1, note="a\n b", rate=1.50), indent=2).encode(), log)
    assert exported(log).count(b"\n") == 1
    assert json.loads(exported(log)) == document(1, note="a\n b", rate=1.5)


def test_an_event_of_the_sdk_goes_out_as_openlineage_and_comes_in_as_itself() -> None:
    event = LineageEvent(
        event_id=new_event_id(10**18, b"12345678"),
        kind="run",
        type="RUNNING",
        event_time_ns=10**18,
        run_id="run-1",
        metrics=(Metric("auc", 0.91, 1, 10**18),),
    )
    log, again = MemoryLog(), MemoryLog()
    log.append([Outgoing(encode(event))])
    imported(exported(log), again)
    assert [decode(value) for value in _values(again)] == [event]


def test_a_record_that_is_no_event_is_counted_and_left_out() -> None:
    log = MemoryLog()
    log.append([Outgoing(b"\x00 nonsense")])
    imported(line(1).encode(), log)
    target = io.BytesIO()
    result = export_events(log, target, write_json_lines)
    assert (result.events, result.unreadable) == (1, 1)


def test_avro_export_is_a_container_that_others_read() -> None:
    log, target = MemoryLog(), io.BytesIO()
    imported(f"{line(1)}\n{line(2)}".encode(), log)
    assert export_events(log, target, write_avro).events == 2
    target.seek(0)
    records = list(fastavro.reader(target))
    assert [record["run_id"] for record in records] == ["run-1", "run-2"]
    assert [record["event_id"] for record in records] == [decode(value).event_id for value in _values(log)]


def test_an_event_that_the_log_can_never_take_is_refused_and_the_others_of_its_batch_are_kept() -> None:
    log = MemoryLog(max_record_bytes=MAX_RECORD_BYTES)
    huge = line(2, blob="x" * MAX_RECORD_BYTES)
    result = imported("\n".join([line(1), huge, line(3)]).encode(), log)
    assert result.accepted == 2
    assert [refusal.line for refusal in result.refusals] == [2]
    assert exported(log).decode().splitlines() == [line(1), line(3)]


def test_events_of_one_run_share_a_partition() -> None:
    log = MemoryLog(3)
    for number in range(20):
        imported(f"{line(number)}\n{line(number, eventType='COMPLETE')}".encode(), log)
    runs = [{decode(value).run_id for value in _values(log, partition)} for partition in range(3)]
    assert sum(map(len, runs)) == 20
    assert all(runs)


def test_json_lines_are_read_in_memory_that_does_not_grow_with_the_file() -> None:
    text = (line(1, pad="x" * 1_000) + "\n").encode()
    peaks = []
    for lines in (2_000, 8_000):
        source = io.BytesIO(text * lines)
        tracemalloc.start()
        assert sum(1 for _ in importing.documents(source)) == lines
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]


def test_the_last_records_are_found_in_each_partition_of_a_log_that_forgot_its_first() -> None:
    log = MemoryLog(2)
    log.append([Outgoing(b"x", partition=number % 2) for number in range(10)])
    log.forget(0, 4)
    assert positions_of_last(log, 2).offsets == (4, 3)


def _values(log: Log, partition: int = 0) -> list[bytes]:
    reader, values = log.reader(), []
    for each in reader.unpositioned():
        reader.seek(each, 0)
    while found := reader.poll(max_records=1_000, wait_ms=0):
        values += [record.value for record in found.get(partition, ())]
    return values
