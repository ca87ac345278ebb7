"""The command that runs the long-running roles."""

import sys
from typing import Annotated

import typer

from modeltrail_server.cli.context import command_context
from modeltrail_server.cli.stopping import stop_on_signals
from modeltrail_server.serving.logs import set_up_logs
from modeltrail_server.serving.roles import Role
from modeltrail_server.serving.roles import serve as serve_roles

app = typer.Typer()


@app.command()
def serve(
    context: typer.Context,
    role: Annotated[list[Role] | None, typer.Option(help="Which; may be given several times [default: all].")] = None,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
) -> None:
    """Project and audit what comes, until SIGTERM or Ctrl-C. Logs are JSON lines, readable ones on a terminal."""
    set_up_logs(as_json=not sys.stderr.isatty(), level=log_level.upper())
    with stop_on_signals() as stop:
        serve_roles(command_context(context).config, role or list(Role), stop)
