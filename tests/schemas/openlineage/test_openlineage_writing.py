"""Events that go out as OpenLineage: valid, complete, and the same event when they come in again."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from benchmarks.standard_event import standard_event
from hypothesis import given
from modeltrail_schemas.codec import decode, encode
from modeltrail_schemas.errors import InvalidEventError
from modeltrail_schemas.event import (
    DatasetDetail,
    Gap,
    LineageEvent,
    Metric,
    ModelDetail,
    Retraction,
    SourceCode,
    Statement,
)
from modeltrail_schemas.identity import hashed_id
from modeltrail_schemas.names import EntityRef
from modeltrail_schemas.openlineage.documents import canonical_form, parse
from modeltrail_schemas.openlineage.reading import claimed_id, read
from modeltrail_schemas.openlineage.writing import write
from schemas.strategies import ANY_TEXT, events
from schemas.test_versions import FULL_EVENT

ID = bytes(15) + b"\x01"
MODEL = EntityRef("model", "risk", "fraud", "1.2", "sha256:3f")

# The specification's JSON schemas, as far as we write: what is required, and the type of each member.
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
NAMED = {"namespace": str, "name": str}
FACETS: dict[str, tuple[str, str, dict[str, Any], set[str]]] = {
    "parent": ("ParentRunFacet", "1-2-0", {"run": {"runId": UUID}, "job": NAMED}, {"run", "job"}),
    "errorMessage": (
        "ErrorMessageRunFacet",
        "1-0-1",
        {"message": str, "programmingLanguage": str, "stackTrace": str},
        {"message", "programmingLanguage"},
    ),
    "environmentVariables": (
        "EnvironmentVariablesRunFacet",
        "1-0-0",
        {"environmentVariables": [{"name": str, "value": str}]},
        {"environmentVariables"},
    ),
    "executionParameters": (
        "ExecutionParametersRunFacet",
        "1-0-0",
        {"parameters": [{"key": str, "value": str}]},
        set(),
    ),
    "tags": ("Tags(Run|Job|Dataset)Facet", "1-0-0", {"tags": [{"key": str, "value": str, "source": str}]}, set()),
    "sourceCodeLocation": (
        "SourceCodeLocationJobFacet",
        "1-1-0",
        {"type": str, "url": URI, "repoUrl": str, "path": str, "version": str, "branch": str},
        {"type", "url"},
    ),
    "documentation": ("Documentation(Job|Dataset)Facet", "1-1-0", {"description": str}, {"description"}),
    "ownership": ("Ownership(Job|Dataset)Facet", "1-0-1", {"owners": [{"name": str}]}, set()),
    "version": ("DatasetVersionDatasetFacet", "1-0-1", {"datasetVersion": str}, {"datasetVersion"}),
    "dataSource": ("DatasourceDatasetFacet", "1-0-1", {"uri": URI}, set()),
    "datasetType": ("DatasetTypeDatasetFacet", "1-0-1", {"datasetType": str}, {"datasetType"}),
    "storage": ("StorageDatasetFacet", "1-0-1", {"storageLayer": str, "fileFormat": str}, {"storageLayer"}),
    "schema": ("SchemaDatasetFacet", "1-2-0", {"fields": [{"name": str}]}, set()),
    "dataQualityMetrics": (
        "DataQualityMetricsDatasetFacet",
        "1-0-0",
        {"rowCount": int, "bytes": int, "columnMetrics": dict},
        {"columnMetrics"},
    ),
    "inputStatistics": ("InputStatisticsInputDatasetFacet", "1-0-0", {"rowCount": int, "size": int}, set()),
    "outputStatistics": ("OutputStatisticsOutputDatasetFacet", "1-0-2", {"rowCount": int, "size": int}, set()),
}
EVENT_MEMBERS = {
    "RunEvent": {"eventType": str, "run": dict, "job": dict, "inputs": list, "outputs": list},
    "JobEvent": {"job": dict, "inputs": list, "outputs": list},
    "DatasetEvent": {"dataset": dict},
}
RUN_STATES = {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"}


def assert_valid(document: bytes) -> dict[str, Any]:
    """Compare a document with the rules of the specification for what we write; return it parsed."""
    event: dict[str, Any] = json.loads(document, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    kind = event["schemaURL"].removeprefix("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/")
    assert_member(event["eventTime"], TIME, "eventTime")
    assert_member(event["producer"], URI, "producer")
    assert event.keys() == {"eventTime", "producer", "schemaURL"} | EVENT_MEMBERS[kind].keys()
    for name, rule in EVENT_MEMBERS[kind].items():
        assert_member(event[name], rule, name)
    if kind == "RunEvent":
        assert event["eventType"] in RUN_STATES
        assert_member(event["run"]["runId"], UUID, "runId")
    for node in nodes_of(event):
        assert_member({key: node.get(key) for key in NAMED}, NAMED, "name") if "runId" not in node else None
        for facets in (node.get(key, {}) for key in ("facets", "inputFacets", "outputFacets")):
            for name, facet in facets.items():
                assert_facet(name, facet)
    return event


def nodes_of(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the run, the job and each dataset."""
    yield from (event[key] for key in ("run", "job", "dataset") if key in event)
    yield from event.get("inputs", ())
    yield from event.get("outputs", ())


