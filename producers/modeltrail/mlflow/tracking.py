"""What is recorded of the calls on MLflow's tracking store: one observer for each call that tells of lineage.

MLflow's client, its fluent calls and its autologging all end in these.
"""

from collections.abc import Mapping
from typing import Any

from modeltrail_schemas.names import EntityRef

from modeltrail.mlflow.lineage import Lineage
from modeltrail.mlflow.models import described_model_note, logged_model_note
from modeltrail.mlflow.observing import Call, Observer
from modeltrail.mlflow.runs import (
    LIFECYCLE_TAG,
    RUN_NAME_TAG,
    input_fields,
    metric_fields,
    parameter_fields,
    run_ended,
    run_started,
    running,
    tag_fields,
)

Witnessed = Call[Lineage]


def _experiment_created(call: Witnessed) -> None:
    call.witness.remember_experiment(call.result, call["name"])


def _experiment_read(call: Witnessed) -> None:
    if call.result is not None:
        call.witness.remember_experiment(call.result.experiment_id, call.result.name)


def _run_created(call: Witnessed) -> None:
    run = call.result
    call.witness.start(run_started(call.witness.naming, run, _experiment_name(call, run.info.experiment_id)))


def _run_updated(call: Witnessed) -> None:
    if call["run_name"]:
        _add(call, tag_fields({RUN_NAME_TAG: call["run_name"]}))
    ended = run_ended(call.result) if call["run_status"] is not None else None
    if ended is not None:
        call.witness.emit(ended, durable=True)


def _metric_logged(call: Witnessed) -> None:
    _add(call, metric_fields(call.witness.naming, [call["metric"]]))


def _parameter_logged(call: Witnessed) -> None:
    _add(call, parameter_fields({call["param"].key: call["param"].value}))


def _tag_set(call: Witnessed) -> None:
    _add(call, tag_fields({call["tag"].key: call["tag"].value}))


def _batch_logged(call: Witnessed) -> None:
    if parameters := call["params"]:
        _add(call, parameter_fields({given.key: given.value for given in parameters}))
    if metrics := call["metrics"]:
        _add(call, metric_fields(call.witness.naming, metrics))
    if tags := call["tags"]:
        _add(call, tag_fields({given.key: given.value for given in tags}))


def _inputs_logged(call: Witnessed) -> None:
    models = [_model(call, given.model_id) for given in call["models"] or ()]
    _add(call, input_fields(call.witness.naming, call["datasets"] or (), models))


def _outputs_logged(call: Witnessed) -> None:
    _add(call, {"outputs": [_model(call, given.model_id).format() for given in call["models"] or ()]})


def _model_created(call: Witnessed) -> None:
    call.witness.remember_model(call.result.model_id, *_whereabouts(call, call.result))


def _model_finalized(call: Witnessed) -> None:
    model = call.result
    note = logged_model_note(call.witness.naming, model, _experiment_name(call, model.experiment_id))
    if note is not None:
        call.witness.emit(note)
        ref, location = _whereabouts(call, model)
        call.witness.remember_model(model.model_id, ref, location)
        call.witness.hash_model(model.source_run_id or "", ref, location)


def _model_described(call: Witnessed) -> None:
    run_id, described = call["run_id"], call["mlflow_model"].to_dict()
    experiment_id = call.target.get_run(run_id).info.experiment_id if not described.get("model_id") else ""
    name = _experiment_name(call, experiment_id) if experiment_id else ""
    note = described_model_note(call.witness.naming, described, run_id, name)
    if note is not None:
        call.witness.emit(note)


def _run_deleted(call: Witnessed) -> None:
    _add(call, {"tags": {LIFECYCLE_TAG: "deleted"}})


def _run_restored(call: Witnessed) -> None:
    _add(call, {"tags": {LIFECYCLE_TAG: "active"}})


def _add(call: Witnessed, fields: Mapping[str, Any]) -> None:
    call.witness.emit(running(call["run_id"], fields))


def _experiment_name(call: Witnessed, experiment_id: str) -> str:
    return call.witness.experiment_name(experiment_id, call.target.get_experiment)


def _model(call: Witnessed, model_id: str) -> EntityRef:
    return call.witness.model(model_id, lambda sought: _whereabouts(call, call.target.get_logged_model(sought)))


def _whereabouts(call: Witnessed, model: Any) -> tuple[EntityRef, str]:
    experiment = _experiment_name(call, model.experiment_id)
    return call.witness.naming.logged_model(experiment, model.name, model.model_id), model.artifact_location


OBSERVERS: Mapping[str, Observer[Lineage]] = {
    "create_experiment": _experiment_created,
    "get_experiment": _experiment_read,
    "get_experiment_by_name": _experiment_read,
    "create_run": _run_created,
    "update_run_info": _run_updated,
    "log_metric": _metric_logged,
    "log_param": _parameter_logged,
    "set_tag": _tag_set,
    "log_batch": _batch_logged,
    # MLflow's queue keeps the store's own log_batch, from before it was observed: what it takes is told here.
    "log_batch_async": _batch_logged,
    "log_inputs": _inputs_logged,
    "log_outputs": _outputs_logged,
    "create_logged_model": _model_created,
    "finalize_logged_model": _model_finalized,
    "record_logged_model": _model_described,
    "delete_run": _run_deleted,
    "restore_run": _run_restored,
}
