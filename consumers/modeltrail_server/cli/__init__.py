"""The command line: ``main`` runs one command and returns its exit code. Never a traceback for a user's mistake.

A module of commands holds a ``typer.Typer`` called ``app``; naming it in ``COMMAND_MODULES`` adds its commands.
"""

import io
import sys
from collections.abc import Sequence
from types import ModuleType

import typer
from modeltrail_schemas.errors import ModeltrailError
from rich.console import Console
from rich.text import Text

from modeltrail_server.cli import answers, auditing, declarations, events, imports, serving, system, topics
from modeltrail_server.cli.context import EXIT_INTERRUPTED, make_context

COMMAND_MODULES: tuple[ModuleType, ...] = (answers, declarations, events, imports, auditing, topics, system, serving)


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
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


def make_app() -> typer.Typer:
    """Return the application with every command."""
    app = typer.Typer(
        name="modeltrail",
        help="Which data, code, parameters and environment made this model; and what stands on it.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        callback=make_context,
    )
    for module in COMMAND_MODULES:
        app.add_typer(module.app)
    return app


def _explain(error: ModeltrailError) -> None:
    """Write what happened and what to do next to standard error."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("modeltrail: ", "bold red"), str(error)))
    for number, line in enumerate(error.remedy.splitlines()):
        console.print(Text(("→ " if number == 0 else "  ") + line))
