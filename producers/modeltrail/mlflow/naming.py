"""What MLflow's things are called here, the same whether they were recorded as they happened or imported later. Pure.

An experiment is a job; a dataset's version is MLflow's digest of it; a logged model is ``EXPERIMENT/NAME`` at its
model id, for many experiments call theirs ``model``; a registered model keeps its name and the number of its version.
A run keeps its id.
"""

from dataclasses import dataclass

from modeltrail_schemas.names import EntityRef, JobName

DEFAULT_MLFLOW_NAMESPACE = "mlflow"
NAMESPACE_VARIABLE = "MODELTRAIL_MLFLOW_NAMESPACE"


@dataclass(frozen=True, slots=True)
class Naming:
    """The namespace of everything that comes from one MLflow; two of them that reuse names need two."""

    namespace: str = DEFAULT_MLFLOW_NAMESPACE

    def job(self, experiment_name: str) -> JobName:
        """Return the job that an experiment is."""
        return JobName(self.namespace, experiment_name)

    def dataset(self, name: str, digest: str, role: str = "") -> EntityRef:
        """Return the version of a dataset with MLflow's ``digest``."""
        return EntityRef("dataset", self.namespace, name, digest, role=role)

    def logged_model(self, experiment_name: str, name: str, model_id: str) -> EntityRef:
        """Return the model version that a logged model is."""
        return EntityRef("model", self.namespace, f"{experiment_name}/{name}", model_id)

    def registered_model(self, name: str, version: str = "") -> EntityRef:
        """Return a registered model, or one version of it."""
        return EntityRef("model", self.namespace, name, version)
