"""The commands by which people declare: the life of a model version, a bad dataset, notes and corrections to a run.

A declaration is an event like any other: it goes the SDK's one way into the log, and the command waits for it there.
A name must be one that is recorded, so that a typo declares nothing; ``--unseen`` takes it as it stands.
"""

import getpass
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from modeltrail.declarations import declaration, description, run_declaration
from modeltrail.emitter import Emitter
from modeltrail.errors import LogUnavailableError, SpoolError
from modeltrail.parameters import encode_parameters
from modeltrail_schemas.errors import ModeltrailError
from modeltrail_schemas.event import Declaration
from modeltrail_schemas.names import EntityRef, parse_name
from rich.text import Text

from modeltrail_server.cli.context import CommandContext, command_context
from modeltrail_server.cli.options import AsJson
from modeltrail_server.cli.printing import say
from modeltrail_server.queries.display import display
from modeltrail_server.queries.errors import NotFoundError
from modeltrail_server.queries.names import resolve

SILENT_MS = 2_000
FLUSH_TIMEOUT_MS = 15_000
VERSION_NEEDED = "write NAME@VERSION; the versions: modeltrail history "

app = typer.Typer()
model = typer.Typer(no_args_is_help=True, help="Declare something about a model version.")
dataset = typer.Typer(no_args_is_help=True, help="Declare something about a dataset.")
run = typer.Typer(no_args_is_help=True, help="Add to what a run recorded.")
app.add_typer(model, name="model")
app.add_typer(dataset, name="dataset")
app.add_typer(run, name="run")

ModelVersion = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="Which version of which model.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or the beginning of it.")]
By = Annotated[str, typer.Option(help="Who says so [default: the user of this process].")]
Why = Annotated[str, typer.Option(help="The reason, in words.")]
Unseen = Annotated[bool, typer.Option("--unseen", help="Also where nothing of that name was recorded.")]


@model.command()
def register(
    context: typer.Context,
    version: ModelVersion,
    by: By = "",
    why: Why = "",
    unseen: Unseen = False,
    as_json: AsJson = False,
) -> None:
    """Register a version: offer it to others under its name."""
    _declare(context, Declaration.REGISTERED, "model", version, by, why, unseen=unseen, as_json=as_json)


@model.command()
def alias(
    context: typer.Context,
    version: ModelVersion,
    alias: Annotated[str, typer.Argument(help="Such as production or champion.")],
    by: By = "",
    why: Why = "",
    unseen: Unseen = False,
    as_json: AsJson = False,
) -> None:
    """Let an alias mean this version from now on."""
    _declare(context, Declaration.ALIASED, "model", version, by, why, unseen=unseen, as_json=as_json, alias=alias)


@model.command()
def stage(
    context: typer.Context,
    version: ModelVersion,
    stage: Annotated[str, typer.Argument(help="Such as staging or production.")],
    by: By = "",
    why: Why = "",
    unseen: Unseen = False,
    as_json: AsJson = False,
) -> None:
    """Say in which stage of its life a version is."""
    _declare(context, Declaration.STAGED, "model", version, by, why, unseen=unseen, as_json=as_json, stage=stage)


@model.command()
def approve(
    context: typer.Context,
    version: ModelVersion,
    by: By = "",
    why: Why = "",
    unseen: Unseen = False,
    as_json: AsJson = False,
) -> None:
    """Approve a version."""
    _declare(context, Declaration.APPROVED, "model", version, by, why, unseen=unseen, as_json=as_json)


@model.command()
def deploy(
    context: typer.Context,
    version: ModelVersion,
    target: Annotated[str, typer.Option(help="Where: eu-west/api, ward-3.")],
    by: By = "",
    why: Why = "",
    unseen: Unseen = False,
    as_json: AsJson = False,
) -> None:
    """Say that a version is deployed somewhere."""
    _declare(context, Declaration.DEPLOYED, "model", version, by, why, unseen=unseen, as_json=as_json, target=target)


@model.command()
def retire(
    context: typer.Context,
    version: ModelVersion,
    target: Annotated[str, typer.Option(help="Where [default: everywhere].")] = "",
    by: By = "",
    why: Why = "",
    unseen: Unseen = False,
    as_json: AsJson = False,
) -> None:
    """Say that a version is no longer deployed."""
    _declare(context, Declaration.RETIRED, "model", version, by, why, unseen=unseen, as_json=as_json, target=target)


@dataset.command()
def retract(
    context: typer.Context,
    version: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="Which dataset, or version of it.")],
    why: Annotated[str, typer.Option(help="The reason, in words.")],
    by: By = "",
    unseen: Unseen = False,
    as_json: AsJson = False,
) -> None:
    """Say that a dataset must not be relied on. Nothing is deleted; what stands on it is marked."""
    _declare(context, Declaration.RETRACTED, "dataset", version, by, why, unseen=unseen, as_json=as_json)


@app.command()
def describe(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="model:…, dataset:… or job:…")],
    text: Annotated[str, typer.Argument(help="The description.")] = "",
    owner: Annotated[list[str] | None, typer.Option(help="Whose it is; may be given several times.")] = None,
    as_json: AsJson = False,
) -> None:
    """Describe a model, a dataset, a version or a job, and say whose it is; the last word stands."""
    command = command_context(context)
    with command.snapshot() as snapshot:
        subject = resolve(snapshot, name, kinds=("model", "dataset", "job"))
    _emit(command, description(subject.ref, text, owner or []), f"described {subject.text}", as_json=as_json)


