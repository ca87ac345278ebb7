"""Errors of the server, in the family of modeltrail_schemas.errors."""

from modeltrail_schemas.errors import ModeltrailError


class DatabaseUnavailableError(ModeltrailError):
    """The database cannot be reached or written now. The same call may succeed later: retry with backoff."""

    exit_code = 3


class DataRefusedError(ModeltrailError):
    """The database refuses what is to be written for what it says, and will the next time: retrying is in vain."""


class DatabaseUrlError(ModeltrailError):
    """The database's address is malformed, or names something that is not a database of modeltrail."""


class ProjectionVersionError(ModeltrailError):
    """The read model was built by another version of the projection."""

    exit_code = 3


class GenerationDroppedError(ModeltrailError):
    """The generation that was being built was dropped by somebody else, who builds another."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"generation {number} of the read model is gone: another rebuild was started meanwhile",
            remedy="let that one finish; the read model serves as before until then",
        )


class PositionMovedError(Exception):
    """Somebody else wrote what was to be written, or moved a position or the pointer: read again and go on."""
