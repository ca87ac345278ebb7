"""What MLflow's words become."""

import math
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modeltrail.mlflow.datasets import dataset_note
from modeltrail.mlflow.naming import Naming
from modeltrail.mlflow.observing import Call, observed
from modeltrail.mlflow.runs import metric_fields, parameter_fields, tag_fields
from modeltrail_schemas.names import EntityRef


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("0.10", "0.10"),
        ("1e-05", "1e-05"),
        ("-3", "-3"),
        ("007", '"007"'),
        ("NaN", '"NaN"'),
        ("True", '"True"'),
        ("0.1 ", '"0.1 "'),
        ("", '""'),
    ],
)
def test_a_parameter_spelled_as_a_number_is_that_number_and_anything_else_a_string(text: str, encoded: str) -> None:
    assert parameter_fields({"p": text})["parameters"] == {"p": encoded}


@given(st.floats())
def test_every_metric_value_arrives_as_it_was_logged(value: float) -> None:
    metric = SimpleNamespace(key="m", value=value, step=1, timestamp=2)
    (told,) = metric_fields(Naming(), [metric])["metrics"]
    if abs(value) == sys.float_info.max:
        assert told["value"] == math.copysign(math.inf, value)
    else:
        assert told["value"] == value or (math.isnan(value) and math.isnan(told["value"]))


def test_tags_that_mean_a_typed_field_become_that_field() -> None:
    told = tag_fields({"mlflow.parentRunId": "p", "mlflow.source.git.commit": "c0ffee", "mlflow.note.content": "why"})
    assert told["parent_run_id"] == "p"
    assert told["commit"] == told["code"]["commit"] == "c0ffee"
    assert told["descriptions"] == [{"text": "why"}]
    assert told["tags"] == {}


@given(st.text(), st.text())
def test_a_source_that_is_no_json_still_names_its_dataset(source: str, schema: str) -> None:
    dataset = SimpleNamespace(
        name="tx", digest="ab12", source_type="local", source=source, schema=schema, profile=None
    )
    ref, detail = dataset_note(Naming(), SimpleNamespace(dataset=dataset, tags=[]))
    assert ref == EntityRef("dataset", "mlflow", "tx", "ab12")
    assert detail["strength"] in ("claimed", "provider")


class _Store:
    def outer(self, number: int) -> int:
        return self.inner(number) + 1

    def inner(self, number: int) -> int:
        if number < 0:
            raise ValueError(number)
        return number


def test_a_call_that_another_observed_call_makes_is_told_once_and_a_failed_one_never() -> None:
    seen: list[tuple[str, object, object]] = []

    def observer(call: Call[list[tuple[str, object, object]]]) -> None:
        call.witness.append(("seen", call["number"], call.result))

    store = observed(_Store(), {"outer": observer, "inner": observer, "absent": observer}, seen, reopen=(_Store, ()))
    assert isinstance(store, _Store)
    assert store.outer(1) == 2
    assert store.inner(number=5) == 5
    with pytest.raises(ValueError, match="-1"):
        store.inner(-1)
    assert seen == [("seen", 1, 2), ("seen", 5, 5)]


def test_an_observer_that_fails_costs_the_caller_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODELTRAIL_STRICT", raising=False)

    def observer(call: Call[None]) -> None:
        raise RuntimeError("a bug of ours")

    store = observed(_Store(), {"inner": observer}, None, reopen=(_Store, ()))
    assert store.inner(3) == 3
