"""Names as values and as text."""

import pytest
from hypothesis import given
from modeltrail_schemas.names import NO_ENTITY, NO_JOB, EntityRef, JobName, display_name, parse_name
from modeltrail_schemas.surrogates import encodable
from schemas.strategies import ANY_TEXT, jobs, refs


@given(refs)
def test_a_reference_survives_its_text_form_whatever_its_parts_hold(ref: EntityRef) -> None:
    assert EntityRef.parse(ref.format()) == ref
    ref.format().encode()


@given(jobs)
def test_a_job_survives_its_text_form_whatever_its_parts_hold(job: JobName) -> None:
    assert JobName.parse(job.format()) == job
    job.format().encode()


def test_nothing_is_the_empty_text() -> None:
    assert NO_ENTITY.format() == NO_JOB.format() == ""
    assert EntityRef.parse("") is NO_ENTITY
    assert JobName.parse("") is NO_JOB


def test_the_text_form_reads_as_people_write_it() -> None:
    ref = EntityRef("dataset", "risk", "tx", "delta:412", "sha256:3f9c", "train")
    assert ref.format() == "dataset:risk/tx@delta:412?digest=sha256:3f9c&role=train"
    assert EntityRef("dataset", "s3://bucket", "a/b").format() == "dataset:s3://bucket/a/b"


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("dataset:s3://bucket/a/b@v1", EntityRef("dataset", "s3://bucket", "a/b", "v1")),
        ("dataset:risk/a/b@v1@v2", EntityRef("dataset", "risk", "a/b", "v1@v2")),
        ("model:risk/fraud?role=base&new=thing", EntityRef("model", "risk", "fraud", role="base")),
    ],
)
def test_reading_is_lenient_where_nothing_is_lost(text: str, ref: EntityRef) -> None:
    assert EntityRef.parse(text) == ref


@pytest.mark.parametrize("text", ["fraud", "model:fraud", "risk/fraud", "model:risk/%FF"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"reference|decode"):
        EntityRef.parse(text)


def test_a_person_may_leave_the_namespace_out() -> None:
    ref = parse_name("fraud@1.2", kind="model")
    assert ref == EntityRef("model", "default", "fraud", "1.2")
    assert display_name(ref) == "fraud@1.2"
    assert display_name(EntityRef("model", "risk", "fraud")) == "risk/fraud"
    with pytest.raises(ValueError, match="no name"):
        parse_name("risk/", kind="model")


@given(ANY_TEXT, ANY_TEXT)
def test_whatever_a_person_writes_is_read_and_what_it_means_is_written_so_that_it_is_read_again(
    path: str, version: str
) -> None:
    ref = parse_name(f"risk/x{path}@{version}", kind="model")
    assert parse_name(display_name(ref), kind="model") == ref


@pytest.mark.parametrize("percent", ["100%", "%zz", "%FF", "50%ab", "%\ud800"])
def test_a_percent_sign_that_encodes_nothing_stands_for_itself(percent: str) -> None:
    assert parse_name(f"risk/{percent}@{percent}", kind="model") == EntityRef("model", "risk", percent, percent)
    assert parse_name("risk/%e2%82%ac", kind="model").name == "€"


@given(ANY_TEXT)
def test_any_text_can_be_made_one_that_utf8_carries_and_stays_then(text: str) -> None:
    carried = encodable(text)
    carried.encode()
    assert encodable(carried) == carried
    assert (carried == text) == (not any(0xD800 <= ord(character) <= 0xDFFF for character in text))
