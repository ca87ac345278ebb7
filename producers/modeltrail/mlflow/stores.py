"""The stores that MLflow opens for ``modeltrail+SCHEME:…``: the store of ``SCHEME:…``, recording lineage beside it.

These are entry points of MLflow's (mlflow.tracking_store, mlflow.model_registry_store, mlflow.artifact_repository).
MLflow loads this module whenever it is imported beside modeltrail, so it imports next to nothing until a store is
asked for. The store opened is MLflow's own object, of a class derived from its own: every call goes on as before,
also what MLflow adds later and what it asks by ``isinstance``.
"""

from typing import Any

PREFIX = "modeltrail+"


def open_tracking_store(store_uri: str, artifact_uri: str | None = None) -> Any:
    """Return the tracking store of ``store_uri`` without its prefix, recording; raises what MLflow raises for it."""
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry

    from modeltrail.mlflow.lineage import process_lineage
    from modeltrail.mlflow.observing import observed
    from modeltrail.mlflow.tracking import OBSERVERS

    inner = inner_uri(store_uri)
    store = _tracking_store_registry.get_store_builder(inner)(  # type: ignore[no-untyped-call]
        store_uri=inner, artifact_uri=artifact_uri
    )
    return observed(store, OBSERVERS, process_lineage(), reopen=(open_tracking_store, (store_uri, artifact_uri)))


def open_registry_store(store_uri: str, tracking_uri: str | None = None) -> Any:
    """Return the model registry's store of ``store_uri`` without its prefix, recording."""
    import inspect

    from mlflow.tracking._model_registry.utils import _get_store_registry

    from modeltrail.mlflow.lineage import process_lineage
    from modeltrail.mlflow.observing import observed
    from modeltrail.mlflow.registry import OBSERVERS

    inner = inner_uri(store_uri)
    build = _get_store_registry().get_store_builder(inner)  # type: ignore[no-untyped-call]
    wants_tracking = "tracking_uri" in inspect.signature(build).parameters
    store = build(store_uri=inner, **({"tracking_uri": inner_uri(tracking_uri or "")} if wants_tracking else {}))
    return observed(store, OBSERVERS, process_lineage(), reopen=(open_registry_store, (store_uri, tracking_uri)))


def open_artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> Any:
    """Return MLflow's own repository for ``mlflow-artifacts:``, told the server's address without our prefix.

    MLflow finds that server by the tracking URI, and takes none but ``http`` and ``https``.
    """
    import mlflow
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    address = tracking_uri or mlflow.get_tracking_uri()
    if address.startswith(PREFIX):
        tracking_uri = inner_uri(address)
    return MlflowArtifactsRepository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)


def inner_uri(uri: str) -> str:
    """Return ``uri`` as MLflow would write it alone."""
    return uri.removeprefix(PREFIX)
