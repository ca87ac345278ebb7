"""The commands that bring in what other systems have kept: ``import mlflow``."""

from contextlib import ExitStack
from typing import Annotated

import typer
from modeltrail.mlflow.naming import DEFAULT_MLFLOW_NAMESPACE, NAMESPACE_VARIABLE, Naming

from modeltrail_server.cli.context import command_context
from modeltrail_server.cli.options import AsJson
from modeltrail_server.cli.printing import ProgressLine
from modeltrail_server.cli.rendering.imports import render_mlflow_import
from modeltrail_server.mlflow.importing import MlflowImporter
from modeltrail_server.mlflow.ledger import LEDGER_NAME, Ledger
from modeltrail_server.mlflow.source import open_source

EXIT_NO = 1

app = typer.Typer()
imports = typer.Typer(no_args_is_help=True, help="Bring in what another system has kept.")
app.add_typer(imports, name="import")


@imports.callback()
def _imports() -> None:
    """Bring in what another system has kept."""


@imports.command()
def mlflow(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="sqlite:///mlflow.db, http://HOST:5000, or mlruns")],
    registry: Annotated[str, typer.Option(help="The model registry, if it is elsewhere.")] = "",
    namespace: Annotated[
        str, typer.Option(envvar=NAMESPACE_VARIABLE, help="Namespace of its jobs, datasets and models.")
    ] = DEFAULT_MLFLOW_NAMESPACE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be imported, append nothing.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Read everything anew, also what was imported.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import the runs, data, models and registry of an MLflow. Repeatable; exit code 1 if anything failed."""
    command = command_context(context)
    with ExitStack() as stack:
        reading = open_source(source, registry)
        log = stack.enter_context(command.open_log(create=True))
        told_to = f"{log.identity.topic_id} {namespace}"
        ledger = Ledger(command.config.home / LEDGER_NAME, f"{told_to} again" if again else told_to)
        stack.callback(ledger.close)
        importer = MlflowImporter(reading, None if dry_run else log, ledger, Naming(namespace))
        with ProgressLine("runs imported") as progress:
            for so_far in importer.run():
                progress.update(so_far.runs + so_far.unchanged)
    result = importer.result
    command.print_answer(result, render_mlflow_import(source, result, dry_run=dry_run), as_json=as_json)
    if result.failures:
        raise typer.Exit(EXIT_NO)
