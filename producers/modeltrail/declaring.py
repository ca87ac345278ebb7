"""The calls by which people declare what no run does: the life of a model version, descriptions, corrections.

They need no active run, and are kept durably before they return. ``by`` is the user of this process unless given.
"""

import getpass
from collections.abc import Mapping, Sequence
from typing import Any

from modeltrail_schemas.event import Declaration
from modeltrail_schemas.identity import canonical_run_id
from modeltrail_schemas.names import EntityRef

from modeltrail.active import PROCESS
from modeltrail.declarations import declaration, description, run_declaration
from modeltrail.guard import misuse, never_raises, nothing
from modeltrail.handles import Handle, ref_of
from modeltrail.parameters import encode_parameters
from modeltrail.run import Run

Thing = Handle | EntityRef | str
_NO_VALUES: Mapping[str, Any] = {}


@never_raises(nothing)
def register_model_version(model: Thing, *, by: str = "", why: str = "") -> None:
    """Declare that a model version is registered: offered to others under its name."""
    _declare(Declaration.REGISTERED, _version_of(model), by=by, why=why)


@never_raises(nothing)
def alias_model_version(model: Thing, alias: str, *, by: str = "", why: str = "") -> None:
    """Declare that ``alias`` (``production``, ``champion``) now means this version of the model."""
    if not alias:
        misuse("an alias cannot be empty")
    _declare(Declaration.ALIASED, _version_of(model), by=by, why=why, alias=alias)


@never_raises(nothing)
def stage_model_version(model: Thing, stage: str, *, by: str = "", why: str = "") -> None:
    """Declare that a model version is in a stage of its life (``staging``, ``production``)."""
    _declare(Declaration.STAGED, _version_of(model), by=by, why=why, stage=stage)


@never_raises(nothing)
def approve_model_version(model: Thing, *, by: str = "", why: str = "") -> None:
    """Declare that a model version is approved."""
    _declare(Declaration.APPROVED, _version_of(model), by=by, why=why)


@never_raises(nothing)
def deploy_model_version(model: Thing, *, target: str, by: str = "", why: str = "") -> None:
    """Declare that a model version is deployed at ``target``, such as ``eu-west/api``."""
    _declare(Declaration.DEPLOYED, _version_of(model), by=by, why=why, target=target)


@never_raises(nothing)
def retire_model_version(model: Thing, *, target: str = "", by: str = "", why: str = "") -> None:
    """Declare that a model version is no longer deployed: at ``target``, or anywhere."""
    _declare(Declaration.RETIRED, _version_of(model), by=by, why=why, target=target)


@never_raises(nothing)
def retract_dataset(dataset: Thing, *, why: str, by: str = "") -> None:
    """Declare that a dataset, or one version of it, must not be relied on; nothing is deleted."""
    _declare(Declaration.RETRACTED, ref_of(dataset, "dataset"), by=by, why=why)


@never_raises(nothing)
def describe(entity: Thing, text: str = "", *, owners: Sequence[str] = ()) -> None:
    """Describe a dataset, model, version or job (``dataset:NS/NAME``), and say whose it is; the last word stands."""
    if isinstance(owners, str):
        owners = (owners,)
    if isinstance(entity, str) and entity.partition(":")[0] not in {"dataset", "model", "job"}:
        misuse(f"{entity!r} does not say what it is", f"write dataset:{entity}, model:… or job:…")
    PROCESS.recorder().emit(description(ref_of(entity, ""), text, owners), durable=True)


@never_raises(nothing)
def annotate_run(run: Run | str, text: str, *, by: str = "") -> None:
    """Add a note in words to a run, ended or not."""
    note = run_declaration(Declaration.ANNOTATED, _run_id(run), by=by or _user(), text=text)
    PROCESS.recorder().emit(note, durable=True)


@never_raises(nothing)
def correct_run(
    run: Run | str,
    *,
    why: str,
    parameters: Mapping[str, Any] = _NO_VALUES,
    inputs: Sequence[Thing] = (),
    outputs: Sequence[Thing] = (),
    by: str = "",
) -> None:
    """Say later what a run did not say, or said wrongly: the dataset version it read, a parameter.

    What was recorded stays beside it. ``inputs`` are datasets unless written ``model:…``, ``outputs`` models unless
    written ``dataset:…``.
    """
    encoded, redactions = encode_parameters(parameters)
    note = run_declaration(
        Declaration.CORRECTED,
        _run_id(run),
        by=by or _user(),
        why=why,
        parameters=encoded,
        inputs=[ref_of(thing, "dataset").format() for thing in inputs],
        outputs=[ref_of(thing, "model").format() for thing in outputs],
        redactions=redactions,
    )
    PROCESS.recorder().emit(note, durable=True)


def _declare(declared: Declaration, subject: EntityRef, *, by: str, why: str, **more: str) -> None:
    PROCESS.recorder().emit(declaration(declared, subject, by=by or _user(), why=why, **more), durable=True)


def _version_of(model: Thing) -> EntityRef:
    ref = ref_of(model, "model")
    if not ref.identity:
        misuse(f"{model!s} names no version of a model", "write NAME@VERSION, or give the handle of log_model")
    return ref


def _run_id(run: Run | str) -> str:
    run_id = run.id if isinstance(run, Run) else canonical_run_id(str(run).removeprefix("run:"))
    if not run_id:
        misuse("no run is named", "give the run, or its id")
    return run_id


def _user() -> str:
    """Return the user of this process; empty where the system does not know one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
