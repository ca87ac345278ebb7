"""Documents that come in: kept whole, read leniently, refused only where nothing can be done."""

import json
import random
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail_schemas.codec import decode, decode_routing, encode
from modeltrail_schemas.errors import InvalidEventError
from modeltrail_schemas.event import (
    NO_ID,
    DatasetDetail,
    Description,
    Environment,
    Field,
    LineageEvent,
    ModelDetail,
    RunError,
    SourceCode,
)
from modeltrail_schemas.identity import hashed_id
from modeltrail_schemas.names import EntityRef, JobName
from modeltrail_schemas.openlineage.documents import MAX_DOCUMENT_BYTES, MAX_NESTING, canonical_form, parse
from modeltrail_schemas.openlineage.reading import claimed_id, read
from modeltrail_schemas.openlineage.writing import write
from schemas.openlineage.documents import ANY_JSON, FACET, at, dump, places_in, run_document
from schemas.strategies import ANY_TEXT

SMALL: dict[str, Any] = {
    "eventTime": "2024-07-05T09:04:01Z",
    "eventType": "START",
    "run": {"runId": "r"},
    "job": {"namespace": "n", "name": "j"},
}


def assert_kept(document: bytes) -> LineageEvent:
    """Read the document, and see it kept through encoding, decoding and writing; return the event."""
    event = read(document)
    message = encode(event)
    assert event.document == document
    assert decode(message) == event
    assert encode(decode(message)) == message
    assert write(decode(message)) == document
    assert decode_routing(message).event_id == event.event_id
    return event


def test_standard_facets_are_read_as_the_fields_that_they_mean() -> None:
    tx = EntityRef("dataset", "s3://lake", "tx", "412")
    features = EntityRef("dataset", "warehouse", "features")
    event = assert_kept(dump(run_document()))
    assert event == LineageEvent(
        event_id=event.event_id,
        kind="run",
        type="COMPLETE",
        event_time_ns=1_720_163_041_463_567_123,
        run_id="01908222-d908-77bb-b819-ea816c74e780",
        parent_run_id="01908222-d800-7e0d-afea-386c5e206957",
        job=JobName("risk", "features"),
        inputs=(tx,),
        outputs=(features,),
        commit="a1b2c3d",
        producer="https://producer.example",
        parent_job=JobName("airflow", "nightly"),
        parameters={"day": '"2024-07-04"'},
        tags={"team": "risk"},
        code=SourceCode("https://git.example/risk", "a1b2c3d", "main", entry_point="features.sql"),
        environment=Environment(packages={"spark": "3.5.1"}, variables={"STAGE": "live"}),
        datasets=(
            DatasetDetail(
                entity=tx,
                strength="provider",
                location="s3://lake",
                format="parquet",
                bytes=2_000,
                rows=10,
                fields=(Field("id", "long"), Field("card", "struct"), Field("card.kind")),
                query="select 1",
                provider="delta",
            ),
            DatasetDetail(features, bytes=700, rows=7),
        ),
        descriptions=(
            Description(EntityRef("job", "risk", "features"), "makes features", ("ana", "ben")),
            Description(tx.unversioned, "payments"),
        ),
        error=RunError("", "no rows", "at line 1"),
        document=event.document,
    )


def test_a_dataset_event_describes_its_dataset() -> None:
    quality = {"rowCount": 5, "bytes": 50, "columnMetrics": {}}
    facets = {
        "version": {"datasetVersion": "v1"},
        "dataQualityMetrics": quality,
        "ownership": {"owners": [{"name": "a"}]},
    }
    dataset = {"namespace": "n", "name": "d", "facets": facets}
    event = assert_kept(dump({"eventTime": "2024-07-05T09:04:01", "dataset": dataset}))
    ref = EntityRef("dataset", "n", "d", "v1")
    assert (event.kind, event.type, event.subjects) == ("dataset", "DESCRIBED", (ref,))
    assert event.datasets == (DatasetDetail(ref, "claimed", bytes=50, rows=5),)
    assert event.descriptions == (Description(ref.unversioned, "", ("a",)),)


