"""Who owns a spool: the process that holds its ``owner`` file by flock. The kernel frees it when that process dies.

A lock belongs to an open file: a forked child must close its copy (never unlock it), and does in ``release``.
"""

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from modeltrail.spool.layout import owner_file, unfinished_folder


@dataclass(frozen=True, slots=True)
class Owner:
    """Which process made a spool. ``started_ns`` is when it made it, UTC."""

    host: str
    process_id: int
    started_ns: int


@dataclass(slots=True)
class Ownership:
    """A spool that this process holds."""

    folder: Path
    owner: Owner
    descriptor: int

    def release(self) -> None:
        """Let go. The spool's files stay; may be called twice."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def found(root: Path, emitter_id: str, host: str) -> Ownership:
    """Make the spool of a new emitter and own it; nobody sees it before it is owned. Raises OSError."""
    owner = Owner(host, os.getpid(), time.time_ns())
    making = unfinished_folder(root, emitter_id)
    making.mkdir(parents=True)
    descriptor = os.open(owner_file(making), os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, json.dumps(asdict(owner)).encode())
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder = root / emitter_id
        making.rename(folder)
    except BaseException:
        os.close(descriptor)
        raise
    return Ownership(folder, owner, descriptor)


def adopt(folder: Path) -> Ownership | None:
    """Own the spool of a dead process; None when its process lives or somebody else just adopted it."""
    try:
        descriptor = os.open(owner_file(folder), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino != owner_file(folder).stat().st_ino:
            raise FileNotFoundError  # it was drained and removed while we waited for the lock
    except OSError:
        os.close(descriptor)
        return None
    return Ownership(folder, read_owner(folder), descriptor)


def is_alive(folder: Path) -> bool:
    """Return whether the process that owns a spool lives."""
    ownership = adopt(folder)
    if ownership is None:
        return owner_file(folder).exists()
    ownership.release()
    return False


def read_owner(folder: Path) -> Owner:
    """Return who made a spool; an owner without a name when that cannot be read."""
    try:
        return Owner(**json.loads(owner_file(folder).read_bytes()))
    except (OSError, ValueError, TypeError):
        return Owner("", 0, 0)
