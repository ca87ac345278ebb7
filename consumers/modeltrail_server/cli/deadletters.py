"""The commands about records that could not be read: list, show, requeue."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from modeltrail_schemas.errors import ModeltrailError
from rich.text import Text
from sqlalchemy import Engine

from modeltrail_server.cli.context import CommandContext, command_context
from modeltrail_server.cli.options import EXIT_NO, AsJson
from modeltrail_server.cli.printing import quiet_pipe
from modeltrail_server.cli.rendering.replaying import render_dead_letter, render_dead_letters
from modeltrail_server.cli.times import PLACE
from modeltrail_server.projection.dead_letters import list_dead_letters, requeue_dead_letters, show_dead_letter
from modeltrail_server.search.indexing import index_again

LETTERS_SHOWN = 50

app = typer.Typer()
dead_letters = typer.Typer(no_args_is_help=True, help="Records that could not be read: nothing of them is lost.")
app.add_typer(dead_letters, name="dead-letters")

At = Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="Which, as list writes it.")]


@dead_letters.command("list")
def list_command(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = LETTERS_SHOWN,
    after: Annotated[str | None, typer.Option(metavar="PARTITION:OFFSET", help="Those past this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """List them, with the reason of each."""
    command = command_context(context)
    with _read_model(command) as engine:
        found = list_dead_letters(engine, limit=limit, after=_place(after) if after else None)
    lines = render_dead_letters(found) or [Text("every record could be read", style="green")]
    if len(found) == limit:
        lines.append(Text(f"more: --after {found[-1].partition}:{found[-1].offset}", style="dim"))
    command.print_answer(found, lines, as_json=as_json)


@dead_letters.command()
def show(
    context: typer.Context,
    at: At,
    raw: Annotated[bool, typer.Option("--raw", help="Write its bytes to standard output, and nothing else.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one: reason, key, bytes."""
    command = command_context(context)
    with _read_model(command) as engine:
        letter = show_dead_letter(engine, *_place(at))
    if raw:
        with quiet_pipe():
            sys.stdout.buffer.write(letter.value)
            sys.stdout.buffer.flush()
    else:
        command.print_answer(letter, render_dead_letter(letter), as_json=as_json)


@dead_letters.command()
def requeue(context: typer.Context, as_json: AsJson = False) -> None:
    """Try again to read them all, after an upgrade. Exit code 1 when some still cannot be read."""
    command = command_context(context)
    with _read_model(command) as engine:
        done = requeue_dead_letters(engine, also=index_again)
    command.print_answer(done, [Text(f"{done.read:,} read now, {done.remaining:,} remain")], as_json=as_json)
    if done.remaining:
        raise typer.Exit(EXIT_NO)


@contextmanager
def _read_model(command: CommandContext) -> Iterator[Engine]:
    with command.read_model() as engine:
        try:
            yield engine
        except LookupError:
            raise command.nothing_projected() from None


def _place(text: str) -> tuple[int, int]:
    place = PLACE.fullmatch(text)
    if place is None:
        raise ModeltrailError(f"{text!r} is no position of a record", remedy="write PARTITION:OFFSET, such as 0:412")
    return int(place[1]), int(place[2])
