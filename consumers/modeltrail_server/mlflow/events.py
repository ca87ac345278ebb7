"""MLflow's entities as the events of an import. Pure.

An event's id is the hash of what it says, without the address it was read from: the same run read twice, through the
database or through a server, is the same events. What a later import finds changed is said by further events.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from modeltrail.declarations import description
from modeltrail.mlflow.models import (
    NO_STAGE,
    alias_note,
    described_model_note,
    described_models,
    logged_model_note,
    stage_note,
    version_notes,
    words_note,
)
from modeltrail.mlflow.naming import Naming
from modeltrail.mlflow.runs import (
    LOGGED_MODELS_TAG,
    NS_PER_MS,
    input_fields,
    metric_fields,
    parameter_fields,
    run_ended,
    run_started,
    running,
)
from modeltrail.notes import Note, event_of
from modeltrail_schemas.event import Environment, LineageEvent
from modeltrail_schemas.identity import hashed_id
from modeltrail_schemas.names import EntityRef

MetricKey = tuple[str, int, int, str]

IMPORTED_FROM = "mlflow"
MAX_METRICS_PER_EVENT = 2_000
MAX_PARAMETERS_PER_EVENT = 100
MAX_INPUTS_PER_EVENT = 100
_UNKNOWN_TIME = "MLflow keeps no time of aliases: not before the version, not after the import"


@dataclass(frozen=True, slots=True)
class Piece:
    """Something of MLflow's that is imported as one: ``unit`` names it, ``value`` tells its states apart."""

    unit: str
    value: str
    events: tuple[LineageEvent, ...] = field(repr=False)


@dataclass(slots=True)
class ToldByModels:
    """What the logged models of a run tell of it: its environment, and the dataset that a metric was measured on.

    MLflow keeps the dataset of a metric with the model only. ``measured_on``: a metric's key to name and digest.
    """

    environment: Environment | None = None
    measured_on: dict[MetricKey, tuple[str, str]] = field(default_factory=dict)


NOTHING_TOLD = ToldByModels()


def metric_key(metric: Any) -> MetricKey:
    """Return what tells one value of a run's metric from another; its spelling, for NaN equals nothing."""
    return metric.key, metric.step, metric.timestamp, repr(metric.value)


def run_piece(
    naming: Naming, run: Any, experiment_name: str, used_models: Sequence[EntityRef], told: ToldByModels
) -> Piece:
    """Return a run (MLflow ``Run``) without its metrics; ``value`` depends on the last value of each of them too."""
    events = tuple(
        event_from(note) for note in _run_notes(naming, run, experiment_name, used_models, told.environment)
    )
    digest = sha256(b"".join(event.event_id for event in events))
    for name, value in sorted(run.data.metrics.items()):
        digest.update(f"{name}\0{value!r}\0".encode("utf-8", "surrogatepass"))
    for last in sorted(getattr(run.data, "_metric_objs", ()), key=lambda metric: str(metric.key)):
        digest.update(f"{last.key}\0{last.step}\0{last.timestamp}\0".encode("utf-8", "surrogatepass"))
    for (name, step, time_ms, _), dataset in sorted(told.measured_on.items()):
        digest.update(f"{name}\0{step}\0{time_ms}\0{dataset}\0".encode("utf-8", "surrogatepass"))
    return Piece(f"run:{run.info.run_id}", digest.hexdigest(), events)


def metric_events(
    naming: Naming, run_id: str, series: Iterable[Sequence[Any]], told: ToldByModels = NOTHING_TOLD
) -> Iterator[LineageEvent]:
    """Yield the whole series of a run's metrics, each a sequence of MLflow ``Metric``, at most so many an event.

    Short series share an event; a long one has events of its own, in the order of time, so that of two values for
    one step the later stands.
    """
    shared: list[Any] = []
    for values in series:
        ordered = sorted(values, key=lambda metric: (metric.timestamp, metric.step, metric.value))
        if len(shared) + len(ordered) > MAX_METRICS_PER_EVENT:
            yield from _metric_event(naming, run_id, shared, told)
            shared = []
        if len(ordered) > MAX_METRICS_PER_EVENT:
            for part in _parts(ordered, MAX_METRICS_PER_EVENT):
                yield from _metric_event(naming, run_id, part, told)
        else:
            shared += ordered
    yield from _metric_event(naming, run_id, shared, told)


def logged_model_piece(naming: Naming, model: Any, experiment_name: str) -> Piece | None:
    """Return a logged model; None while it is not ready."""
    note = logged_model_note(naming, model, experiment_name)
    return None if note is None else _piece(f"model:{model.model_id}", [note])


def version_pieces(naming: Naming, version: Any, known: Mapping[str, str]) -> Iterator[Piece]:
    """Yield a registered version, its description and its stage. ``known`` is what earlier imports told of units."""
    name, number = version.name, str(version.version)
    yield _piece(f"version:{number}:{name}", list(version_notes(naming, version)))
    changed = {"event_time_ns": (version.last_updated_timestamp or version.creation_timestamp or 0) * NS_PER_MS}
    if version.description:
        unit = f"words:{number}:{name}"
        yield _piece(unit, [words_note(naming, name, number, version.description) | changed], version.description)
    unit, stage = f"stage:{number}:{name}", version.current_stage or NO_STAGE
    if stage != NO_STAGE or known.get(unit, NO_STAGE) != NO_STAGE:
        yield _piece(unit, [stage_note(naming, name, number, stage) | changed], stage)


