"""The command that makes a run again: shows how; with --run, after asking, does it and compares."""

import os
import shlex
import subprocess
import sys
import tempfile
import uuid
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from modeltrail.datasets.files import DigestCache
from modeltrail_schemas.identity import run_key
from modeltrail_schemas.names import EntityRef

from modeltrail_server.cli.context import CommandContext, command_context
from modeltrail_server.cli.options import EXIT_NO, EXIT_USAGE, AsJson, AsOfTime, AtTime
from modeltrail_server.cli.printing import say
from modeltrail_server.cli.rendering.reproducing import render_recipe, render_verdict
from modeltrail_server.cli.times import parse_bounds
from modeltrail_server.queries.answering import view_run
from modeltrail_server.queries.names import Subject
from modeltrail_server.queries.records import REPRODUCES_TAG, RunView
from modeltrail_server.reproduction.finding import find_recipe
from modeltrail_server.reproduction.recipe import COMMIT_CHARACTERS, Recipe, steps_of
from modeltrail_server.reproduction.verdict import DEFAULT_TOLERANCE, Verdict, judge
from modeltrail_server.reproduction.workshop import (
    NotReproducibleError,
    Workshop,
    differing_packages,
    repository_at,
    this_python,
)

MAX_DIFFERENCES_SHOWN = 5
LINK_TIMEOUT_S = 60
_LINK = """\
import sys, modeltrail
run = modeltrail.attach_run(sys.argv[1], capture=False)
run.set_tags({sys.argv[3]: sys.argv[2]})
modeltrail.flush()
"""
app = typer.Typer()


class Part(StrEnum):
    """What of a recipe is printed alone, to be kept in a file."""

    DIFF = "diff"
    REQUIREMENTS = "requirements"


@app.command()
def reproduce(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="model:NS/NAME@VERSION|ALIAS, run:ID, or a name")],
    run: Annotated[bool, typer.Option("--run", help="Do it, after asking, and compare.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    tolerance: Annotated[
        float, typer.Option(min=0, help="How far a metric may lie off, relative or absolute.")
    ] = DEFAULT_TOLERANCE,
    repository: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A clone that has the commit [default: around here]")
    ] = None,
    python: Annotated[str, typer.Option(metavar="PROGRAM", help="The Python to make the environment with.")] = "",
    reuse_environment: Annotated[
        bool, typer.Option("--reuse-environment", help="Run in this environment: needs no network.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder in which it was run.")] = False,
    part: Annotated[Part | None, typer.Option("--print", help="Print this part alone.")] = None,
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """Tell how to make a run or model version again; with --run, do it, and compare the metrics.

    Exit 1 when it cannot be done, or came out different.
    """
    command, bounds = command_context(context), parse_bounds(as_of, at)
    with command.snapshot(bounds) as snapshot:
        original, recipe = find_recipe(snapshot, name)
    name = name if bounds is None else f"run:{original.run_id}"
    if part is not None:
        sys.stdout.write(recipe.diff if part == Part.DIFF else recipe.requirements)
        return
    steps = steps_of(recipe, name=name, folder=f"again-{recipe.commit[:COMMIT_CHARACTERS]}")
    if not run:
        shown = {"recipe": recipe, "steps": [{"why": step.why, "command": step.command} for step in steps]}
        command.print_answer(shown, render_recipe(recipe, steps, width=command.width), as_json=as_json)
        if recipe.obstacles:
            raise typer.Exit(EXIT_NO)
        return
    if recipe.obstacles:
        raise NotReproducibleError(
            "; ".join(recipe.obstacles), remedy=f"see what is recorded: modeltrail check {name}"
        )
    verdict = _run_again(
        command,
        original,
        recipe,
        repository=repository,
        python="" if reuse_environment else python or sys.executable,
        tolerance=tolerance,
        ask=not yes,
        keep=keep,
    )
    command.print_answer(verdict, render_verdict(verdict, width=command.width), as_json=as_json)
    if not verdict.reproduced:
        raise typer.Exit(EXIT_NO)


def _run_again(
    command: CommandContext,
    original: RunView,
    recipe: Recipe,
    *,
    repository: Path | None,
    python: str,
    tolerance: float,
    ask: bool,
    keep: bool,
) -> Verdict:
    root = repository_at(repository or Path.cwd())
    if root is None:
        raise NotReproducibleError(
            f"{repository or Path.cwd()} is in no git repository",
            remedy="go to a clone of the code, or name one with --repository",
        )
    workshop = Workshop(
        Path(tempfile.mkdtemp(prefix="modeltrail-again-")), root, DigestCache(command.config.home / "cache")
    )
    try:
        workshop.bring_code(recipe)
        remarks = [*recipe.doubts, *workshop.verify_data(recipe.data)]
        if not python:
            differing = differing_packages(recipe)
            remarks += (
                [f"this environment differs: {', '.join(differing[:MAX_DIFFERENCES_SHOWN])}"] if differing else []
            )
        _confirm(workshop.command_of(recipe, Path(python) if python else this_python()), workshop, recipe, ask=ask)
        interpreter = workshop.make_environment(recipe, python) if python else this_python()
        again, variables = str(uuid.uuid4()), _variables(command)
        code = workshop.run(recipe, interpreter, variables | {"MODELTRAIL_RUN_ID": again})
        if code:
            remarks.append(f"the command ended with {code}")
        _link(again, original.run_id, variables)
        with command.snapshot() as snapshot:
            if not snapshot.runs([run_key(again)]):
                raise NotReproducibleError(
                    f"the command ended with {code} and recorded no run of its own",
                    remedy="it must call modeltrail.start_run as the original did",
                )
            repeated = view_run(snapshot, Subject("run", run_key(again), EntityRef("run"), again))
        return judge(original, repeated, tolerance=tolerance, doubts=remarks)
    finally:
        if keep:
            say(f"kept: {workshop.folder}")
        else:
            workshop.clear()


def _confirm(command: list[str], workshop: Workshop, recipe: Recipe, *, ask: bool) -> None:
    """Show the command and ask. Ends the program when the answer is no, or nobody can be asked."""
    say(f"in {workshop.code / recipe.folder}:\n  {shlex.join(command)}")
    if not ask:
        return
    if not sys.stdin.isatty():
        say("nobody can be asked here: say --yes to run it")
        raise typer.Exit(EXIT_USAGE)
    if not typer.confirm("run it?", err=True):
        raise typer.Exit(EXIT_NO)


def _variables(command: CommandContext) -> dict[str, str]:
    config = command.config
    options = {f"MODELTRAIL_LOG_{name.upper()}": value for name, value in config.log_options.items()}
    return {"MODELTRAIL_HOME": str(config.home.absolute()), "MODELTRAIL_LOG": config.log, **options}


def _link(again: str, original: str, variables: dict[str, str]) -> None:
    """Tag the new run with the one it reproduces, and wait until what it recorded is in the log."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MODELTRAIL_")} | variables
    command = [sys.executable, "-c", _LINK, again, original, REPRODUCES_TAG]
    subprocess.run(command, env=environ, timeout=LINK_TIMEOUT_S, check=False, capture_output=True)  # noqa: S603
