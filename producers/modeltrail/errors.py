"""Errors of the SDK and of the log. The base class and the event errors live with the schemas."""

from modeltrail_schemas.errors import InvalidEventError, ModeltrailError, UnknownSchemaError


class ConfigurationError(ModeltrailError):
    """A setting is missing, malformed, or points at something that cannot be used."""


class LogNotFoundError(ConfigurationError):
    """There is no log at this address yet: nobody made the file or the topic."""


class LogExistsError(ConfigurationError):
    """A log was to be made where there is one already."""


class LogUnavailableError(ModeltrailError):
    """The log cannot be reached now. The same call may succeed later: retry with backoff."""

    exit_code = 3


class OffsetOutOfRangeError(ModeltrailError):
    """A position lies outside what the log still holds: it was truncated, or recreated under the same name."""

    exit_code = 3


class LogIdentityError(ModeltrailError):
    """The log under this name is not the one that was followed before."""

    exit_code = 3


class RecordTooLargeError(ModeltrailError):
    """The log refuses a record of this size; retrying cannot help."""


class SpoolError(ModeltrailError):
    """The local spool cannot be written or read."""

    exit_code = 3


__all__ = [
    "ConfigurationError",
    "InvalidEventError",
    "LogExistsError",
    "LogIdentityError",
    "LogNotFoundError",
    "LogUnavailableError",
    "ModeltrailError",
    "OffsetOutOfRangeError",
    "RecordTooLargeError",
    "SpoolError",
    "UnknownSchemaError",
]