def assert_facet(name: str, facet: dict[str, Any]) -> None:
    """Compare a facet with its schema; ours need no more than the base facet."""
    assert_member(facet["_producer"], URI, name)
    assert_member(facet["_schemaURL"], URI, name)
    if name.startswith("modeltrail_"):
        return
    kind, version, members, required = FACETS[name]
    url = rf"https://openlineage\.io/spec/facets/{version}/({kind})\.json#/\$defs/{kind}"
    assert re.fullmatch(url, facet["_schemaURL"]), facet["_schemaURL"]
    told = facet.keys() - {"_producer", "_schemaURL"}
    assert required <= told <= members.keys(), name
    for member in told:
        assert_member(facet[member], members[member], f"{name}.{member}")


def assert_member(value: Any, rule: Any, place: str) -> None:
    """Compare a value with a type, a pattern, the rules of an object's members, or those of a list's items."""
    if isinstance(rule, re.Pattern):
        assert isinstance(value, str), place
        assert rule.fullmatch(value), f"{place}: {value!r}"
    elif isinstance(rule, dict):
        for key, inner in rule.items():
            assert_member(value[key], inner, f"{place}.{key}")
    elif isinstance(rule, list):
        for item in value:
            assert_member(item, rule[0], place)
    else:
        assert type(value) is rule, place


@given(events())
def test_an_event_is_valid_openlineage_and_the_same_event_again(event: LineageEvent) -> None:
    document = write(event)
    assert_valid(document)
    assert read(document) == event


@given(events(texts=ANY_TEXT))
def test_an_event_with_any_python_string_is_what_it_is_on_the_wire(event: LineageEvent) -> None:
    sent = decode(encode(event))
    assert read(write(event)) == replace(sent, event_id=event.event_id)


@pytest.mark.parametrize("event", [standard_event(), FULL_EVENT, LineageEvent(ID)], ids=["standard", "full", "empty"])
def test_an_exported_event_that_is_imported_is_one_with_the_first(event: LineageEvent) -> None:
    assert_valid(write(event))
    assert encode(read(write(event))) == encode(event)


def test_of_a_document_of_ours_that_somebody_changed_the_changed_one_is_kept() -> None:
    document = json.dumps(json.loads(write(standard_event())) | {"x": 1}, indent=1).encode()
    event = read(document)
    assert event.event_id != standard_event().event_id
    assert event == replace(standard_event(), event_id=event.event_id, document=document)
    assert decode(encode(event)) == event


def test_a_document_of_ours_that_somebody_laid_out_otherwise_is_still_that_event() -> None:
    document = json.dumps(json.loads(write(standard_event())), indent=2, sort_keys=True).encode()
    assert read(document) == standard_event()


def test_from_outside_a_document_of_ours_is_a_document_and_has_the_id_of_its_content() -> None:
    document = write(standard_event())
    event = read(document, outside=True)
    assert event == replace(standard_event(), event_id=hashed_id(canonical_form(parse(document))), document=document)
    assert claimed_id(document) == standard_event().event_id


@pytest.mark.parametrize(("told", "shown"), [("authenticated", "claimed"), ("claimed", "claimed"), ("", "")])
def test_a_document_claims_who_declared_something_and_cannot_vouch_for_it(told: str, shown: str) -> None:
    model = EntityRef("model", "risk", "fraud", "1.2")
    declared = LineageEvent(ID, "model", "APPROVED", subjects=(model,), statement=Statement("ana", "good", told))
    changed = json.dumps(json.loads(write(declared)) | {"x": 1}).encode()
    for event in (read(changed), read(write(declared), outside=True)):
        for one in (event, decode(encode(event))):
            assert one.statement == replace(declared.statement, assurance=shown)
            assert one.document is not None
    assert read(write(declared)) == declared


@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, 1e308, math.inf, -math.inf, math.nan])
def test_a_metric_keeps_its_bits(value: float) -> None:
    event = LineageEvent(ID, kind="run", run_id="r", metrics=(Metric("m", value),))
    assert encode(read(write(event))) == encode(event)


@given(events(nan=True))
def test_metrics_that_are_no_numbers_keep_their_sense(event: LineageEvent) -> None:
    again = read(write(event))
    assert [repr(metric.value) for metric in again.metrics] == [repr(metric.value) for metric in event.metrics]
    assert encode(again) == encode(event)


