"""Locks on an audit folder (flock): the kernel frees them however their holder goes, so none is ever stale."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from modeltrail_server.audit.errors import AuditorRunningError
from modeltrail_server.audit.files import PUBLIC_MODE, explained

_PID_BYTES = 32


def hold(path: Path) -> int:
    """Take the lock at ``path`` for as long as the returned descriptor is open.

    Raises AuditorRunningError, with the pid of the holder, when somebody has it; AuditWriteError.
    """
    with explained(path.parent):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PUBLIC_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, _PID_BYTES, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise AuditorRunningError(
            f"another auditor (pid {holder}) holds the audit log in {path.parent}",
            remedy=f"one is enough; to take over, stop that process: kill {holder}",
        ) from None
    try:
        with explained(path.parent):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def waiting(path: Path) -> Iterator[None]:
    """Take the lock at ``path``, waiting for whoever has it: for writes of a moment only."""
    with explained(path.parent):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PUBLIC_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
