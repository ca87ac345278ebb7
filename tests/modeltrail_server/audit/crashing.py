"""A disk that fails at a chosen step: the process dies, perhaps while writing, the power goes, or the disk is full.

The files are real. Losing power takes back what was not synced: bytes become zeros, names and renames are undone.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from modeltrail_server.audit.files import Files


class Crash(BaseException):
    """The process is gone: nothing in it may catch this."""


class CountingFiles(Files):
    """Counts steps, and spares the tests the wait for the disk."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def _step(self, name: str, path: Path) -> None:
        self.steps.append(f"{name} {path.name}")

    def make_folder(self, path: Path) -> None:
        self._step("make_folder", path)
        super().make_folder(path)

    def create(self, path: Path, data: bytes, mode: int) -> None:
        self._step("create", path)
        super().create(path, data, mode)

    def extend(self, path: Path, at: int, data: bytes) -> None:
        self._step("extend", path)
        super().extend(path, at, data)

    def sync(self, path: Path) -> None:
        self._step("sync", path)
        assert path.exists()

    def link(self, source: Path, target: Path) -> None:
        self._step("link", target)
        super().link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename", target)
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._step("unlink", path)
        super().unlink(path)


class CrashingFiles(CountingFiles):
    """Crashes before step ``at``; when ``torn``, after half of it if it writes."""

    def __init__(self, at: int, *, torn: bool = False) -> None:
        super().__init__()
        self._at = at
        self._torn = torn

    def _step(self, name: str, path: Path) -> None:
        super()._step(name, path)
        if len(self.steps) > self._at and not (self._torn and name in ("create", "extend")):
            self._crash()

    def _crash(self) -> None:
        raise Crash(f"at step {self._at}: {self.steps[-1]}")

    def create(self, path: Path, data: bytes, mode: int) -> None:
        if self._torn and len(self.steps) == self._at:
            super().create(path, data[: len(data) // 2], mode)
            self._crash()
        super().create(path, data, mode)

    def extend(self, path: Path, at: int, data: bytes) -> None:
        if self._torn and len(self.steps) == self._at:
            super().extend(path, at, data[: len(data) // 2])
            self._crash()
        super().extend(path, at, data)


class FullFiles(CrashingFiles):
    """Has no room from step ``at`` on; the process lives and must say so."""

    def _crash(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class PowerLossFiles(CrashingFiles):
    """Crashes before step ``at`` and loses everything that was not synced."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self._order: list[tuple[Path, Callable[[], None]]] = []
        self._unsynced: dict[int, tuple[int, int]] = {}  # inode → (descriptor, synced bytes)

    def make_folder(self, path: Path) -> None:
        fresh = not path.exists()
        super().make_folder(path)
        if fresh:
            self._undo(path.parent, lambda: shutil.rmtree(path, ignore_errors=True))

    def create(self, path: Path, data: bytes, mode: int) -> None:
        super().create(path, data, mode)
        self._dirty(path, 0)

    def extend(self, path: Path, at: int, data: bytes) -> None:
        fresh = not path.exists()
        super().extend(path, at, data)
        self._dirty(path, at)
        if fresh:
            self._undo(path.parent, lambda: path.unlink(missing_ok=True))

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        self._undo(target.parent, lambda: target.unlink(missing_ok=True))

    def rename(self, source: Path, target: Path) -> None:
        before = target.read_bytes() if target.exists() else None
        super().rename(source, target)
        self._undo(target.parent, lambda: target.unlink() if before is None else _write(target, before))

    def sync(self, path: Path) -> None:
        super().sync(path)
        self._lasting(path)

    def _lasting(self, path: Path) -> None:
        if path.is_dir():
            self._order = [(folder, undo) for folder, undo in self._order if folder != path]
        else:
            fd, _ = self._unsynced.pop(path.stat().st_ino, (None, 0))
            if fd is not None:
                os.close(fd)

    def forget(self) -> None:
        for fd, _ in self._unsynced.values():
            os.close(fd)
        self._unsynced = {}

    def _crash(self) -> None:
        for fd, synced in self._unsynced.values():
            lost = os.fstat(fd).st_size - synced
            os.pwrite(fd, bytes(max(0, lost)), synced)
        self.forget()
        for _, undo in reversed(self._order):
            with contextlib.suppress(FileNotFoundError):
                undo()
        super()._crash()

    def _dirty(self, path: Path, synced: int) -> None:
        fd = os.open(path, os.O_RDWR)
        old, length = self._unsynced.pop(os.fstat(fd).st_ino, (None, synced))
        if old is not None:
            os.close(old)
        self._unsynced[os.fstat(fd).st_ino] = (fd, min(synced, length))

    def _undo(self, folder: Path, undo: Callable[[], None]) -> None:
        self._order.append((folder, undo))


def _write(path: Path, data: bytes) -> None:
    path.unlink()  # the old inode, not the new bytes in it
    path.write_bytes(data)