def test_standard_facets_carry_what_they_can() -> None:
    event = assert_valid(write(FULL_EVENT))
    run, job, (used,), (made,) = event["run"]["facets"], event["job"]["facets"], event["inputs"], event["outputs"]
    assert run["parent"]["job"] == {"namespace": "risk", "name": "nightly"}
    assert run["errorMessage"]["stackTrace"] == "trace"
    assert run["modeltrail_error"]["error"] == {"type": "ValueError"}
    assert run["tags"]["tags"] == [{"key": "team", "value": "risk", "source": "USER"}]
    assert run["environmentVariables"]["environmentVariables"] == [{"name": "B", "value": "2"}]
    assert run["executionParameters"]["parameters"] == [{"key": "lr", "value": "0.1"}]
    assert job["sourceCodeLocation"]["version"] == "a1b2c3d"
    assert used["facets"]["version"]["datasetVersion"] == "delta:412"
    assert used["facets"]["schema"]["fields"] == [{"name": "a", "type": "int"}]
    assert used["inputFacets"]["inputStatistics"]["rowCount"] == 6
    assert made["facets"]["ownership"]["owners"] == [{"name": "ana"}]
    assert made["facets"]["modeltrail_model"]["framework"] == "sklearn"


def test_a_model_is_a_dataset_that_says_so_and_its_declaration_a_dataset_event() -> None:
    statement = Statement(by="ana", why="best auc", alias="production")
    event = LineageEvent(
        kind="model",
        type="ALIASED",
        subjects=(MODEL,),
        statement=statement,
        models=(ModelDetail(MODEL, "content", "sklearn", "s3://b/m", 5),),
    )
    document = assert_valid(write(event))
    assert document["dataset"]["facets"]["datasetType"]["datasetType"] == "MODEL"
    assert document["dataset"]["facets"]["modeltrail_model"]["digest"] == "sha256:3f"
    assert document["dataset"]["facets"]["modeltrail_event"]["type"] == "ALIASED"
    again = read(write(event))
    assert (again.kind, again.type, again.subjects, again.statement) == ("model", "ALIASED", (MODEL,), statement)


@pytest.mark.parametrize(
    "event",
    [
        LineageEvent(ID, kind="retraction", type="RETRACTED", retraction=Retraction(bytes(15) + b"\x01", "wrong")),
        LineageEvent(ID, kind="gap", gap=Gap("disk full", 3, 1, 3)),
        LineageEvent(ID, kind="gap", run_id="slurm-17", gap=Gap("disk full", 3, 1, 3)),
        LineageEvent(ID, kind="run", type="ANNOTATED", run_id="slurm-17", statement=Statement(text="odd")),
        LineageEvent(ID, kind="dataset", type="RETRACTED", subjects=(EntityRef("dataset", "n", "d", "v"),)),
    ],
    ids=lambda event: f"{event.kind} {event.run_id}",
)
def test_what_openlineage_has_no_word_for_goes_out_and_comes_in(event: LineageEvent) -> None:
    assert_valid(write(event))
    assert read(write(event)) == event


@pytest.mark.parametrize(
    ("repository", "url"),
    [
        ("https://git.example/risk", "https://git.example/risk"),
        ("git@git.example:team/risk.git", "ssh://git@git.example/team/risk.git"),
        ("../risk", None),
        ("", None),
    ],
)
def test_a_repository_that_is_no_url_is_made_one_or_told_in_our_facet(repository: str, url: str | None) -> None:
    event = LineageEvent(event_id=ID, kind="run", run_id="r", code=SourceCode(repository, "a1b2c3d"))
    facets = assert_valid(write(event))["job"]["facets"]
    assert facets.get("sourceCodeLocation", {}).get("url") == url
    assert read(write(event)) == event


def test_a_described_dataset_repeats_nothing_in_our_facets() -> None:
    used = EntityRef("dataset", "n", "d", "412")
    detail = DatasetDetail(used, "provider", "s3://b/k", "parquet", 5, 6, provider="delta")
    event = LineageEvent(event_id=ID, kind="run", type="START", inputs=(used,), datasets=(detail,))
    facets = assert_valid(write(event))["inputs"][0]["facets"]
    assert facets.keys() == {"version", "dataSource", "storage"}


@pytest.mark.parametrize("role", ["train", ""])
@pytest.mark.parametrize("digest", ["sha256:3f", ""])
def test_a_detail_is_told_beside_its_dataset_however_the_detail_names_it(role: str, digest: str) -> None:
    used = EntityRef("dataset", "n", "d", "412", "sha256:3f", "train")
    detail = DatasetDetail(replace(used, role=role, digest=digest), rows=5)
    event = LineageEvent(ID, kind="run", run_id="r", inputs=(used,), datasets=(detail,))
    document = assert_valid(write(event))
    assert document["run"]["facets"].keys() == {"modeltrail_event"}
    assert document["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"] == 5
    assert read(write(event)) == event


def test_a_time_outside_64_bits_is_refused() -> None:
    with pytest.raises(InvalidEventError, match="cannot be written"):
        write(LineageEvent(event_time_ns=1 << 80, metrics=(Metric("m", 1.0),)))
