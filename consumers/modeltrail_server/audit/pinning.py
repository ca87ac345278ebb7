"""Pins: a signed head kept outside the folder. Against whoever holds the key, only a pin proves anything."""

import os
from contextlib import suppress
from pathlib import Path

from modeltrail_schemas.counting import counted

from modeltrail_server.audit import layout
from modeltrail_server.audit.checkpoint import Checkpoint, verify_checkpoint
from modeltrail_server.audit.errors import AuditDamagedError, AuditError, Fault, FaultKind, ProofError
from modeltrail_server.audit.log_files import LogFiles, read_at_most
from modeltrail_server.audit.note import MAX_NOTE_BYTES, VerifierKey
from modeltrail_server.audit.tlog import check_consistency, prove_consistency


def write_pin(files: LogFiles, key: VerifierKey, path: Path) -> Checkpoint:
    """Write the current head, as it is signed, to ``path``; return it. An older pin there must be its past.

    Raises AuditDamagedError when what lies at ``path`` is a pin that the log has departed from: it stays. So does an
    older pin where the new one cannot be written (OSError).
    """
    head, note = files.read_note(key)
    if path.exists():
        require_descent(files, head, read_pin(path, key))
    target = path.resolve()
    scratch = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        scratch.write_bytes(note)
        scratch.replace(target)
    except OSError as error:
        with suppress(OSError):
            scratch.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error
    return head


def read_pin(path: Path, key: VerifierKey) -> Checkpoint:
    """Return the head in a pin. Raises NoteError when it is not one that ``key`` signed."""
    try:
        return verify_checkpoint(read_at_most(path, MAX_NOTE_BYTES), key)
    except OSError as error:
        raise AuditError(f"the pin {path} cannot be read: {error.strerror}") from error


def require_descent(files: LogFiles, head: Checkpoint, pinned: Checkpoint) -> None:
    """Raise AuditDamagedError unless the log under ``head`` begins with the log under ``pinned``."""
    name = files.name(layout.CHECKPOINT)
    if pinned.origin != head.origin:
        raise AuditError(
            f"the pin is of {pinned.origin}, this log is {head.origin}", remedy="give the pin of this log"
        )
    if pinned.size > head.size:
        detail = f"the log had {counted(pinned.size, 'record')} when it was pinned, and has {head.size} now"
        raise AuditDamagedError(Fault(FaultKind.TRUNCATED, name, detail, head.size))
    proof = prove_consistency(pinned.size, head.size, files)
    try:
        check_consistency(pinned.size, head.size, proof, pinned.root, head.root)
    except ProofError as error:
        detail = f"this log's first {pinned.size} records are not those that were pinned: another history was signed"
        raise AuditDamagedError(Fault(FaultKind.FORKED, name, detail)) from error
