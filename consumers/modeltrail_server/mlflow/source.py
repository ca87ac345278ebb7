"""An MLflow tracking store or server, read page by page in the order of its ids and times. I/O; it decides nothing.

MLflow's client does the reading, so whatever that can open can be imported: ``sqlite:///…``, ``postgresql://…``,
``http://…``, a folder of files. A SQLite file or a folder that is not there is refused: MLflow would make it.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modeltrail.mlflow.naming import Naming
from modeltrail.mlflow.stores import inner_uri
from modeltrail_schemas.event import Environment
from modeltrail_schemas.names import EntityRef

from modeltrail_server.mlflow.environments import environment_of
from modeltrail_server.mlflow.errors import MlflowMissingError, MlflowStoreError

RUNS_PER_PAGE = 500
ENTITIES_PER_PAGE = 100
MAX_HTTP_RETRIES = 2
MAX_TEXT_BYTES = 1024 * 1024
MAX_MODELS_REMEMBERED = 100_000
NO_SUCH_ENDPOINT = "ENDPOINT_NOT_FOUND"
_SQLITE = "sqlite:///"


class MlflowSource:
    """One MLflow, through its client. Raises MlflowStoreError where it cannot be read."""

    def __init__(self, client: Any, uri: str) -> None:
        self._client = client
        self._uri = uri
        self._models: dict[str, EntityRef] = {}

    def experiments(self) -> list[Any]:
        """Return every experiment, deleted ones too, by id."""
        from mlflow.entities import ViewType

        pages = self._pages(
            lambda token: self._client.search_experiments(
                view_type=ViewType.ALL, max_results=ENTITIES_PER_PAGE, page_token=token
            )
        )
        return sorted(pages, key=lambda experiment: str(experiment.experiment_id))

    def runs(self, experiment_id: str) -> Iterator[Any]:
        """Yield the runs of an experiment, deleted ones too, by start."""
        from mlflow.entities import ViewType

        return self._pages(
            lambda token: self._client.search_runs(
                [experiment_id],
                run_view_type=ViewType.ALL,
                max_results=RUNS_PER_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
        )

    def metric_history(self, run_id: str, name: str) -> list[Any]:
        """Return every value of a metric."""
        with self._reading():
            return list(self._client.get_metric_history(run_id, name))

    def logged_models(self, experiment_id: str) -> Iterator[Any]:
        """Yield the logged models of an experiment; none where the server is older than MLflow 3."""
        search = self._client.search_logged_models
        try:
            yield from self._pages(
                lambda token: search([experiment_id], max_results=ENTITIES_PER_PAGE, page_token=token)
            )
        except MlflowStoreError as error:
            if getattr(error.__cause__, "error_code", "") != NO_SUCH_ENDPOINT:
                raise

    def model(self, naming: Naming, model_id: str) -> EntityRef:
        """Return what a logged model is called."""
        if model_id not in self._models:
            with self._reading():
                model = self._client.get_logged_model(model_id)
                experiment = self._client.get_experiment(model.experiment_id)
            if len(self._models) >= MAX_MODELS_REMEMBERED:
                self._models.clear()
            self._models[model_id] = naming.logged_model(experiment.name, model.name, model_id)
        return self._models[model_id]

    def registered_models(self) -> Iterator[Any]:
        """Yield the registered models."""
        return self._pages(
            lambda token: self._client.search_registered_models(max_results=ENTITIES_PER_PAGE, page_token=token)
        )

    def model_versions(self, name: str) -> Iterator[Any]:
        """Yield the versions of a registered model."""
        quoted = name.replace("'", "''")
        return self._pages(
            lambda token: self._client.search_model_versions(
                f"name='{quoted}'", max_results=ENTITIES_PER_PAGE, page_token=token
            )
        )

    def environment(self, location: str) -> Environment | None:
        """Return the environment kept beside a model's files, where these lie on this machine; else None."""
        folder = Path(location.removeprefix("file://"))
        if not folder.is_absolute():
            return None
        return environment_of(_text(folder / "requirements.txt"), _text(folder / "python_env.yaml"))

    def _pages(self, read: Callable[[str | None], Any]) -> Iterator[Any]:
        token = None
        while True:
            with self._reading():
                page = read(token)
            yield from page
            token = page.token
            if not token:
                return

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with _explained(self._uri):
            yield


def open_source(uri: str, registry_uri: str = "") -> MlflowSource:
    """Return the MLflow at ``uri``; its registry is there too unless ``registry_uri`` is another.

    Raises MlflowMissingError, MlflowStoreError.
    """
    uri, registry_uri = inner_uri(uri), inner_uri(registry_uri)
    _expect_there(uri)
    # A server that does not answer is told at once, and a folder of files is what the user asked to leave.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(MAX_HTTP_RETRIES))
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    # The registry of a folder of files asks MLflow's default store for a version's model, whichever client asks it:
    # another store than this one, recording perhaps; where none is named, a new mlflow.db in the working directory.
    os.environ["MLFLOW_TRACKING_URI"] = uri
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise MlflowMissingError from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with _explained(uri):
        return MlflowSource(MlflowClient(tracking_uri=uri, registry_uri=registry_uri or uri), uri)


def _expect_there(uri: str) -> None:
    path = uri.removeprefix(_SQLITE) if uri.startswith(_SQLITE) else uri.removeprefix("file://")
    if "://" not in path and not Path(path.partition("?")[0]).exists():
        raise MlflowStoreError(
            f"there is no MLflow store at {uri}",
            remedy="give what MLFLOW_TRACKING_URI says: sqlite:///mlflow.db, http://HOST:5000, or the folder mlruns",
        )


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Raise what MLflow, its database driver or its HTTP client raises as an error of ours."""
    try:
        yield
    except Exception as error:  # a store's libraries raise what they like; all of it means the same here
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise MlflowStoreError(
            f"MLflow at {uri} cannot be read: {lines[0]}",
            remedy="see that it answers and that its MLflow is no newer than this one; then import again: "
            "it goes on where it ended",
        ) from error


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_TEXT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
