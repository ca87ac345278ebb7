"""What MLflow says of a run, as notes. Pure: it reads MLflow's entities by their attributes and imports no MLflow.

MLflow's times are milliseconds since 1970, here nanoseconds. MLflow keeps every parameter as text: one that is
spelled as a JSON number becomes that number, spelled the same, and any other a string.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from modeltrail_schemas.event import Kind, RunState
from modeltrail_schemas.names import EntityRef

from modeltrail.mlflow.datasets import dataset_note
from modeltrail.mlflow.naming import Naming
from modeltrail.parameters import encode_parameter, seeds_among
from modeltrail.redaction import redact_text, redact_value

Note = dict[str, Any]

NS_PER_MS = 1_000_000
MAX_TAG_CHARACTERS = 8_192
DESCRIPTION_TAG = "mlflow.note.content"
LOGGED_MODELS_TAG = "mlflow.log-model.history"
LIFECYCLE_TAG = "mlflow.lifecycleStage"
RUN_NAME_TAG = "mlflow.runName"
_PARENT_TAG = "mlflow.parentRunId"
_COMMIT_TAG = "mlflow.source.git.commit"
_BRANCH_TAG = "mlflow.source.git.branch"
_REPOSITORY_TAG = "mlflow.source.git.repoURL"
_SOURCE_TAG = "mlflow.source.name"
_CODE_TAGS = frozenset({_COMMIT_TAG, _BRANCH_TAG, _REPOSITORY_TAG})
_SAID_ELSEWHERE = _CODE_TAGS | {DESCRIPTION_TAG, LOGGED_MODELS_TAG, "mlflow.loggedArtifacts", _PARENT_TAG}
_STATES = {"FINISHED": RunState.COMPLETE, "FAILED": RunState.FAIL, "KILLED": RunState.ABORT}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,31})(?:\.\d{1,32})?(?:[eE][+-]?\d{1,3})?")


def running(run_id: str, fields: Mapping[str, Any]) -> Note:
    """Return the note that adds ``fields`` to a run; what is empty in them is left out."""
    base = {"kind": Kind.RUN.value, "type": RunState.RUNNING.value, "run_id": run_id}
    return base | {name: value for name, value in fields.items() if value}


def run_started(naming: Naming, run: Any, experiment_name: str) -> Note:
    """Return the note that starts ``run`` (an MLflow ``Run``), at MLflow's time, with the tags it has by now."""
    info = run.info
    tags = dict(run.data.tags)
    if getattr(info, "run_name", None):
        tags.setdefault(RUN_NAME_TAG, info.run_name)
    if info.lifecycle_stage == "deleted":
        tags[LIFECYCLE_TAG] = "deleted"
    note = running(info.run_id, tag_fields(tags))
    note |= {"type": RunState.START.value, "event_time_ns": (info.start_time or 0) * NS_PER_MS}
    return note | ({"job": naming.job(experiment_name).format()} if experiment_name else {})


def run_ended(info: Any) -> Note | None:
    """Return the note that ends the run of ``info`` (an MLflow ``RunInfo``), at MLflow's time; None while it runs."""
    state = _STATES.get(info.status)
    if state is None:
        return None
    time_ms = info.end_time or info.start_time or 0
    return running(info.run_id, {}) | {"type": state.value, "event_time_ns": time_ms * NS_PER_MS}


def parameter_fields(parameters: Mapping[str, str]) -> Note:
    """Return parameters, and those of them that are seeds."""
    encoded: dict[str, str] = {}
    redactions = 0
    for name, value in parameters.items():
        encoded[name], found = encode_parameter(name, value)
        redactions += found
        if not found and _NUMBER.fullmatch(value):
            encoded[name] = value
    seeds = {name: text for name, text in seeds_among(encoded).items() if _NUMBER.fullmatch(text)}
    return {"parameters": encoded, "seeds": seeds, "redactions": redactions}


def dataset_named_by(metric: Any) -> tuple[str, str] | None:
    """Return name and digest of the dataset that a metric itself names; None where it names none."""
    name = getattr(metric, "dataset_name", None)
    return (name, getattr(metric, "dataset_digest", None) or "") if name else None


def metric_fields(
    naming: Naming, metrics: Iterable[Any], measured_on: Callable[[Any], tuple[str, str] | None] = dataset_named_by
) -> Note:
    """Return metrics (MLflow ``Metric`` values), each on the dataset (name, digest) that ``measured_on`` tells."""
    return {"metrics": [_metric(naming, metric, measured_on(metric)) for metric in metrics]}


def tag_fields(tags: Mapping[str, str]) -> Note:
    """Return tags, and what MLflow says by tags: the parent run, the code, the description."""
    kept: dict[str, str] = {}
    redactions = 0
    for name, value in tags.items():
        if name not in _SAID_ELSEWHERE:
            kept[name], found = redact_value(name, str(value)[:MAX_TAG_CHARACTERS])
            redactions += found
    note: Note = {"tags": kept, "parent_run_id": tags.get(_PARENT_TAG, "")}
    if commit := tags.get(_COMMIT_TAG, ""):
        repository, found = redact_text(tags.get(_REPOSITORY_TAG, ""))
        redactions += found
        code = {"commit": commit, "repository": repository, "branch": tags.get(_BRANCH_TAG, "")}
        code["entry_point"] = kept.get(_SOURCE_TAG, "")
        note |= {"commit": commit, "code": {name: value for name, value in code.items() if value}}
    if text := tags.get(DESCRIPTION_TAG, ""):
        clean, found = redact_text(text)
        redactions += found
        note["descriptions"] = [{"text": clean}]
    return note | {"redactions": redactions}


def input_fields(naming: Naming, datasets: Iterable[Any], models: Sequence[EntityRef] = ()) -> Note:
    """Return what a run read: ``datasets`` (MLflow ``DatasetInput`` values) and models."""
    notes = [dataset_note(naming, given) for given in datasets]
    return {
        "inputs": [*(ref.format() for ref, _ in notes), *(model.format() for model in models)],
        "datasets": [detail for _, detail in notes],
    }


def _metric(naming: Naming, metric: Any, dataset: tuple[str, str] | None) -> Note:
    told = {
        "name": metric.key,
        "value": _value(metric.value),
        "step": int(metric.step or 0),
        "time_ns": int(metric.timestamp or 0) * NS_PER_MS,
    }
    return told | ({"dataset": naming.dataset(*dataset).format()} if dataset else {})


def _value(value: float) -> float:
    """Return the value that was logged: MLflow's SQL stores keep an infinity as the largest float."""
    number = float(value)
    return number * 2 if abs(number) == sys.float_info.max else number
