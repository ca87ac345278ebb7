"""The identity of data in memory is its content: each change changes it, each equal copy keeps it."""

import pytest
from modeltrail.datasets.frames import identify_frame
from modeltrail_schemas.event import Field, Strength

pandas = pytest.importorskip("pandas")
numpy = pytest.importorskip("numpy")


def identify(data):
    return identify_frame(data, out_of_time=lambda: False)


def frame(**columns):
    return pandas.DataFrame(columns or {"a": [1, 2, 3], "b": ["x", "y", None]})


def test_a_frame_is_its_rows_columns_types_and_index() -> None:
    identity = identify(frame())
    assert identity.digest.startswith("pandas:")
    assert (identity.rows, identity.strength) == (3, Strength.CONTENT)
    assert identity.fields[0] == Field("a", "int64")
    assert identify(frame()) == identity
    others = [
        frame().rename(columns={"a": "c"}), frame().astype({"a": "float64"}), frame().iloc[::-1], frame().iloc[:2],
        frame().set_index(pandas.Index([5, 6, 7])), frame()[["b", "a"]], frame(a=[1, 2, 4], b=["x", "y", None]),
    ]  # fmt: skip
    digests = {identify(other).digest for other in others}
    assert len(digests | {identity.digest}) == len(others) + 1


def test_a_frame_hashed_in_steps_has_the_digest_of_one_hashed_at_once(monkeypatch) -> None:
    whole = identify(frame())
    monkeypatch.setattr("modeltrail.datasets.frames.CELLS_PER_STEP", 2)
    assert identify(frame()) == whole


def test_a_frame_over_budget_or_with_cells_that_have_no_hash_keeps_rows_and_fields() -> None:
    for identity in (
        identify_frame(frame(), out_of_time=lambda: True),
        identify(frame(a=[[1], {2: 3}, [4]])),
    ):
        assert (identity.digest, identity.strength, identity.rows) == ("", Strength.NONE, 3)


def test_an_array_is_its_type_shape_and_values_however_it_lies_in_memory() -> None:
    array = numpy.arange(12).reshape(3, 4)
    identity = identify(array)
    assert identity.digest.startswith("numpy:")
    assert identity.rows == 3
    assert identify(numpy.asfortranarray(array)) == identity
    others = [array.reshape(4, 3), array + 1, array.astype("float64")]
    assert len({identify(other).digest for other in others} | {identity.digest}) == 4


def test_a_series_is_a_frame_and_other_types_are_nothing() -> None:
    assert identify(pandas.Series([1, 2], name="a")) == identify(frame(a=[1, 2]))
    assert identify([1, 2]) is None
    assert identify(numpy.array([object()])).strength == Strength.NONE