def test_a_dataset_with_our_model_facet_is_a_model() -> None:
    facets = {
        "modeltrail_model": {"framework": "sklearn", "digest": "sha256:1"},
        "version": {"datasetVersion": "1.2"},
    }
    event = assert_kept(
        dump({"eventTime": "2024-07-05T09:04:01", "dataset": {"namespace": "n", "name": "m", "facets": facets}})
    )
    ref = EntityRef("model", "n", "m", "1.2", "sha256:1")
    assert (event.kind, event.subjects) == ("model", (ref,))
    assert event.models == (ModelDetail(ref, "claimed", "sklearn"),)


def test_a_job_event_describes_its_job_and_what_it_reads_and_writes() -> None:
    document = SMALL | {"inputs": [{"namespace": "n", "name": "a"}], "outputs": [{"namespace": "n", "name": "b"}]}
    del document["run"], document["eventType"]
    event = assert_kept(dump(document))
    assert (event.kind, event.type, event.run_id, event.job) == ("job", "DESCRIBED", "", JobName("n", "j"))
    assert (event.inputs, event.outputs) == ((EntityRef("dataset", "n", "a"),), (EntityRef("dataset", "n", "b"),))


@pytest.mark.parametrize(
    ("given_type", "read_type"),
    [("complete", "COMPLETE"), (None, "OTHER"), ("", "OTHER"), ("PAUSED", "PAUSED"), ({}, "OTHER")],
)
def test_an_event_type_is_known_in_any_case_missing_or_kept(given_type: Any, read_type: str) -> None:
    assert read(dump(SMALL | {"eventType": given_type})).type == read_type


def test_a_deleted_facet_is_no_value() -> None:
    document = run_document()
    for facets in (document["run"]["facets"], document["job"]["facets"], document["inputs"][0]["facets"]):
        for facet in facets.values():
            facet["_deleted"] = True
    event = assert_kept(dump(document))
    assert (event.commit, event.parent_run_id, event.error, event.tags, event.code) == ("", "", None, {}, None)
    assert event.inputs == (EntityRef("dataset", "s3://lake", "tx"),)
    assert event.descriptions == ()


def test_a_facet_whose_deletion_is_null_is_a_value() -> None:
    document = run_document()
    document["inputs"][0]["facets"]["version"]["_deleted"] = None
    assert read(dump(document)).inputs[0].version == "412"


@given(st.data(), ANY_TEXT, ANY_JSON)
def test_unknown_fields_at_any_level_change_nothing_but_the_id(data: st.DataObject, key: str, value: Any) -> None:
    document = run_document()
    place = at(document, data.draw(st.sampled_from(places_in(document))))
    plain = read(dump(document))
    place[f"x-{key}"] = value
    changed = assert_kept(dump(document))
    assert replace(changed, event_id=plain.event_id, document=plain.document) == plain
    assert changed.event_id != plain.event_id


@given(st.data(), ANY_JSON)
def test_anything_in_the_place_of_anything_is_read_or_refused_with_the_place(data: st.DataObject, value: Any) -> None:
    document = run_document()
    place = at(document, data.draw(st.sampled_from(places_in(document))))
    place[data.draw(st.sampled_from(sorted(place) or ["x"]))] = value
    try:
        read(dump(document))
    except InvalidEventError as error:
        if "$" not in str(error):
            raise
        return
    assert_kept(dump(document))


@given(st.data())
def test_a_null_is_as_if_nothing_were_there(data: st.DataObject) -> None:
    document = run_document()
    place = at(document, data.draw(st.sampled_from(places_in(document))))
    key = data.draw(st.sampled_from(sorted(place) or ["x"]))
    place[key] = None
    with_null = dump(document)
    del place[key]
    without = dump(document)
    try:
        expected = read(without)
    except InvalidEventError:
        with pytest.raises(InvalidEventError):
            read(with_null)
        return
    assert replace(assert_kept(with_null), event_id=expected.event_id, document=without) == expected


