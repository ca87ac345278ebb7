"""Notes survive their encoding, and merging them into events loses nothing and reorders nothing."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail.errors import InvalidEventError
from modeltrail.notes import (
    MERGE_WINDOW_NS,
    Note,
    coalesce,
    decode_note,
    encode_note,
    event_of,
    inferred_end,
    track_open_runs,
)
from modeltrail_schemas.codec import encode
from modeltrail_schemas.identity import new_event_id

TEXT = st.text(max_size=8)
STATES = st.sampled_from(["START", "RUNNING", "RUNNING", "RUNNING", "COMPLETE"])


def new_id(time_ns: int) -> bytes:
    return new_event_id(time_ns, bytes(8))


@st.composite
def histories(draw: st.DrawFn) -> list[Note]:
    notes, time_ns = [], 10**18
    for sequence in range(draw(st.integers(0, 25))):
        time_ns += draw(st.sampled_from([250, 10_000, MERGE_WINDOW_NS // 2, MERGE_WINDOW_NS * 2]))
        note = {
            "kind": "run",
            "type": draw(STATES),
            "run_id": draw(st.sampled_from(["a", "b"])),
            "event_time_ns": time_ns,
            "emitter": {"id": "e", "rank": draw(st.integers(0, 1)), "sequence": sequence},
            "metrics": [{"name": "m", "value": float(sequence), "step": sequence}],
            "parameters": draw(st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"))),
            "inputs": draw(st.lists(st.sampled_from(["dataset:d/x@1", "dataset:d/y"]), max_size=2)),
        }
        if draw(st.integers(0, 9)) == 0:
            note |= {"kind": "model", "type": "ALIASED", "run_id": "", "subjects": ["model:m/m@1"]}
        notes.append(decode_note(encode_note(note)))
    return notes


@given(
    st.dictionaries(
        TEXT,
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
            max_leaves=8,
        ),
    )
)
def test_decoding_undoes_encoding(extra: dict[str, object]) -> None:
    note = {"kind": "run", "statement": extra}
    assert decode_note(encode_note(note)).fields == note


def test_bytes_and_numbers_that_json_lacks_survive() -> None:
    note = {
        "document": b"\x00\xff",
        "event_id": bytes(range(16)),
        "retraction": {"event_id": bytes(16), "reason": "x"},
        "sealed": [{"path": "p", "key_id": "k", "ciphertext": b"\xfe"}],
        "metrics": [{"value": math.inf}, {"value": -math.inf}],
        "parameters": {"$bytes": "AAAA", "x": "\ud800"},
    }
    assert decode_note(encode_note(note)).fields == note
    assert math.isnan(decode_note(encode_note({"metrics": [{"value": math.nan}]})).fields["metrics"][0]["value"])


def test_what_is_no_plain_form_is_refused() -> None:
    with pytest.raises(TypeError):
        encode_note({"metrics": [{"value": object()}]})


@given(histories())
def test_no_note_is_lost_and_none_is_twice(notes: list[Note]) -> None:
    groups = coalesce(notes)
    assert Counter(id(note) for group in groups for note in group) == Counter(map(id, notes))


@given(histories())
def test_events_come_in_the_order_of_their_first_notes(notes: list[Note]) -> None:
    events = [event_of(group, new_id) for group in coalesce(notes)]
    assert [event.event_time_ns for event in events] == sorted({event.event_time_ns for event in events})
    assert [event.event_id for event in events] == sorted(event.event_id for event in events)


@given(histories())
def test_a_merged_event_says_what_its_notes_say(notes: list[Note]) -> None:
    for group in coalesce(notes):
        event = event_of(group, new_id)
        assert {note.fields["run_id"] for note in group} == {event.run_id}
        assert [metric.step for metric in event.metrics] == [note.sequence for note in group]
        assert {ref.format() for ref in event.inputs} == {ref for note in group for ref in note.fields["inputs"]}
        for note in group:
            assert note.fields["parameters"].items() <= dict(event.parameters).items()
        assert group[-1].time_ns - group[0].time_ns <= MERGE_WINDOW_NS
        assert all(note.fields["type"] == "RUNNING" for note in group[1:])
        encode(event)


@given(histories())
def test_a_declaration_stays_between_what_came_before_and_after(notes: list[Note]) -> None:
    position = {id(note): index for index, note in enumerate(notes)}
    for group in coalesce(notes):
        between = notes[position[id(group[0])] : position[id(group[-1])]]
        assert not [note for note in between[1:] if note.fields["kind"] == "model"]


@given(histories(), st.integers(200, 2_000))
def test_a_merged_event_stays_within_its_bound(notes: list[Note], max_event_bytes: int) -> None:
    for group in coalesce(notes, max_event_bytes=max_event_bytes):
        assert len(group) == 1 or sum(note.size_bytes for note in group) <= max_event_bytes
        assert len(encode(event_of(group, new_id))) <= max(max_event_bytes, group[0].size_bytes)


def note(**fields: object) -> Note:
    return Note({"kind": "run", "type": "RUNNING", "run_id": "r", "event_time_ns": 10**18} | fields, 100)


def test_two_values_of_one_parameter_stay_two_events() -> None:
    groups = coalesce([note(parameters={"lr": "1"}), note(parameters={"lr": "2"}), note(parameters={"lr": "2"})])
    assert [len(group) for group in groups] == [1, 2]


def test_a_start_takes_in_what_follows_and_an_end_stays_alone() -> None:
    groups = coalesce([note(type="START", job="a/b"), note(tags={"a": "1"}), note(type="COMPLETE"), note()])
    assert [[part.fields["type"] for part in group] for group in groups] == [
        ["START", "RUNNING"],
        ["COMPLETE"],
        ["RUNNING"],
    ]


def test_a_sealed_value_keeps_its_place() -> None:
    sealed = [{"path": "metrics[0].name", "key_id": "k", "ciphertext": b"x"}]
    assert len(coalesce([note(), note(sealed=sealed), note()])) == 3


@pytest.mark.parametrize(
    "wrong", [{"metric": []}, {"metrics": [1]}, {"inputs": ["no reference"]}, {"parameters": ["a"]}, {"job": "x"}]
)
def test_a_note_that_no_event_can_be_made_of_is_an_error_of_ours(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidEventError):
        encode(event_of([note(**wrong)], new_id))


def test_open_runs_are_those_started_and_not_ended() -> None:
    open_runs: dict[str, dict[str, object]] = {}
    for state, run_id in (("START", "a"), ("RUNNING", "a"), ("START", "b"), ("RUNNING", "c"), ("FAIL", "a")):
        track_open_runs(open_runs, {"type": state, "run_id": run_id, "job": "j/j", "metrics": []})
    assert open_runs == {"b": {"run_id": "b", "job": "j/j"}}
    abort = event_of([inferred_end(open_runs["b"], event_time_ns=5, emitter={"id": "e"})], new_id)
    assert (abort.type, abort.inferred, abort.run_id, abort.job.format()) == ("ABORT", True, "b", "j/j")
