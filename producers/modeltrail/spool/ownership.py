"""Who owns a spool: the process that holds its ``owner`` file by flock. The kernel frees it when that process dies.

A lock belongs to an open file: a forked child must close its copy (never unlock it), and does in ``release``.
"""

import fcntl
import json
import os
import shutil
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from modeltrail.spool.acknowledgement import NOWHERE, encode_place
from modeltrail.spool.layout import acknowledged_file, owner_file, unfinished_folder


@dataclass(frozen=True, slots=True)
class Owner:
    """Which process made a spool, when (``started_ns``, UTC), and the address of the log its events go to."""

    host: str = ""
    process_id: int = 0
    started_ns: int = 0
    log: str = ""

    def has_ended(self) -> bool:
        """Return whether the process is known to be gone; of another machine's nothing is known."""
        if self.host != socket.gethostname() or self.process_id <= 0:
            return False
        try:
            os.kill(self.process_id, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False


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


def found(root: Path, emitter_id: str, *, host: str, log: str) -> Ownership:
    """Make the spool of a new emitter and own it; nobody sees it before it is owned. Raises OSError.

    It survives the process; a power cut only after ``secure``.
    """
    owner = Owner(host, os.getpid(), time.time_ns(), log)
    making = unfinished_folder(root, emitter_id)
    making.mkdir(parents=True)
    folder = root / emitter_id
    descriptor = os.open(owner_file(making), os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, json.dumps(asdict(owner)).encode())
        acknowledged_file(making).write_bytes(encode_place(NOWHERE))
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        making.rename(folder)
    except BaseException:
        os.close(descriptor)
        raise
    return Ownership(folder, owner, descriptor)


def discard(ownership: Ownership) -> None:
    """Remove a spool of which the log has everything, out of sight first: a crash leaves nothing half of it."""
    folder = ownership.folder
    hidden = unfinished_folder(folder.parent, folder.name)
    folder.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def secure(folder: Path) -> None:
    """Return once a spool and what its files are called survive a power cut. Raises OSError."""
    for path in (owner_file(folder), folder, folder.parent):
        sync_folder(path)


def sync_folder(folder: Path) -> None:
    """Return once the names in ``folder``, or a file's content, survive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def adopt(folder: Path, *, log: str | None = None) -> Ownership | None:
    """Own the spool of a dead process; None when its process lives, or somebody else just adopted it.

    With ``log``, None also when its events go to another log.
    """
    if log is not None and read_owner(folder).log not in (log, ""):  # a power cut can empty the file
        return None
    try:
        descriptor = os.open(owner_file(folder), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
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


def remove_unfinished(root: Path, *, older_than_s: float = 3_600.0) -> None:
    """Remove what is left where a process died while it made its spool, before its first note."""
    for folder in root.glob(unfinished_folder(root, "*").name):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > older_than_s:
                shutil.rmtree(folder)


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
        return Owner()