@given(ANY_JSON, st.randoms())
def test_the_order_of_keys_does_not_change_the_id(value: Any, shuffler: random.Random) -> None:
    document = run_document() | {"x": value}
    assert read(dump(_shuffled(document, shuffler))).event_id == read(dump(document)).event_id


def _shuffled(node: Any, shuffler: random.Random) -> Any:
    if isinstance(node, dict):
        pairs = [(key, _shuffled(value, shuffler)) for key, value in node.items()]
        shuffler.shuffle(pairs)
        return dict(pairs)
    return [_shuffled(item, shuffler) for item in node] if isinstance(node, list) else node


SPELLINGS = ["1", "1.0", "1e0", "1E0", "true", '"1"', "[1]", "-0", "0", "9223372036854775808", "9223372036854775809"]
SPELLINGS += ["123456789012345678901234567890.1", "NaN", "Infinity", "null", "{}", "[]", '"\\u0000"', '""']


def test_each_spelling_of_a_value_is_another_event() -> None:
    documents = [dump(SMALL)[:-1] + f', "x": {spelling}}}'.encode() for spelling in SPELLINGS]
    assert len({assert_kept(document).event_id for document in documents}) == len(SPELLINGS)


def test_white_space_and_the_way_characters_are_escaped_do_not_change_the_id() -> None:
    documents = [
        json.dumps(SMALL | {"x": "é😀/"}, indent=2).encode(),
        json.dumps(SMALL | {"x": "é😀/"}, ensure_ascii=False).encode(),
        json.dumps(SMALL | {"x": "é😀/"}).replace("/", "\\/").encode(),
        b"\xef\xbb\xbf" + dump(SMALL | {"x": "é😀/"}),
    ]
    assert len({assert_kept(document).event_id for document in documents}) == 1


def test_the_id_is_published() -> None:
    event = read(b'{"eventTime":"2024-07-05T09:04:01Z","run":{"runId":"r"},"x":[1.0,"\xc3\xa9",null,true,{}]}')
    assert str(uuid.UUID(bytes=event.event_id)) == "86144e7e-11a5-8bf1-aef5-027420fe3215"


def test_of_a_key_that_stands_twice_the_last_value_counts() -> None:
    twice = dump(SMALL)[:-1] + b', "eventType": "FAIL"}'
    assert assert_kept(twice).type == "FAIL"
    assert read(twice).event_id == read(dump(SMALL | {"eventType": "FAIL"})).event_id


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_names_are_any_unicode(run_id: str, namespace: str, name: str) -> None:
    document = SMALL | {
        "run": {"runId": run_id},
        "job": {"namespace": namespace, "name": name},
        "inputs": [{"namespace": namespace, "name": name}],
        "producer": run_id,
    }
    if not (run_id or namespace or name):
        return
    event = assert_kept(dump(document))
    parsed = json.loads(dump(document))["job"]
    assert event.job == JobName(parsed["namespace"], parsed["name"])
    event.run_id.encode()


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        ("12", 12),
        ("12.0", 12),
        ("9223372036854775807", (1 << 63) - 1),
        *((text, None) for text in ("9223372036854775808", "1e3", "1.5", '"12"', "true", "NaN", "9" * 5_000)),
    ],
)
def test_a_count_is_a_whole_number_of_64_bits_or_not_read(count: str, rows: int | None) -> None:
    facets = '"outputFacets": {"outputStatistics": {"rowCount": ' + count + "}}"
    outputs = ', "outputs": [{"namespace": "n", "name": "o", ' + facets + "}]}"
    event = assert_kept(dump(SMALL)[:-1] + outputs.encode())
    assert [detail.rows for detail in event.datasets] == ([] if rows is None else [rows])


