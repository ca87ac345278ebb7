"""Each question of the command line as a method, each answer a typed result."""

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from os import PathLike, environ
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory

from modeltrail import config as configuration
from modeltrail.datasets.files import DigestCache, identify_path
from rich.text import Text

from modeltrail_server.cli.rendering.changes import render_changes, render_holdings
from modeltrail_server.cli.rendering.check import render_report
from modeltrail_server.cli.rendering.comparison import render_comparison
from modeltrail_server.cli.rendering.history import render_history
from modeltrail_server.cli.rendering.inventory import render_identified, render_inventory
from modeltrail_server.cli.rendering.lineage import render_lineage
from modeltrail_server.cli.rendering.listing import render_datasets, render_jobs, render_models, render_runs
from modeltrail_server.cli.rendering.reproducing import render_recipe
from modeltrail_server.cli.rendering.searching import render_found, render_mentioned, render_nothing
from modeltrail_server.cli.rendering.show import render_answer
from modeltrail_server.cli.rendering.tracing import render_columns, render_impact, render_path
from modeltrail_server.cli.times import parse_bounds, parse_day_ns, parse_time_ns
from modeltrail_server.library.reading import ReadModel
from modeltrail_server.library.results import WIDTH, Listing, Result
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.queries.answering import answer
from modeltrail_server.queries.changes import Changes, changes_since
from modeltrail_server.queries.checking import check_subject
from modeltrail_server.queries.checking import inventory as take_inventory
from modeltrail_server.queries.columns import ColumnLineage, trace_columns
from modeltrail_server.queries.comparison import Comparison
from modeltrail_server.queries.comparison import compare as side_by_side
from modeltrail_server.queries.completeness import InventoryLine, Report
from modeltrail_server.queries.contents import Identified, identify
from modeltrail_server.queries.graph import Direction, Graph
from modeltrail_server.queries.history import MAX_VERSIONS, NameHistory, RunHistory
from modeltrail_server.queries.history import history as tell
from modeltrail_server.queries.holdings import Holdings, holdings_on
from modeltrail_server.queries.impact import IMPACT_NODES, Impact, package_impact
from modeltrail_server.queries.impact import impact as impact_of
from modeltrail_server.queries.lineage import MAX_NEIGHBOURS, MAX_NODES, MAX_STEPS, Bounds
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
from modeltrail_server.queries.packages import parse_package
from modeltrail_server.queries.paths import PATH_NODES, Path, find_path
from modeltrail_server.queries.policy import DEFAULT_POLICY, Policy
from modeltrail_server.queries.records import Answer, ModelVersionView, RunLine, RunView
from modeltrail_server.queries.views import View
from modeltrail_server.queries.views import view as narrow
from modeltrail_server.reproduction.commits import with_commits
from modeltrail_server.reproduction.finding import find_recipe
from modeltrail_server.reproduction.recipe import COMMIT_CHARACTERS, Recipe, steps_of
from modeltrail_server.search.finding import DEFAULT_LIMIT, find, parse_ordering
from modeltrail_server.search.hints import hints
from modeltrail_server.search.results import Found
from modeltrail_server.search.words import Mentioned, find_word

NS_PER_MS = 1_000_000


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
    given = dict(environment) | ({"MODELTRAIL_HOME": str(FilePath(home).absolute())} if home is not None else {})
    config = configuration.load(
        given, configuration.working_folder(given), options={"database": database, "log": log}
    )
    return Records(open_engine(config.database), None if database and not log else config)


