"""Errors of an import from MLflow."""

from modeltrail_schemas.errors import ModeltrailError


class MlflowMissingError(ModeltrailError):
    """MLflow is not installed in this environment."""

    def __init__(self) -> None:
        super().__init__("MLflow is not installed here", remedy="pip install 'modeltrail[mlflow]'")


class MlflowStoreError(ModeltrailError):
    """The tracking store cannot be opened or read; a later import goes on where this one ended."""

    exit_code = 3
