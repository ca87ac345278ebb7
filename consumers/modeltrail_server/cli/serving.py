"""The command that runs the long-running roles."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from modeltrail_server.api.tokens import read_tokens
from modeltrail_server.cli.context import command_context
from modeltrail_server.cli.stopping import stop_on_signals
from modeltrail_server.serving.logs import LogLevel, set_up_logs
from modeltrail_server.serving.roles import Addresses, Role
from modeltrail_server.serving.roles import serve as serve_roles

app = typer.Typer()


@app.command()
def serve(
    context: typer.Context,
    role: Annotated[list[Role] | None, typer.Option(help="Which; may be given several times [default: all].")] = None,
    host: Annotated[str, typer.Option(help="Where HTTP is spoken; 0.0.0.0 in a container.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port of the role api.")] = 8765,
    health_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="A port for health and metrics alone [default: none].")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="MODELTRAIL_API_TOKEN_FILE",
            help="Who may send events: NAME TOKEN a line. One token alone: MODELTRAIL_API_TOKEN in the environment.",
        ),
    ] = None,
    log_level: Annotated[
        LogLevel, typer.Option(case_sensitive=False, help="DEBUG, INFO, WARNING or ERROR.")
    ] = LogLevel.INFO,
) -> None:
    """Project, index for search, audit and answer HTTP, until SIGTERM or Ctrl-C.

    Logs are JSON lines, readable ones on a terminal.

    The role api takes events from whoever has a token, and needs tokens wherever others than this machine reach it.
    """
    set_up_logs(as_json=not sys.stderr.isatty(), level=log_level)
    addresses = Addresses(host, port, health_port, read_tokens(token_file, os.environ.get("MODELTRAIL_API_TOKEN")))
    with stop_on_signals() as stop:
        serve_roles(command_context(context).config, role or list(Role), stop, addresses)
