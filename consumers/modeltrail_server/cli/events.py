"""The commands that move events: import, export, tail."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from modeltrail.errors import LogUnavailableError
from modeltrail.log import following
from modeltrail.log.protocol import Log, Record
from modeltrail.log.reading import read
from modeltrail_schemas.codec import decode
from modeltrail_schemas.counting import counted
from modeltrail_schemas.errors import InvalidEventError
from modeltrail_schemas.event import LineageEvent

from modeltrail_server.cli.context import command_context
from modeltrail_server.cli.options import EXIT_NO, AsJson
from modeltrail_server.cli.printing import ProgressLine, print_lines, quiet_pipe, say
from modeltrail_server.cli.rendering.events import render_event, render_imports
from modeltrail_server.events.documents import Refusal
from modeltrail_server.events.exporting import WRITERS, export_events, json_line, positions_of_last
from modeltrail_server.events.importing import Import, import_events
from modeltrail_server.events.sources import DamagedFileError, files_meant, opened

STANDARD_INPUT = Path("-")
TAIL_EVENTS = 10

app = typer.Typer()
events = typer.Typer(no_args_is_help=True, help="Bring events in, take them out, follow them.")
app.add_typer(events, name="events")


class Format(StrEnum):
    """The formats of an export."""

    openlineage = "openlineage"
    avro = "avro"


@events.command("import")
def import_command(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…|FOLDER…|-", help="OpenLineage JSON or JSON lines, also gzipped.")
    ],
    as_json: AsJson = False,
) -> None:
    """Append the OpenLineage events of files to the log.

    A file is JSON lines, one document, several, or an array of them; of a folder, every JSON file in it. What was
    imported before adds nothing. What cannot be taken is named with line and reason, the rest is kept, and the exit
    code is 1.
    """
    command = command_context(context)
    named = files_meant(path for path in files if path != STANDARD_INPUT)
    named += [STANDARD_INPUT] if STANDARD_INPUT in files else []
    results: dict[str, Import] = {}
    with command.open_log(create=True) as log, ProgressLine("events imported") as progress:
        before = 0
        for path in named:
            result = results[str(path)] = Import()
            try:
                with _opened(path) as source:
                    for result in import_events(source, log):
                        results[str(path)] = result
                        progress.update(before + result.accepted)
            except DamagedFileError as error:
                result.refusals.append(Refusal(1, 0, str(error)))
            before += result.accepted
    command.print_answer(results, render_imports(results), as_json=as_json)
    if any(result.refusals for result in results.values()):
        raise typer.Exit(EXIT_NO)


@events.command("export")
def export_command(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write [default: standard output].")] = (
        STANDARD_INPUT
    ),
    format: Annotated[Format, typer.Option(help="OpenLineage JSON lines, or an Avro container file.")] = (  # noqa: A002
        Format.openlineage
    ),
) -> None:
    """Write every event once, in log order.

    What came in as OpenLineage goes out as it came, on one line.
    """
    command = command_context(context)
    with command.log() as log, quiet_pipe():
        if output == STANDARD_INPUT:
            result = export_events(log, sys.stdout.buffer, WRITERS[format])
            sys.stdout.buffer.flush()
        else:
            with output.open("wb") as target:
                result = export_events(log, target, WRITERS[format])
    notes = [counted(result.events, "event")]
    notes += [f"{counted(result.repetitions, 'repetition')} left out"] if result.repetitions else []
    unreadable = counted(result.unreadable, "record is no event", "records are no events")
    notes += [f"{unreadable} (modeltrail dead-letters list)"] if result.unreadable else []
    say(", ".join(notes))


@events.command()
def tail(
    context: typer.Context,
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="Begin with so many of the last records.")] = (
        TAIL_EVENTS
    ),
    follow: Annotated[bool, typer.Option(help="Go on as events come.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="OpenLineage JSON lines.")] = False,
) -> None:
    """Follow the log: one line an event, until Ctrl-C.

    On a terminal a line that is longer goes on below.
    """
    command = command_context(context)
    width = command.width if sys.stdout.isatty() else None
    with command.log() as log, quiet_pipe():
        for record in _records(log, last, follow=follow):
            event = _event_of(record)
            if as_json and event is not None:
                sys.stdout.buffer.write(json_line(event))
                sys.stdout.buffer.flush()
            elif not as_json:
                print_lines(render_event(record, event, width=width))


def _records(log: Log, last: int, *, follow: bool) -> Iterator[Record]:
    start = positions_of_last(log, last)
    if not follow:
        yield from read(log, start, log.end())
        return
    with closing(following.follow(log, start, on_waiting=_say_waiting)) as polls:
        for polled in polls:
            for records in polled.values():
                yield from records


def _say_waiting(error: LogUnavailableError) -> None:
    say(f"waiting: {error}")


def _event_of(record: Record) -> LineageEvent | None:
    try:
        return decode(record.value)
    except InvalidEventError:
        return None


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    with opened(path) as source:
        yield source
