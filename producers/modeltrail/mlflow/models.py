"""What MLflow says of models: logged models, and versions in its registry with their stages and aliases. Pure."""

import json
import re
from collections.abc import Iterator
from typing import Any

from modeltrail_schemas.event import Declaration, Kind, Strength
from modeltrail_schemas.names import EntityRef

from modeltrail.declarations import declaration, description
from modeltrail.mlflow.naming import Naming
from modeltrail.mlflow.runs import NS_PER_MS, Note, running
from modeltrail.redaction import redact_text

PROMPT_TAG = "mlflow.prompt.is_prompt"
NO_STAGE = "None"
READY = "READY"
_LOGGED_MODEL_URI = re.compile(r"models:/(m-[0-9a-f]{32})")


def logged_model_note(naming: Naming, model: Any, experiment_name: str) -> Note | None:
    """Return the note about a logged model (MLflow 3): an output of its run, or a model that no run made.

    None until it is ready: what was never finished was never made.
    """
    if str(model.status) != READY:
        return None
    ref = naming.logged_model(experiment_name, model.name, model.model_id)
    detail = _detail(ref, model.artifact_location, model.model_type or "")
    return _made(ref, detail, model.source_run_id, model.creation_timestamp)


def described_model_note(naming: Naming, described: Any, run_id: str, experiment_name: str) -> Note | None:
    """Return the note about a model as MLflow 2 describes it, by the dictionary of its MLmodel file.

    None where it is a logged model of MLflow 3, which says more for itself.
    """
    if not isinstance(described, dict) or described.get("model_id") or not described.get("artifact_path"):
        return None
    path = str(described["artifact_path"])
    version = str(described.get("model_uuid") or f"run-{run_id}")
    ref = naming.logged_model(experiment_name, path, version)
    flavors = described.get("flavors")
    named = [name for name in flavors if name != "python_function"] if isinstance(flavors, dict) else []
    detail = _detail(ref, f"runs:/{run_id}/{path}", named[0] if named else "")
    return running(run_id, {"outputs": [ref.format()], "models": [detail]})


def described_models(history: str) -> list[Any]:
    """Return what the tag ``mlflow.log-model.history`` lists; nothing where it is no list."""
    try:
        found = json.loads(history or "[]")
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def is_prompt(entity: Any) -> bool:
    """Return whether a registered model, or a version, is a prompt: MLflow keeps prompts in the same registry."""
    return str((getattr(entity, "tags", None) or {}).get(PROMPT_TAG, "")).lower() == "true"


def logged_model_id(version: Any) -> str:
    """Return the id of the logged model that a registered version is; empty where it is none."""
    found = _LOGGED_MODEL_URI.fullmatch(version.source or "")
    return getattr(version, "model_id", None) or (found[1] if found else "")


def version_notes(naming: Naming, version: Any, by: str = "") -> Iterator[Note]:
    """Yield that a run made a version of a registered model (an MLflow ``ModelVersion``), and its registration."""
    ref = naming.registered_model(version.name, str(version.version))
    detail = _detail(ref, version.source or "", "")
    time = {"event_time_ns": (version.creation_timestamp or 0) * NS_PER_MS}
    if version.run_id:
        yield running(version.run_id, {"outputs": [ref.format()], "models": [detail]}) | time
    registered = declaration(Declaration.REGISTERED, ref, by=version.user_id or by)
    yield registered | {"models": [detail]} | time


def stage_note(naming: Naming, name: str, version: str, stage: str, *, by: str = "", why: str = "") -> Note:
    """Return that a version is in a stage; ``None`` is MLflow's word for no stage."""
    return declaration(Declaration.STAGED, naming.registered_model(name, str(version)), by=by, why=why, stage=stage)


def alias_note(naming: Naming, name: str, version: str, alias: str, *, by: str = "", why: str = "") -> Note:
    """Return that an alias means a version, or with an empty ``version`` that it means none any more."""
    return declaration(Declaration.ALIASED, naming.registered_model(name, str(version)), by=by, why=why, alias=alias)


def retired_note(naming: Naming, name: str, version: str, *, by: str = "") -> Note:
    """Return that a version was deleted from MLflow's registry."""
    ref = naming.registered_model(name, str(version))
    return declaration(Declaration.RETIRED, ref, by=by, why="deleted from the MLflow registry")


def words_note(naming: Naming, name: str, version: str, text: str) -> Note:
    """Return the description of a registered model, or of a version of it."""
    return description(naming.registered_model(name, str(version)), text, ())


def _detail(ref: EntityRef, location: str, framework: str) -> Note:
    place, _ = redact_text(location)
    detail = {"entity": ref.format(), "strength": Strength.PROVIDER.value, "location": place, "framework": framework}
    return {name: value for name, value in detail.items() if value}


def _made(ref: EntityRef, detail: Note, run_id: str | None, time_ms: int) -> Note:
    time = {"event_time_ns": time_ms * NS_PER_MS}
    if run_id:
        return running(run_id, {"outputs": [ref.format()], "models": [detail]}) | time
    return {
        "kind": Kind.MODEL.value,
        "type": Declaration.DESCRIBED.value,
        "subjects": [ref.format()],
        "models": [detail],
    } | time
