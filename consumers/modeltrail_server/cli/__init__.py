"""The command line: ``main`` runs one command and returns its exit code. Never a traceback for a user's mistake.

A module of commands holds a ``typer.Typer`` called ``app``; ``commands`` lists each command and its module.
"""

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from modeltrail import config as configuration
from modeltrail_schemas.errors import ModeltrailError

from modeltrail_server.cli.commands import CommandGroup
from modeltrail_server.cli.options import EXIT_DOWN, EXIT_INTERRUPTED, EXIT_USAGE

# What a person named, as against a disk that is full or broken.
_WRONG_FILE = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)


def main(argv: Sequence[str]) -> int:
    """Run the command that ``argv`` (without the program's name) asks for.

    Returns 0 fine, 1 the answer is "no", 2 wrong use, 3 a system is down, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character is no reason to fail
    command = typer.main.get_command(make_app())
    try:
        command.main(args=list(argv), prog_name="modeltrail")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except ModeltrailError as error:
        _explain(error)
        return error.exit_code
    except OSError as error:
        what = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        _explain(ModeltrailError(f"{what}{error.strerror or error}"))
        return EXIT_USAGE if isinstance(error, _WRONG_FILE) else EXIT_DOWN
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


def make_app() -> typer.Typer:
    """Return the application with every command."""
    return typer.Typer(
        name="modeltrail",
        cls=CommandGroup,
        help="Which data, code, parameters and environment made this model; and what stands on it.",
        epilog="Exit codes: 0 fine, 1 the answer is no, 2 wrong use, 3 a system is down.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        callback=read_configuration,
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"modeltrail {version('modeltrail')}")
        raise typer.Exit


def read_configuration(
    context: typer.Context,
    home: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where it all is [default: .modeltrail, looked for upward]")
    ] = None,
    log: Annotated[str | None, typer.Option(metavar="URL|FILE", help="kafka://HOST:PORT/TOPIC, or a file")] = None,
    database: Annotated[str | None, typer.Option(metavar="URL", help="The read model: SQLAlchemy's URL")] = None,
    audit: Annotated[str | None, typer.Option(metavar="FOLDER", help="The audit log")] = None,
    version: Annotated[  # noqa: ARG001 - its callback ends the program
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Read the configuration from these options, the environment (MODELTRAIL_…) and config.toml."""
    environ = dict(os.environ) | ({"MODELTRAIL_HOME": str(home)} if home else {})
    options = {"log": log, "database": database, "audit": audit}
    context.obj = configuration.load(environ, configuration.working_folder(environ), options=options)


def _explain(error: ModeltrailError) -> None:
    """Write what happened and what to do next to standard error."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("modeltrail: ", "bold red"), str(error)))
    for number, line in enumerate(error.remedy.splitlines()):
        console.print(Text(("→ " if number == 0 else "  ") + line))