@run.command()
def annotate(
    context: typer.Context,
    run: RunName,
    text: Annotated[str, typer.Argument(help="The note.")],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Add a note to a run, ended or not."""
    command = command_context(context)
    run_id = _run_id(command, run)
    note = run_declaration(Declaration.ANNOTATED, run_id, by=by or _user(), text=text)
    _emit(command, note, f"annotated run:{run_id}", as_json=as_json)


@run.command()
def correct(
    context: typer.Context,
    run: RunName,
    why: Annotated[str, typer.Option(help="The reason, in words.")],
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter, as it really was.")
    ] = None,
    input: Annotated[  # noqa: A002 - the option's name
        list[str] | None, typer.Option(metavar="NAME@VERSION", help="A dataset version (or model:…) it really read.")
    ] = None,
    output: Annotated[
        list[str] | None, typer.Option(metavar="NAME@VERSION", help="A model version (or dataset:…) it really made.")
    ] = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Say what a run did not say, or said wrongly. What it recorded stays beside it."""
    command = command_context(context)
    if not (param or input or output):
        raise ModeltrailError("nothing to correct was given", remedy="give --param, --input or --output")
    pairs = [text.partition("=") for text in param or []]
    if unnamed := [value for value, equals, _ in pairs if not equals]:
        raise ModeltrailError(f"{unnamed[0]!r} is no parameter", remedy="write --param NAME=VALUE")
    encoded, redactions = encode_parameters({name: _typed(value) for name, _, value in pairs})
    run_id = _run_id(command, run)
    note = run_declaration(
        Declaration.CORRECTED,
        run_id,
        by=by or _user(),
        why=why,
        parameters=encoded,
        inputs=[_ref(text, "dataset").format() for text in input or []],
        outputs=[_ref(text, "model").format() for text in output or []],
        redactions=redactions,
    )
    _emit(command, note, f"corrected run:{run_id}", as_json=as_json)


def _declare(
    context: typer.Context,
    declared: Declaration,
    kind: str,
    name: str,
    by: str,
    why: str,
    *,
    unseen: bool,
    as_json: bool,
    **more: str,
) -> None:
    command = command_context(context)
    ref = _ref(name, kind) if unseen else _recorded(command, name, kind)
    if kind == "model" and not ref.version:
        raise ModeltrailError(f"{name!r} names no version of a model", remedy=VERSION_NEEDED + name)
    note = declaration(declared, ref, by=by or _user(), why=why, **more)
    words = " ".join(
        [declared.lower(), f"{kind}:{display(ref)}", *(f"{key} {value}" for key, value in more.items() if value)]
    )
    _emit(command, note, words, as_json=as_json)


def _recorded(command: CommandContext, name: str, kind: str) -> EntityRef:
    with command.snapshot() as snapshot:
        try:
            return resolve(snapshot, name, kinds=(kind,)).ref
        except NotFoundError as error:
            remedy = "; or ".join(filter(None, [error.remedy, "give --unseen to declare it all the same"]))
            raise NotFoundError(str(error), near=error.near, remedy=remedy) from None


def _ref(text: str, kind: str) -> EntityRef:
    prefix, colon, rest = text.partition(":")
    if colon and prefix in ("model", "dataset"):
        kind, text = prefix, rest
    try:
        return parse_name(text, kind=kind)
    except ValueError as error:
        raise ModeltrailError(str(error)) from error


def _run_id(command: CommandContext, name: str) -> str:
    with command.snapshot() as snapshot:
        return resolve(snapshot, name, kinds=("run",)).run_id


def _typed(text: str) -> object:
    """Return the number or truth value that ``text`` writes, else the text."""
    words = {"true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _emit(command: CommandContext, note: dict[str, object], words: str, *, as_json: bool) -> None:
    """Bring the note to the log and say so; where the log does not answer, say that the spool keeps it.

    Raises SpoolError when it could not even be kept.
    """
    emitter = Emitter(command.config)
    with _warnings() as heard:
        try:
            emitter.emit(note, durable=True)
            if emitter.dropped_notes:
                raise SpoolError(f"not {words}: " + "; ".join(heard))
            if not emitter.flush(SILENT_MS):
                say(f"waiting for the log {command.config.log}{_because(emitter.fault)}")
                if not emitter.flush(FLUSH_TIMEOUT_MS):
                    raise LogUnavailableError(
                        f"{words}: kept, but the log {command.config.log} does not have it yet"
                        + _because(emitter.fault),
                        remedy="it is sent when the log answers: modeltrail spool flush",
                    )
        finally:
            emitter.close()
    command.print_answer({"declared": words}, [Text(words)], as_json=as_json)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Give the list of what the SDK warns of meanwhile, which a command says in its own words instead."""
    heard: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("modeltrail")
    logger.addHandler(handler)
    try:
        yield heard
    finally:
        logger.removeHandler(handler)


def _because(fault: str) -> str:
    return f": {fault}" if fault else ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