def without(*keys: str) -> dict[str, Any]:
    """Return the small document without some members."""
    return {key: value for key, value in SMALL.items() if key not in keys}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", r"\$: not JSON: Expecting value, line 1 column 1"),
        (b'{"eventTime": ', r"not JSON.*line 1 column 15"),
        (b"\xff\xfe{}", r"not UTF-8 at byte 0"),
        (b"[]", r"\$: not an object"),
        (b"5", r"\$: not an object"),
        (dump(without("eventTime")), r"\$\.eventTime: no time is there"),
        (dump(SMALL | {"eventTime": "soon"}), r"\$\.eventTime: 'soon': not a time"),
        (dump(SMALL | {"eventTime": "2300-01-01T00:00:00Z"}), r"\$\.eventTime: .*2262-04-11"),
        (dump(SMALL | {"eventTime": 1_720_180_800}), r"\$\.eventTime: '1720180800': not a time"),
        (dump(without("run", "job")), r"neither run\.runId"),
        (dump(without("job") | {"run": {"runId": ""}}), r"neither run\.runId"),
        (dump(SMALL)[:-1] + b', "x": ' + b"[" * 300 + b"]" * 300 + b"}", rf"deeper than {MAX_NESTING} levels"),
        (dump(SMALL)[:-1] + b', "x": ' + b"[" * 90_000 + b"]" * 90_000 + b"}", rf"deeper than {MAX_NESTING} levels"),
        (
            dump(SMALL)[:-1] + b', "x": ' + b"[" * MAX_NESTING + b"]" * MAX_NESTING + b"}",
            rf"deeper than {MAX_NESTING} levels",
        ),
        (b" " * (MAX_DOCUMENT_BYTES + 1), r"bytes are more than"),
    ],
)
def test_what_nothing_can_be_done_with_is_refused_with_the_place(document: bytes, message: str) -> None:
    with pytest.raises(InvalidEventError, match=message) as caught:
        read(document)
    assert caught.value.remedy


def test_the_deepest_document_is_read() -> None:
    depth = MAX_NESTING - 1
    assert_kept(dump(SMALL)[:-1] + b', "x": ' + b"[" * depth + b"]" * depth + b"}")


@given(ANY_JSON)
def test_a_facet_of_ours_that_somebody_else_wrote_is_read_where_it_fits_and_passed_over_elsewhere(value: Any) -> None:
    names = ["event", "metrics", "datasets", "code", "emitter", "parameters", "sealed", "inputs"]
    facets = {f"modeltrail_{name}": FACET | {name: value, "event_id": value, "run_id": value} for name in names}
    details = {key: FACET | {"bytes": value, "location": value} for key in ("modeltrail_model", "modeltrail_dataset")}
    inputs = [{"namespace": "n", "name": key, "facets": {key: facet}} for key, facet in details.items()]
    assert_kept(dump(SMALL | {"run": {"runId": "r", "facets": facets}, "inputs": inputs}))


@pytest.mark.parametrize(
    ("told", "claimed"), [("00" * 15 + "07", bytes(15) + b"\x07"), ("07", NO_ID), ("", NO_ID), ("zz" * 16, NO_ID)]
)
def test_an_id_in_our_facet_is_a_claim_and_never_the_id(told: str, claimed: bytes) -> None:
    document = dump(SMALL | {"run": {"runId": "r", "facets": {"modeltrail_event": {"event_id": told}}}})
    assert claimed_id(document) == claimed
    assert assert_kept(document).event_id == hashed_id(canonical_form(parse(document)))


@pytest.mark.parametrize("nameless", [{"namespace": "file"}, {"namespace": "file", "name": None}, {}])
def test_what_no_name_is_told_of_is_no_dataset_to_take_others_for(
    nameless: dict[str, str | None],
) -> None:
    root = {"namespace": "s3://lake", "name": ""}
    event = read(dump(SMALL | {"inputs": [nameless, root], "outputs": [nameless]}))
    assert event.inputs == (EntityRef("dataset", "s3://lake", ""),)
    assert event.outputs == ()
