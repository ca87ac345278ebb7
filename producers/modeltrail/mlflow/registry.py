"""What is recorded of the calls on MLflow's model registry: versions, stages, aliases, descriptions."""

from collections.abc import Mapping

from modeltrail.mlflow.lineage import Lineage, user
from modeltrail.mlflow.models import (
    alias_note,
    is_prompt,
    logged_model_id,
    retired_note,
    stage_note,
    version_notes,
    words_note,
)
from modeltrail.mlflow.observing import Call, Observer

Witnessed = Call[Lineage]


def _version_created(call: Witnessed) -> None:
    version = call.result
    if is_prompt(version):
        return
    for note in version_notes(call.witness.naming, version, by=user()):
        call.witness.emit(note, durable=True)
    ref = call.witness.naming.registered_model(version.name, str(version.version))
    call.witness.hash_model(version.run_id or "", ref, call.witness.location(logged_model_id(version)))
    if version.description:
        call.witness.emit(words_note(call.witness.naming, version.name, version.version, version.description))


def _stage_given(call: Witnessed) -> None:
    version = call.result
    stage = version.current_stage
    call.witness.emit(stage_note(call.witness.naming, version.name, version.version, stage, by=user()), durable=True)


def _alias_given(call: Witnessed) -> None:
    note = alias_note(call.witness.naming, call["name"], call["version"], call["alias"], by=user())
    call.witness.emit(note, durable=True)


def _alias_taken(call: Witnessed) -> None:
    call.witness.emit(alias_note(call.witness.naming, call["name"], "", call["alias"], by=user()), durable=True)


def _version_deleted(call: Witnessed) -> None:
    call.witness.emit(retired_note(call.witness.naming, call["name"], call["version"], by=user()), durable=True)


def _version_described(call: Witnessed) -> None:
    call.witness.emit(words_note(call.witness.naming, call["name"], call["version"], call["description"] or ""))


def _model_described(call: Witnessed) -> None:
    if not is_prompt(call.result):
        call.witness.emit(words_note(call.witness.naming, call["name"], "", call["description"] or ""))


OBSERVERS: Mapping[str, Observer[Lineage]] = {
    "create_model_version": _version_created,
    "transition_model_version_stage": _stage_given,
    "set_registered_model_alias": _alias_given,
    "delete_registered_model_alias": _alias_taken,
    "delete_model_version": _version_deleted,
    "update_model_version": _version_described,
    "update_registered_model": _model_described,
}
