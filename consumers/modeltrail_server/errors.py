"""Errors of the server, in the family of modeltrail_schemas.errors."""

from modeltrail_schemas.errors import ModeltrailError


class DatabaseUnavailableError(ModeltrailError):
    """The database cannot be reached or written now. The same call may succeed later: retry with backoff."""

    exit_code = 3


class DatabaseUrlError(ModeltrailError):
    """The database's address is malformed, or names something that is not a database of modeltrail."""


class ProjectionVersionError(ModeltrailError):
    """The read model was built by another version of the projection."""

    exit_code = 3
