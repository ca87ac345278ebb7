"""What every command gets: the configuration, the read model in one snapshot, and where to print.

What only some commands need (SQLAlchemy above all) is imported where it is used.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from modeltrail.config import Config
from modeltrail.errors import LogNotFoundError
from modeltrail.log.opening import open_log, parse_address
from modeltrail.log.protocol import Log
from modeltrail.waiting import waiting_for_log
from rich.console import Console
from rich.text import Text

from modeltrail_server.cli.printing import ProgressLine, ProjectionProgress, print_lines, quiet_pipe, say
from modeltrail_server.cli.rendering.folding import folded
from modeltrail_server.queries.errors import EmptyDatabaseError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from modeltrail_server.queries.as_of import AsOf
    from modeltrail_server.queries.snapshot import Snapshot

PIPED_WIDTH = 80


@dataclass(frozen=True)
class CommandContext:
    """One call of the command line. ``remarks`` are what is to be told beside its answer."""

    config: Config
    remarks: list[str] = field(default_factory=list)

    @contextmanager
    def snapshot(self, as_of: "AsOf | None" = None) -> "Iterator[Snapshot]":
        """Give the read model as it is now, or was ``as_of`` then; an embedded log's is caught up with first.

        Where the read model ends before that time, it is said on standard error; so is what the questions remark.

        Raises EmptyDatabaseError where nothing was ever recorded.
        """
        from modeltrail_server.projection.generations import reading
        from modeltrail_server.queries.moments import resolve_as_of
        from modeltrail_server.queries.snapshot import Snapshot

        with self.read_model() as engine, ExitStack() as stack:
            try:
                connection, tables = stack.enter_context(reading(engine))
            except LookupError:
                raise self.nothing_projected() from None
            if as_of is not None:
                moment = resolve_as_of(connection, tables, as_of)
                as_of = moment.as_of
                if moment.known_until_ms is not None and not self.is_embedded:
                    say(_short_of(moment.known_until_ms))
            before = len(self.remarks)
            yield Snapshot(connection, tables, as_of, remarks=self.remarks)
            for remark in self.remarks[before:]:
                say(remark)

    @contextmanager
    def read_model(self) -> "Iterator[Engine]":
        """Give the database, caught up with an embedded log. Raises EmptyDatabaseError as ``snapshot`` does."""
        if not self.anything_there:
            raise EmptyDatabaseError(str(self.config.home))
        with self.engine() as engine:
            self.catch_up(engine)
            yield engine

    def catch_up(self, engine: "Engine") -> None:
        """Project what an embedded log holds beyond the read model; a Kafka log has its projector for that."""
        from modeltrail_server.projection.projector import catch_up

        if not self.is_embedded:
            return
        try:
            log = self.open_log()
        except LogNotFoundError:
            return
        with log, ProgressLine("records caught up with") as line:
            catch_up(log, engine, observer=ProjectionProgress(line))

    def print_answer(self, value: object, lines: Sequence[Text], *, as_json: bool) -> None:
        """Print ``value`` as JSON, or ``lines``. A reader that went away (``| head``) ends the command quietly."""
        with quiet_pipe():
            if as_json:
                from modeltrail_server.cli.rendering.as_json import to_json

                sys.stdout.write(to_json(value, remarks=self.remarks) + "\n")
                sys.stdout.flush()
            else:
                print_lines(each for line in lines for each in folded(line, self.width))

    @contextmanager
    def log(self) -> Iterator[Log]:
        """Give the log, which must be there. Raises LogNotFoundError, LogUnavailableError, ConfigurationError."""
        with self.open_log() as log:
            yield log

    def open_log(self, address: str = "", *, create: bool = False) -> Log:
        """Return the open log, or that at ``address``; say so at once where it is waited for. Raises as ``log``."""
        asked = address or self.config.log
        try:
            with waiting_for_log(say, asked):
                return open_log(asked, options=self.config.log_options, create=create)
        except LogNotFoundError as error:
            if asked == self.config.log:
                raise
            remedy = f"make it: modeltrail --log {asked} topic create"  # else that of the configuration is made
            raise LogNotFoundError(str(error), remedy=remedy) from error

    @contextmanager
    def engine(self) -> "Iterator[Engine]":
        """Give the database of the read model. Raises DatabaseUnavailableError, DatabaseUrlError."""
        from modeltrail_server.projection.engine import open_engine

        engine = open_engine(self.config.database)
        try:
            yield engine
        finally:
            engine.dispose()

    @property
    def width(self) -> int:
        """Return how many columns a line may take: the terminal's, or 80 in a pipe."""
        return Console().width if sys.stdout.isatty() else PIPED_WIDTH

    @property
    def is_embedded(self) -> bool:
        """Return whether the log is a file of this machine."""
        return isinstance(parse_address(self.config.log), Path)

    def nothing_projected(self) -> EmptyDatabaseError:
        """Return what to raise where the database holds no read model yet: a topic's is a projector's to make."""
        return EmptyDatabaseError(topic="" if self.is_embedded else self.config.log)

    @property
    def anything_there(self) -> bool:
        """Return whether there can be something to read: only files that are not there say no."""
        address = parse_address(self.config.log)
        if not isinstance(address, Path) or address.exists():
            return True
        from sqlalchemy.engine import make_url

        url = make_url(self.config.database) if "://" in self.config.database else None
        return url is None or url.get_backend_name() != "sqlite" or Path(str(url.database)).exists()


def command_context(context: typer.Context) -> CommandContext:
    """Return what this call of the command line works with."""
    config = context.obj
    assert isinstance(config, Config)
    return CommandContext(config)


def _short_of(known_until_ms: int) -> str:
    until = datetime.fromtimestamp(known_until_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return (
        f"the read model holds what was recorded until {until}: what came later, and by then, is not in this answer"
    )