def alias_pieces(
    naming: Naming, model: Any, created_ns: Mapping[str, int], known: Mapping[str, str], now_ns: int
) -> Iterator[Piece]:
    """Yield the description and the aliases of a registered model, and the aliases that an import saw and are gone.

    MLflow does not keep when an alias was given. One that is seen first counts from the creation of its version
    (``created_ns``); one that earlier imports saw on another version has moved between then and now, and counts
    from now.
    """
    name = model.name
    if model.description:
        time_ns = (model.last_updated_timestamp or model.creation_timestamp or 0) * NS_PER_MS
        note = words_note(naming, name, "", model.description) | {"event_time_ns": time_ns}
        yield _piece(f"words::{name}", [note], model.description)
    aliases = {str(alias): str(version) for alias, version in dict(model.aliases or {}).items()}
    for alias, number in sorted(aliases.items()):
        moved = known.get(alias_unit(name, alias), number) != number
        time_ns = now_ns if moved else created_ns.get(number, (model.creation_timestamp or 0) * NS_PER_MS)
        note = alias_note(naming, name, number, alias, why=_UNKNOWN_TIME) | {"event_time_ns": time_ns}
        yield _piece(alias_unit(name, alias), [note], number)
    prefix = alias_unit(name, "")
    for unit, number in sorted(known.items()):
        if unit.startswith(prefix) and number and (alias := unit.removeprefix(prefix)) not in aliases:
            note = alias_note(naming, name, "", alias, why=_UNKNOWN_TIME) | {"event_time_ns": now_ns}
            yield _piece(unit, [note], "")


def alias_unit(model_name: str, alias: str) -> str:
    """Return the unit of an alias; with an empty alias, how all units of the model's aliases begin."""
    return f"alias:{len(model_name)}:{model_name}:{alias}"


def job_piece(naming: Naming, experiment: Any, text: str) -> Piece:
    """Return the description of an experiment."""
    time_ns = (experiment.last_update_time or experiment.creation_time or 0) * NS_PER_MS
    note = description(naming.job(experiment.name).ref, text, ()) | {"event_time_ns": time_ns}
    return _piece(f"experiment:{experiment.experiment_id}", [note], text)


def event_from(note: Mapping[str, Any]) -> LineageEvent:
    """Return the imported event that ``note`` is, under the id of what it says. Raises InvalidEventError."""
    said = json.dumps(note, sort_keys=True, separators=(",", ":")).encode("ascii")
    event_id = hashed_id(b"modeltrail-mlflow-import\0" + said)
    event = event_of([Note(dict(note), len(said))], lambda _: event_id)
    return replace(event, producer=IMPORTED_FROM, imported_from=IMPORTED_FROM)


def _run_notes(
    naming: Naming, run: Any, experiment_name: str, used_models: Sequence[EntityRef], environment: Environment | None
) -> Iterator[dict[str, Any]]:
    info = run.info
    start = {"event_time_ns": (info.start_time or 0) * NS_PER_MS}
    yield run_started(naming, run, experiment_name)
    for parameters in _parts(sorted(run.data.params.items()), MAX_PARAMETERS_PER_EVENT):
        yield running(info.run_id, parameter_fields(dict(parameters))) | start
    inputs = getattr(run, "inputs", None)
    datasets = sorted(
        getattr(inputs, "dataset_inputs", ()), key=lambda given: (given.dataset.name, given.dataset.digest)
    )
    for some in _parts(datasets, MAX_INPUTS_PER_EVENT):
        yield running(info.run_id, input_fields(naming, some)) | start
    if used_models:
        yield running(info.run_id, input_fields(naming, (), sorted(used_models, key=str))) | start
    for described in described_models(run.data.tags.get(LOGGED_MODELS_TAG, "")):
        note = described_model_note(naming, described, info.run_id, experiment_name)
        if note is not None:
            yield note | start
    if environment is not None:
        described_environment = {
            "digest": environment.digest,
            "python": environment.python,
            "packages": dict(environment.packages),
        }
        fields = {"environment_digest": environment.digest, "environment": described_environment}
        yield running(info.run_id, fields) | start
    ended = run_ended(info)
    if ended is not None:
        yield ended


def _metric_event(naming: Naming, run_id: str, metrics: Sequence[Any], told: ToldByModels) -> Iterator[LineageEvent]:
    if metrics:
        first_ms = min(metric.timestamp or 0 for metric in metrics)
        note = running(
            run_id, metric_fields(naming, metrics, lambda metric: told.measured_on.get(metric_key(metric)))
        ) | {"event_time_ns": first_ms * NS_PER_MS}
        yield event_from(note)


def _piece(unit: str, notes: Sequence[Mapping[str, Any]], value: str | None = None) -> Piece:
    events = tuple(event_from(note) for note in notes)
    return Piece(unit, b"".join(event.event_id for event in events).hex() if value is None else value, events)


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