class Records(ReadModel):
    """All that is recorded: each question of the command line as a method, each answer from one snapshot."""

    def then(self, *, as_of: str | None = None, at: str | None = None) -> "Records":
        """Return the same records as they were: recorded by ``as_of``, or happened by ``at`` (as --as-of, --at).

        It shares the database with this one and is closed with it. Raises TimeFormatError.
        """
        return Records(self._engine, self._config, parse_bounds(as_of, at), kept=self._kept)

    def show(self, name: str) -> Result[Answer]:
        """Return what is recorded of a model version, run, dataset, job or commit. Raises NotFoundError."""
        with self._snapshot() as snapshot:
            subject = latest_version(snapshot, resolve(snapshot, name))
            view = answer(snapshot, subject)
            report = check_subject(snapshot, subject, view=view)
        return Result(view, render_answer(view, report, width=WIDTH), snapshot.remarks)

    def check(self, name: str, policy: Policy = DEFAULT_POLICY) -> Result[Report]:
        """Return what is missing or weak in the record of a model version or run."""
        with self._snapshot() as snapshot:
            subject = latest_version(snapshot, resolve(snapshot, name, kinds=("model", "run")))
            report = check_subject(snapshot, subject, policy)
        assert report is not None
        return Result(report, render_report(report, width=WIDTH))

    def lineage(
        self,
        name: str,
        direction: str = "up",
        *,
        depth: int = MAX_STEPS,
        view: str = "runs",
        kinds: Collection[str] = (),
        since: str | None = None,
        until: str | None = None,
    ) -> Result[Graph]:
        """Return what something came from (``up``), what came of it (``down``), or ``both``.

        ``depth`` is in runs; ``view`` is runs, versions or names; ``kinds`` leaves other nodes out; ``since`` and
        ``until`` are when the runs on the way began.
        """
        began = (parse_time_ns(text) if text else None for text in (since, until))
        bounds = Bounds(depth, MAX_NODES, MAX_NEIGHBOURS, *began)
        with self._snapshot() as snapshot:
            graph = trace(snapshot, resolve(snapshot, name), Direction(direction), bounds=bounds)
        graph = narrow(graph, View(view), kinds)
        return Result(graph, render_lineage(graph, width=WIDTH), snapshot.remarks)

    def columns(self, name: str, column: str = "", direction: str = "up") -> Result[ColumnLineage]:
        """Return of which columns the columns of a dataset (or the one named) were made, or into which they went."""
        with self._snapshot() as snapshot:
            subject = latest_version(snapshot, resolve(snapshot, name, kinds=("dataset",)))
            traced = trace_columns(snapshot, subject, Direction(direction), column=column, steps=MAX_STEPS)
        return Result(traced, render_columns(traced, width=WIDTH), snapshot.remarks)

    def path(self, one: str, other: str) -> Result[Path]:
        """Return how two things are connected."""
        with self._snapshot() as snapshot:
            bounds = Bounds(max_nodes=PATH_NODES)
            found = find_path(snapshot, resolve(snapshot, one), resolve(snapshot, other), bounds=bounds)
        return Result(found, render_path(found, width=WIDTH), snapshot.remarks)

    def impact(self, name: str) -> Result[Impact]:
        """Return every model version that stands on something, also on ``package:NAME[@VERSION]``."""
        bounds = Bounds(max_nodes=IMPACT_NODES, max_neighbours=IMPACT_NODES)
        package = parse_package(name)
        with self._snapshot() as snapshot:
            if package is not None:
                found = package_impact(snapshot, package, bounds=bounds)
            else:
                found = impact_of(snapshot, resolve(snapshot, name), bounds=bounds)
        return Result(found, render_impact(found, width=WIDTH), snapshot.remarks)

    def history(self, name: str, *, limit: int = MAX_VERSIONS) -> Result[NameHistory | RunHistory]:
        """Return how a model or dataset changed over its last versions, or the events of a run."""
        with self._snapshot() as snapshot:
            found = tell(snapshot, resolve(snapshot, name, kinds=("model", "dataset", "run")), max_versions=limit)
        return Result(found, render_history(found, width=WIDTH), snapshot.remarks)

    def holdings(self, name: str, on: str, *, alias: str = "", target: str = "") -> Result[Holdings]:
        """Return which versions of a model had its aliases and stages, and were deployed where, on a day."""
        since_ns, until_ns = parse_day_ns(on)
        kind, word = ("target", target) if target else ("", alias)
        with self._snapshot() as snapshot:
            model = resolve(snapshot, name, kinds=("model",)).ref.unversioned
            found = holdings_on(snapshot, model, since_ns, until_ns, kind=kind, word=word)
        return Result(found, render_holdings(found, width=WIDTH, asked=word))

    def what_changed(self, since: str) -> Result[Changes]:
        """Return what was recorded since a time: 2026-03-03, or how long ago: 12h, 3d."""
        with self._snapshot() as snapshot:
            found = changes_since(snapshot, parse_time_ns(since) // NS_PER_MS)
        return Result(found, render_changes(found, width=WIDTH))

    def compare(self, *names: str, repository: str | PathLike[str] = ".") -> Result[Comparison]:
        """Return runs or model versions side by side, and the commits between where ``repository`` has them."""
        with self._snapshot() as snapshot:
            subjects = [latest_version(snapshot, resolve(snapshot, name, kinds=("model", "run"))) for name in names]
            views = [answer(snapshot, subject) for subject in subjects]
        compared = side_by_side([view for view in views if isinstance(view, RunView | ModelVersionView)])
        compared = with_commits(compared, FilePath(repository))
        return Result(compared, render_comparison(compared, width=WIDTH))

    def search(self, expression: str, *, order_by: str = "", limit: int = DEFAULT_LIMIT) -> Result[Found]:
        """Return the runs that satisfy an expression. Raises SearchSyntaxError."""
        with self._snapshot(indexed=True) as snapshot:
            ordering = parse_ordering(order_by) if order_by else None
            found = find(snapshot, expression, ordering=ordering, limit=limit, kept=self._kept)
            if not found.hits and snapshot.as_of is None:
                found = replace(found, hints=hints(snapshot, expression))
        lines = render_found(found, folded=True, width=WIDTH, limit=limit)
        return Result(found, lines or render_nothing(found, expression, width=WIDTH, then=snapshot.as_of is not None))

    def find(self, word: str) -> Result[tuple[Mentioned, ...]]:
        """Return the models, datasets, jobs and commits that a word finds: in a name, or as an owner."""
        with self._snapshot() as snapshot:
            found = tuple(find_word(snapshot, word))
        return Result(found, render_mentioned(found, width=WIDTH) or [Text(f"nothing has {word!r} in its name")])

    def whatis(self, file: str | PathLike[str]) -> Result[Identified]:
        """Return which recorded version a file or folder is, by its content."""
        path = FilePath(file)
        with TemporaryDirectory() as folder:
            cache = FilePath(folder) if self._config is None else self._config.home / "cache"
            identity = identify_path(path, DigestCache(cache), now_ns=time.time_ns())
        with self._snapshot() as snapshot:
            found = identify(snapshot, identity.digest, path=str(path), size_bytes=identity.bytes)
        return Result(found, render_identified(found, width=WIDTH))

    def reproduce(self, name: str) -> Result[Recipe]:
        """Return how to make a run or model version again; the command line does it. Raises NotReproducibleError."""
        with self._snapshot() as snapshot:
            _, recipe = find_recipe(snapshot, name)
        steps = steps_of(recipe, name=name, folder=f"again-{recipe.commit[:COMMIT_CHARACTERS]}")
        return Result(recipe, render_recipe(recipe, steps, width=WIDTH))

    def inventory(self, policy: Policy = DEFAULT_POLICY) -> Listing[InventoryLine]:
        """Return models with owner, purpose, risk class, deployments, and whether their records pass ``policy``."""
        return Listing(partial(self._page, partial(take_inventory, policy=policy)), render_inventory)

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
