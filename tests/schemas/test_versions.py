"""The versions of the schema: what is published stays, and what comes later can be read."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from benchmarks.standard_event import standard_event
from fastavro import schemaless_reader, schemaless_writer
from fastavro.schema import to_parsing_canonical_form
from hypothesis import given
from modeltrail_schemas.codec import decode, encode
from modeltrail_schemas.event import (
    DatasetDetail,
    Description,
    Emitter,
    Environment,
    Field,
    Gap,
    LineageEvent,
    Metric,
    ModelDetail,
    Retraction,
    Routing,
    RunError,
    Sealed,
    SourceCode,
    Statement,
)
from modeltrail_schemas.names import EntityRef, JobName
from modeltrail_schemas.openlineage.reading import read
from modeltrail_schemas.records import dumper, loader
from modeltrail_schemas.versions import (
    SchemaVersion,
    all_versions,
    current_version,
    find_version,
    schema_texts,
)
from schemas.strategies import events

GOLDEN = Path(__file__).parent / "golden"
DATASET = EntityRef("dataset", "risk", "tx/é", "delta:412", "sha256:3f9c", "train")
MODEL = EntityRef("model", "risk", "fraud", "1.2")

FULL_EVENT = LineageEvent(
    event_id=bytes(range(16)),
    kind="run",
    type="COMPLETE",
    event_time_ns=1_741_000_000_123_456_789,
    run_id="run-1",
    parent_run_id="run-0",
    job=JobName("risk", "fraud-train"),
    inputs=(DATASET,),
    outputs=(MODEL,),
    subjects=(MODEL.unversioned,),
    commit="a1b2c3d",
    environment_digest="sha256:00",
    producer="urn:modeltrail",
    parent_job=JobName("risk", "nightly"),
    emitter=Emitter("e", 3, 1 << 40, "trainer-7", 4711),
    parameters={"lr": "0.1"},
    metrics=(Metric("auc", 0.91, -1, 1_741_000_000_123_456_000, DATASET.target),),
    tags={"team": "risk"},
    code=SourceCode(
        "https://git.example/risk", "a1b2c3d", "main", True, "diff", "sha256:01", True, ("x.py",), "t.py"
    ),
    environment=Environment(
        "sha256:00",
        "3.11.9",
        "CPython",
        "Linux",
        "x86_64",
        "cpu",
        2,
        1 << 34,
        ("gpu",),
        "img",
        {"a": "1"},
        {"B": "2"},
    ),
    command=("python", "t.py"),
    seeds={"numpy": "42"},
    datasets=(
        DatasetDetail(DATASET, "provider", "s3://b/k", "delta", 5, 6, (Field("a", "int"),), "select", "delta"),
    ),
    models=(ModelDetail(MODEL, "content", "sklearn", "s3://b/m", 7, DATASET),),
    statement=Statement("ana", "because", "claimed", "production", "live", "eu", "text"),
    descriptions=(Description(MODEL.unversioned, "finds fraud", ("ana",)),),
    error=RunError("ValueError", "no", "trace"),
    retraction=Retraction(bytes(range(16, 32)), "wrong"),
    gap=Gap("disk full", 3, 4, 6),
    sealed=(Sealed("/tags/x", "k1", b"\x00\xff"),),
    redactions=2,
    inferred=True,
    imported_from="urn:elsewhere",
)
DOCUMENT = b'{"eventTime":"2024-07-05T09:04:01.5","run":{"runId":"r"},"job":{"namespace":"n","name":"j"},"x":1.0}'
GOLDEN_EVENTS = {
    "1-empty": LineageEvent(),
    "1-full": FULL_EVENT,
    "1-standard": standard_event(),
    "1-document": read(DOCUMENT),
}


@pytest.mark.parametrize("name", sorted(GOLDEN_EVENTS))
def test_published_bytes_are_binding(name: str) -> None:
    golden = bytes.fromhex((GOLDEN / f"{name}.hex").read_text())
    assert encode(GOLDEN_EVENTS[name]) == golden
    assert decode(golden) == GOLDEN_EVENTS[name]


def test_no_field_of_the_golden_event_is_left_at_its_default() -> None:
    unset = {field.name for field in dataclasses.fields(LineageEvent) if field.name != "document"}
    default = LineageEvent()
    assert {name for name in unset if getattr(FULL_EVENT, name) == getattr(default, name)} == set()


def test_published_texts_are_binding() -> None:
    published = (GOLDEN / "schemas.sha256").read_text().split()
    assert [version.sha256 for version in all_versions()] == published
    assert set(schema_texts()) == set(published)


def test_fingerprints_are_unique_and_those_of_the_specification() -> None:
    fingerprints = [version.fingerprint for version in all_versions()]
    assert len(set(fingerprints)) == len(fingerprints)
    for version in all_versions():
        assert version.fingerprint == crc_64_avro(to_parsing_canonical_form(version.definition).encode())
        assert find_version(version.fingerprint) is version


def crc_64_avro(data: bytes) -> int:
    """Return the fingerprint as Avro 1.12, "Schema Fingerprints", defines it."""
    empty = 0xC15D213AA4D7A795
    fingerprint = empty
    for byte in data:
        entry = (fingerprint ^ byte) & 0xFF
        for _ in range(8):
            entry = (entry >> 1) ^ (empty if entry & 1 else 0)
        fingerprint = (fingerprint >> 8) ^ entry
    return fingerprint


def test_the_schema_can_grow() -> None:
    for version in all_versions():
        for schema in schemas_in(version.definition):
            if isinstance(schema, list):
                assert schema[0] == "null", "a union is [null, X]"
                assert len(schema) == 2
            elif isinstance(schema, dict):
                assert schema["type"] != "enum", "a new symbol breaks old readers"
                if schema["type"] == "record":
                    assert schema.get("doc"), f"{schema['name']} has no doc"
                    assert all("default" in field for field in schema["fields"]), schema["name"]


def schemas_in(schema: Any) -> Iterator[Any]:
    """Yield the schema and all inside it."""
    yield schema
    if isinstance(schema, list):
        inner = schema
    elif isinstance(schema, dict):
        inner = [schema[key] for key in ("items", "values") if key in schema]
        inner += [field["type"] for field in schema.get("fields", ())]
    else:
        inner = []
    for each in inner:
        yield from schemas_in(each)


def test_schema_and_types_agree_field_by_field() -> None:
    assert_agree(current_version().definition, LineageEvent)


def test_routing_is_the_leading_fields() -> None:
    names = [field["name"] for field in current_version().parsed_prefix["fields"]]
    assert names == [field.name for field in dataclasses.fields(Routing)]
    assert names[-1] == Routing.PREFIX_ENDS_WITH


def assert_agree(schema: dict[str, Any], record_type: type[Any]) -> None:
    """Compare names, order, types and defaults of a record with those of a dataclass, and of what it holds."""
    hints = get_type_hints(record_type)
    defaults = dumper(record_type)(record_type())
    names = [field["name"] for field in schema["fields"]]
    assert names == [field.name for field in dataclasses.fields(record_type)], schema["name"]
    for field in schema["fields"]:
        default = field["default"]
        if isinstance(defaults[field["name"]], bytes):
            default = default.encode("latin-1")
        assert defaults[field["name"]] == default, field["name"]
        assert_fits(field["type"], hints[field["name"]], field["name"])


def assert_fits(schema: Any, hint: Any, name: str) -> None:
    """Compare a field's Avro type with its annotation."""
    origin, arguments = get_origin(hint), get_args(hint)
    if isinstance(schema, list):
        assert origin in (Union, UnionType), name
        return assert_fits(schema[1], arguments[0], name)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        return assert_agree(schema, hint)
    if kind == "array":
        assert origin is tuple, name
        return assert_fits(schema["items"], arguments[0], name)
    if kind == "map":
        assert issubclass(origin, Mapping), name
        return assert_fits(schema["values"], arguments[1], name)
    expected = {"string": str, "long": int, "int": int, "double": float, "boolean": bool}.get(kind, bytes)
    assert hint is expected or (expected is str and hasattr(hint, "parse")), name
    return None


@given(events())
def test_a_reader_of_today_reads_what_a_newer_writer_appends_to(event: LineageEvent) -> None:
    today = current_version()
    definition = json.loads(today.text)
    definition["fields"].append({"name": "carbon_grams", "type": ["null", "double"], "default": None})
    definition["fields"].append({"name": "region", "type": "string", "default": ""})
    newer = SchemaVersion(today.number + 1, json.dumps(definition))
    assert newer.fingerprint != today.fingerprint
    buffer = BytesIO()
    written = dumper(LineageEvent)(event) | {"carbon_grams": 1.5, "region": "eu"}
    schemaless_writer(buffer, newer.parsed, written)
    whole = schemaless_reader(BytesIO(buffer.getvalue()), newer.parsed, today.parsed)
    assert loader(LineageEvent)(whole) == event
    prefix = schemaless_reader(BytesIO(buffer.getvalue()), newer.parsed_prefix, today.parsed_prefix)
    assert loader(Routing)(prefix) == Routing(**{f.name: getattr(event, f.name) for f in dataclasses.fields(Routing)})
