"""The commands that read history again: replay into a database, a topic or counts only; rebuild. Each can go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from modeltrail.log.protocol import Position
from modeltrail_schemas.errors import ModeltrailError

from modeltrail_server.cli.context import CommandContext, command_context
from modeltrail_server.cli.options import EXIT_INTERRUPTED, AsJson
from modeltrail_server.cli.printing import ProgressLine, ProjectionProgress, say
from modeltrail_server.cli.rendering.replaying import render_dry_run, render_replayed, render_republished
from modeltrail_server.cli.rendering.system import render_digest
from modeltrail_server.cli.stopping import stop_on_signals
from modeltrail_server.cli.times import parse_as_of
from modeltrail_server.cli.trust import TrustedKey, read_trusted_key
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.projector import Source
from modeltrail_server.projection.rebuilding import rebuild as build_anew
from modeltrail_server.replay.audited import open_audited
from modeltrail_server.replay.replaying import ReplayProgress, dry_run
from modeltrail_server.replay.replaying import replay as replay_into
from modeltrail_server.replay.republishing import replay_to_log
from modeltrail_server.replay.sources import position_at

app = typer.Typer()

From = Annotated[
    str, typer.Option("--from", metavar="log|audit[:FOLDER]", help="The log, or the audit log, which alone suffices.")
]


@app.command()
def replay(
    context: typer.Context,
    source: From = "log",
    into: Annotated[str | None, typer.Option(metavar="URL", help="Into this database.")] = None,
    to_topic: Annotated[str | None, typer.Option(metavar="URL|FILE", help="Into this log, byte by byte.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Up to then: 2026-03-03, 3d, or a position like 0:412.")] = None,
    only_count: Annotated[bool, typer.Option("--dry-run", help="Write nothing, count.")] = False,
    key: TrustedKey = None,
    as_json: AsJson = False,
) -> None:
    """Read history again, into a database or a log. Interrupted, the same command goes on where it ended."""
    if sum([into is not None, to_topic is not None, only_count]) != 1:
        raise typer.BadParameter("say where to: one of --into URL, --to-topic URL, --dry-run")
    command = command_context(context)
    with (
        _opened(command, source, key) as history,
        stop_on_signals() as stop,
        ProgressLine("records replayed") as line,
    ):
        until = _until(history, as_of)

        def progressed(progress: ReplayProgress) -> None:
            line.update(progress.records, total=progress.total)

        if only_count:
            counted = dry_run(history, until=until, on_progress=progressed)
            command.print_answer(counted, render_dry_run(counted), as_json=as_json)
        elif into is not None:
            engine = open_engine(into)
            try:
                done = replay_into(history, engine, until=until, on_progress=progressed, stop=stop)
            finally:
                engine.dispose()
            command.print_answer(done, render_replayed(done), as_json=as_json)
        else:
            assert to_topic is not None
            with command.open_log(to_topic, create=True) as target:
                sent = replay_to_log(history, target, until=until, on_progress=progressed, stop=stop)
            command.print_answer(sent, render_republished(sent, to_topic), as_json=as_json)
        interrupted = stop.is_set()
    if interrupted:
        say("stopped before the end: the same command goes on from here")
        raise typer.Exit(EXIT_INTERRUPTED)


@app.command()
def rebuild(context: typer.Context, source: From = "log", key: TrustedKey = None, as_json: AsJson = False) -> None:
    """Build the read model anew beside the one that serves, and put it in its place once it has caught up."""
    command = command_context(context)
    with (
        command.engine() as engine,
        _opened(command, source, key) as history,
        stop_on_signals() as stop,
        ProgressLine("records projected", total=history.start().records_behind(history.end())) as line,
    ):
        digest = build_anew(history, engine, observer=ProjectionProgress(line), stop=stop)
    if digest is None:
        say("stopped before the end: the read model serves as before")
        raise typer.Exit(EXIT_INTERRUPTED)
    command.print_answer(digest, render_digest(digest), as_json=as_json)


@contextmanager
def _opened(command: CommandContext, source: str, key: str | None) -> Iterator[Source]:
    word, _, folder = source.partition(":")
    if word == "audit":
        yield open_audited(Path(folder).expanduser() if folder else command.config.audit, read_trusted_key(key))
    elif source == "log":
        with command.log() as log:
            yield log
    else:
        raise ModeltrailError(f"nothing can be replayed from {source!r}", remedy="write log, audit, or audit:FOLDER")


def _until(history: Source, as_of: str | None) -> Position | None:
    """Return the position that ``as_of`` means in ``history``; None where it is not given."""
    if as_of is None:
        return None
    bound = parse_as_of(as_of)
    if bound.position is None:
        assert bound.recorded_ms is not None
        return position_at(history, bound.recorded_ms)
    if not history.end().covers(bound.position):
        raise ModeltrailError(
            f"{as_of} lies past the end, which is {history.end().format()}",
            remedy="name an earlier position, or a time",
        )
    return bound.position
