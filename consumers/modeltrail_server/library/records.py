"""The opened read model: each question of the command line as a method, each answer from one snapshot of its own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from os import PathLike, environ
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from modeltrail import config as configuration
from modeltrail.errors import LogNotFoundError
from modeltrail.log.opening import open_log, parse_address
from sqlalchemy import Engine

from modeltrail_server.cli.rendering.check import render_report
from modeltrail_server.cli.rendering.comparison import render_comparison
from modeltrail_server.cli.rendering.history import render_history
from modeltrail_server.cli.rendering.lineage import render_lineage
from modeltrail_server.cli.rendering.listing import render_datasets, render_jobs, render_models, render_runs
from modeltrail_server.cli.rendering.searching import render_found, render_nothing
from modeltrail_server.cli.rendering.show import render_answer
from modeltrail_server.library.results import WIDTH, Listing, Result
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import reading
from modeltrail_server.projection.projector import catch_up
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.checking import check_subject
from modeltrail_server.queries.comparison import Comparison
from modeltrail_server.queries.comparison import compare as side_by_side
from modeltrail_server.queries.completeness import Report
from modeltrail_server.queries.errors import EmptyDatabaseError
from modeltrail_server.queries.graph import Direction, Graph
from modeltrail_server.queries.history import NameHistory, RunHistory
from modeltrail_server.queries.history import history as tell
from modeltrail_server.queries.lineage import lineage as trace
from modeltrail_server.queries.listing import (
    DatasetLine,
    JobLine,
    ModelLine,
    Page,
    list_datasets,
    list_jobs,
    list_models,
    list_runs,
)
from modeltrail_server.queries.names import latest_version, resolve
from modeltrail_server.queries.policy import DEFAULT_POLICY, Policy
from modeltrail_server.queries.records import Answer, ModelVersionView, RunLine, RunView
from modeltrail_server.queries.snapshot import Snapshot
from modeltrail_server.search import indexing
from modeltrail_server.search.finding import DEFAULT_LIMIT, find, parse_ordering
from modeltrail_server.search.hints import hints
from modeltrail_server.search.results import Found

T = TypeVar("T")


def open_records(
    *,
    home: str | PathLike[str] | None = None,
    database: str | None = None,
    log: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> "Records":
    """Return the records of ``home`` (looked for upward as the command line does), or of a ``database`` by its URL.

    With a database and no log, what was projected is read and nothing is caught up. Raises ConfigurationError,
    DatabaseUrlError.
    """
    environment = environ if environment is None else environment
    given = dict(environment) | ({"MODELTRAIL_HOME": str(Path(home).absolute())} if home is not None else {})
    config = configuration.load(given, Path.cwd(), options={"database": database, "log": log})
    return Records(open_engine(config.database), None if database and not log else config)


class Records:
    """All that is recorded. As a context manager it is closed at the end; usable from one thread at a time."""

    def __init__(self, engine: Engine, config: configuration.Config | None) -> None:
        self._engine, self._config = engine, config

    def __enter__(self) -> "Records":
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

    def show(self, name: str) -> Result[Answer]:
        """Return what is recorded of a model version, run, dataset, job or commit. Raises NotFoundError."""
        with self._snapshot() as snapshot:
            subject = latest_version(snapshot, resolve(snapshot, name))
            view = answer(snapshot, subject)
            report = check_subject(snapshot, subject, view=view)
        return Result(view, render_answer(view, report, width=WIDTH))

    def check(self, name: str, policy: Policy = DEFAULT_POLICY) -> Result[Report]:
        """Return what is missing or weak in the record of a model version or run."""
        with self._snapshot() as snapshot:
            subject = latest_version(snapshot, resolve(snapshot, name, kinds=("model", "run")))
            report = check_subject(snapshot, subject, policy)
        assert report is not None
        return Result(report, render_report(report, width=WIDTH))

    def lineage(self, name: str, direction: str = "up") -> Result[Graph]:
        """Return what something came from (``up``), what came of it (``down``), or ``both``."""
        with self._snapshot() as snapshot:
            graph = trace(snapshot, resolve(snapshot, name), Direction(direction))
        return Result(graph, render_lineage(graph, width=WIDTH))

    def history(self, name: str) -> Result[NameHistory | RunHistory]:
        """Return how a model or dataset changed from version to version, or the events of a run."""
        with self._snapshot() as snapshot:
            found = tell(snapshot, resolve(snapshot, name, kinds=("model", "dataset", "run")))
        return Result(found, render_history(found, width=WIDTH))

    def compare(self, *names: str) -> Result[Comparison]:
        """Return runs or model versions side by side."""
        with self._snapshot() as snapshot:
            views = [answer(snapshot, resolve(snapshot, name, kinds=("model", "run"))) for name in names]
        compared = side_by_side([view for view in views if isinstance(view, RunView | ModelVersionView)])
        return Result(compared, render_comparison(compared, width=WIDTH))

    def search(self, expression: str, *, order_by: str = "", limit: int = DEFAULT_LIMIT) -> Result[Found]:
        """Return the runs that satisfy an expression. Raises SearchSyntaxError."""
        with self._snapshot(indexed=True) as snapshot:
            ordering = parse_ordering(order_by) if order_by else None
            found = find(snapshot, expression, ordering=ordering, limit=limit)
            found = found if found.hits else replace(found, hints=hints(snapshot, expression))
        lines = render_found(found, folded=True, width=WIDTH, limit=limit)
        return Result(found, lines or render_nothing(found, expression, width=WIDTH, then=False))

    def runs(self, *, job: str = "", state: str = "") -> Listing[RunLine]:
        """Return runs, the last to begin first."""

        def fetch(page: str | None) -> Page[RunLine]:
            with self._snapshot() as snapshot:
                key = resolve(snapshot, job, kinds=("job",)).key if job else None
                return list_runs(snapshot, job_key=key, state=state.upper(), page=page)

        return Listing(fetch, render_runs)

    def models(self) -> Listing[ModelLine]:
        """Return models by name."""
        return Listing(partial(self._page, list_models), render_models)

    def datasets(self) -> Listing[DatasetLine]:
        """Return datasets by name."""
        return Listing(partial(self._page, list_datasets), render_datasets)

    def jobs(self) -> Listing[JobLine]:
        """Return jobs by name."""
        return Listing(partial(self._page, list_jobs), render_jobs)

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
            yield Snapshot(connection, tables)

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
