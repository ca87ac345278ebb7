"""What can go wrong with an audit log, as errors and as named faults. No I/O here."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from modeltrail.errors import ModeltrailError


class AuditError(ModeltrailError):
    """An audit log cannot be used the way somebody asked."""


class AuditWriteError(AuditError):
    """The disk refused a write. Nothing was signed that is not on disk; start the auditor again.

    ``is_full``: for want of room, which may come back without anybody looking at the disk.
    """

    exit_code = 3

    def __init__(self, what: str, *, remedy: str = "", is_full: bool = False) -> None:
        super().__init__(what, remedy=remedy)
        self.is_full = is_full


class AuditorRunningError(AuditError):
    """Another auditor holds this partition's log."""


class KeyFileError(AuditError):
    """The signing key is missing, malformed, in the way, or readable by others."""


class NoteError(AuditError):
    """A signed note is malformed, or carries no good signature of the key it is checked against."""

    exit_code: ClassVar[int] = 1


class ProofError(AuditError):
    """A proof does not show what it claims."""

    exit_code: ClassVar[int] = 1


class FaultKind(StrEnum):
    """What was done to a log, as far as the bytes tell."""

    CHANGED = "changed"
    DELETED = "deleted"
    REORDERED = "reordered"
    ADDED = "added"
    TRUNCATED = "truncated"
    FORGED = "forged"
    FORKED = "forked"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what happened, in which file (relative to the audit folder), at which tree index and offset."""

    kind: FaultKind
    path: str
    detail: str
    index: int | None = None
    offset: int | None = None

    def describe(self) -> str:
        """Return one sentence for a person."""
        place = [self.path]
        if self.index is not None:
            place.append(f"index {self.index}")
        if self.offset is not None:
            place.append(f"offset {self.offset}")
        return f"{self.kind.upper()} {', '.join(place)}: {self.detail}"


class AuditDamagedError(AuditError):
    """The files are not what was signed. ``fault`` says where."""

    exit_code: ClassVar[int] = 1

    def __init__(self, fault: Fault) -> None:
        super().__init__(
            fault.describe(), remedy="keep the folder as evidence, and compare it with an export or a pin"
        )
        self.fault = fault
