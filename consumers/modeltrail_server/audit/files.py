"""The disk, as the auditor changes it. ``Files`` is the single steps, ``Store`` the durable verbs made of them.

A test puts its own ``Files`` in and lets a crash fall at any step. Knows nothing of trees and records.
"""

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from modeltrail_server.audit.errors import AuditDamagedError, AuditWriteError, Fault, FaultKind

PUBLIC_MODE = 0o644
SECRET_MODE = 0o600
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Files:
    """One system call or so each, on real files."""

    def make_folder(self, path: Path) -> None:
        """Make one folder; fine if it is there."""
        with contextlib.suppress(FileExistsError):
            path.mkdir()

    def create(self, path: Path, data: bytes, mode: int) -> None:
        """Make a file that must not exist, with at most this mode, and write it."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(fd, "wb", buffering=0) as file:
            _write_all(file.fileno(), data)

    def extend(self, path: Path, at: int, data: bytes) -> None:
        """Cut a file (made when missing) to ``at`` bytes and write ``data`` from there on."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, PUBLIC_MODE)
        with open(fd, "wb", buffering=0):
            os.ftruncate(fd, at)
            os.lseek(fd, at, os.SEEK_SET)
            _write_all(fd, data)

    def sync(self, path: Path) -> None:
        """Wait until a file's bytes, or a folder's names, are on the disk."""
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name. Raises FileExistsError rather than replace one."""
        os.link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        """Rename, replacing ``target`` at one stroke."""
        source.rename(target)

    def unlink(self, path: Path) -> None:
        """Remove a name; fine if it is gone."""
        path.unlink(missing_ok=True)


class Store:
    """Durable verbs on the files below one folder. Names are relative; scratch files lie in ``scratch``."""

    def __init__(self, folder: Path, scratch: str, files: Files) -> None:
        self.folder = folder
        self._scratch = folder / scratch
        self._files = files
        self._durable_folders: set[Path] = set()

    def make(self) -> None:
        """Make the folder where missing."""
        with explained(self.folder):
            self._make_folders(self._scratch)

    def clear(self) -> None:
        """Remove what a crash left in scratch. Only for whoever holds the lock: it may be somebody's work."""
        with explained(self.folder):
            for left in sorted(self._scratch.iterdir()):
                self._files.unlink(left)

    def read(self, name: str) -> bytes:
        """Return a file's bytes. Raises FileNotFoundError."""
        return (self.folder / name).read_bytes()

    def write_once(self, items: Mapping[str, bytes], mode: int = PUBLIC_MODE) -> None:
        """Write files that never change, durably, each whole or not at all.

        One that exists with the same bytes is fine; with other bytes it is left and AuditDamagedError raised.
        """
        with explained(self.folder):
            scratches = {name: self._scratch / str(number) for number, name in enumerate(items)}
            for name, scratch in scratches.items():
                self._files.create(scratch, items[name], mode)
            for scratch in scratches.values():
                self._files.sync(scratch)
            parents = {(self.folder / name).parent for name in items}
            for parent in sorted(parents):
                self._make_folders(parent)
            for name, scratch in scratches.items():
                self._link(scratch, name, items[name])
                self._files.unlink(scratch)
            for parent in sorted(parents):
                self._files.sync(parent)

    def replace(self, name: str, data: bytes) -> None:
        """Put ``data`` in place of a file, durably, at one stroke."""
        with explained(self.folder):
            scratch = self._scratch / name.replace("/", "-")
            self._files.create(scratch, data, PUBLIC_MODE)
            self._files.sync(scratch)
            target = self.folder / name
            self._files.rename(scratch, target)
            self._files.sync(target.parent)

    def extend(self, name: str, at: int, data: bytes) -> None:
        """Append to a file whose first ``at`` bytes count, durably; what lies beyond them is cut off first."""
        with explained(self.folder):
            path = self.folder / name
            self._make_folders(path.parent)
            self._files.extend(path, at, data)
            self._files.sync(path)
            self._files.sync(path.parent)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files that another has made superfluous, and the folders that get empty by it."""
        with explained(self.folder):
            for name in names:
                path = self.folder / name
                self._files.unlink(path)
                with contextlib.suppress(OSError):
                    path.parent.rmdir()
                    self._durable_folders.discard(path.parent)

    def _link(self, scratch: Path, name: str, data: bytes) -> None:
        try:
            self._files.link(scratch, self.folder / name)
        except FileExistsError:
            if self.read(name) != data:
                raise AuditDamagedError(
                    Fault(FaultKind.FORKED, name, "this file exists, and what the log now says belongs there differs")
                ) from None

    def _make_folders(self, folder: Path) -> None:
        """Make a folder with its parents. One that exists may be a crashed auditor's: its name is synced once too."""
        if folder in self._durable_folders:
            return
        if folder != self.folder:
            self._make_folders(folder.parent)
        elif not folder.parent.exists():
            folder.parent.mkdir(parents=True)
        self._files.make_folder(folder)
        self._files.sync(folder.parent)
        self._durable_folders.add(folder)


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Raise AuditWriteError, with the reason, for what the disk refuses inside."""
    try:
        yield
    except OSError as error:
        raise AuditWriteError(
            f"the audit log in {folder} cannot be written: {error.strerror or error}",
            remedy="free space or mend the disk, then start the auditor again: it goes on where it was",
            is_full=error.errno in _NO_ROOM,
        ) from error


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
