"""The opened read model: a snapshot for each question, caught up with an embedded log, now or as of then."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from modeltrail.config import Config
from modeltrail.errors import LogNotFoundError
from modeltrail.log.opening import open_log, parse_address
from sqlalchemy import Engine

from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.errors import EmptyDatabaseError
from modeltrail_server.queries.listing import Page
from modeltrail_server.queries.moments import resolve_as_of
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.search import indexing
from modeltrail_server.search.keeping import KeptColumns

T = TypeVar("T")


class ReadModel:
    """A database and, where it is known, the log it is made from. A context manager; for one thread at a time."""

    def __init__(
        self,
        engine: Engine,
        config: Config | None,
        bound: AsOf | None = None,
        *,
        kept: KeptColumns | None = None,
    ) -> None:
        self._engine, self._config, self._bound = engine, config, bound
        self._kept = kept or KeptColumns()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let the database go. May be called twice."""
        self._engine.dispose()

    def _page(self, fetch: Callable[..., Page[T]], page: str | None) -> Page[T]:
        with self._snapshot() as snapshot:
            return fetch(snapshot, page=page)

    @contextmanager
    def _snapshot(self, *, indexed: bool = False) -> Iterator[Snapshot]:
        self._catch_up(indexed=indexed)
        with ExitStack() as stack:
            try:
                connection, tables = stack.enter_context(reading(self._engine))
            except LookupError:
                raise EmptyDatabaseError from None
            bound = self._bound and resolve_as_of(connection, tables, self._bound).as_of
            yield Snapshot(connection, tables, bound)

    def _catch_up(self, *, indexed: bool) -> None:
        """Project what an embedded log holds beyond the read model, and beyond the index where that is asked."""
        if self._config is None:
            return
        embedded = isinstance(parse_address(self._config.log), Path)
        if not embedded and not indexed:
            return
        try:
            log = open_log(self._config.log, options=self._config.log_options, create=False)
        except LogNotFoundError:
            return
        with log:
            if embedded:
                catch_up(log, self._engine)
            if indexed:
                indexing.catch_up(log, self._engine)
