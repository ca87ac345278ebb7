"""The commands that look after the whole: status, digest, dead letters, and the SDK's own spool and doctor."""

from collections.abc import Sequence
from contextlib import suppress

import typer
from modeltrail import command as sdk_command
from modeltrail.doctor import Examine
from modeltrail.waiting import waiting_for_log
from modeltrail_schemas.errors import ModeltrailError

from modeltrail_server.cli.context import command_context
from modeltrail_server.cli.options import EXIT_DOWN, AsJson
from modeltrail_server.cli.printing import say
from modeltrail_server.cli.rendering.system import render_digest, render_status
from modeltrail_server.projection.digest import digest_of
from modeltrail_server.serving.status import collect

app = typer.Typer()


@app.command()
def digest(context: typer.Context, as_json: AsJson = False) -> None:
    """Print the digest of the read model's state: equal wherever the same events were projected."""
    command = command_context(context)
    with command.snapshot() as snapshot:
        found = digest_of(snapshot.connection, snapshot.tables)
    command.print_answer(found, render_digest(found), as_json=as_json)


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Say where everything stands, and how far behind. Exit code 3 when something that should answer does not."""
    command = command_context(context)
    with waiting_for_log(say, command.config.log):
        if command.anything_there:
            with command.engine() as engine:
                with suppress(ModeltrailError):  # what is wrong is found again, and said, below
                    command.catch_up(engine)
                found = collect(command.config, engine)
        else:
            found = collect(command.config, None)
    command.print_answer(found, render_status(found, width=command.width), as_json=as_json)
    if not found.is_up:
        raise typer.Exit(EXIT_DOWN)


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False)
def doctor(context: typer.Context) -> None:
    """Examine configuration, home, spool, log, permissions, database, audit, clocks, versions; say what to do."""
    from modeltrail_server.serving.doctor import EXAMINERS

    _sdk(context, "doctor", EXAMINERS)


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False)
def spool(context: typer.Context) -> None:
    """Say what waits to be sent (status), or send it (flush)."""
    _sdk(context, "spool")


def _sdk(context: typer.Context, name: str, examiners: Sequence[Examine] = ()) -> None:
    """Hand a command to the SDK's own command line, which has it without the server too."""
    config = command_context(context).config
    raise typer.Exit(sdk_command.run([name, *context.args], config=config, examiners=examiners))
