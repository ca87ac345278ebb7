"""A real process on a disk that fails, and what a power cut leaves of what it wrote.

``Laboratory`` is a process with failing_disk.c before its C library; it audits in children of its own, each with its
own fault. ``Disk`` reads the journal of what such a child did to its folder, and lays out what is left when the power
goes: everything synced, and of the rest nothing, the names only, or by chance some of it.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, StrEnum
from pathlib import Path, PurePosixPath
from random import Random
from typing import NamedTuple

HERE = Path(__file__).parent
COMPILERS = ("cc", "gcc", "clang", "tcc")
ANSWER_LIMIT_S = 120

Names = dict[str, int]
NameChange = tuple[str, int | None]


class Mode(IntEnum):
    """What happens at the chosen step; the numbers are those of failing_disk.c."""

    JOURNAL_ONLY = 0
    FAIL_ONCE = 1
    FAIL_FROM_THERE_ON = 2
    DIE = 3


class Fault(NamedTuple):
    """``mode`` at step ``at`` (from 1), with errno ``refusal`` where the step is refused."""

    mode: Mode = Mode.JOURNAL_ONLY
    at: int = 0
    refusal: int = 0


NO_FAULT = Fault()


class Ended(NamedTuple):
    """How an audit ended: its exit code (negative: the signal), what it said, the size it last reported signed."""

    exit_code: int
    said: str
    signed: int


def compile_failing_disk(folder: Path) -> Path | None:
    """Return the library, compiled into ``folder``; None where this machine has no C compiler."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None
    library = folder / "failing_disk.so"
    # Fortified headers define open() themselves.
    options = ["-shared", "-fPIC", "-O1", "-U_FORTIFY_SOURCE", "-o", str(library)]
    command = [compiler, *options, str(HERE / "failing_disk.c"), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_LIMIT_S)
    assert done.returncode == 0, done.stderr
    return library


class Laboratory:
    """Audits into folders, each time in a process of its own."""

    def __init__(self, library: Path) -> None:
        # Its thousand children are not measured: their coverage would be lost anyway.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "failing_disk_process.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ | {"LD_PRELOAD": str(library)},
            text=True,
        )

    def audit(self, folder: Path, journal: Path, fault: Fault = NO_FAULT) -> Ended:
        """Audit the history into ``folder`` up to its end or to the fault; the journal is appended to."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(folder), str(journal), *fault]), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, "the laboratory has gone"
        return Ended(*json.loads(answer))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(ANSWER_LIMIT_S)
        self._process.stdout.close()


class Left(StrEnum):
    """What a power cut leaves of what was not synced."""

    NOTHING = "nothing"
    NAMES = "the names of files, whose bytes are lost"
    SOMETHING = "some of it, by chance"


class _File:
    """The bytes of a file as they would be read, as they are on the disk, and what lies between."""

    def __init__(self) -> None:
        self.read, self.synced = bytearray(), bytearray()
        self.unsynced: list[tuple[int, bytes | None]] = []  # (offset, bytes), or (length, None)


class _Folder:
    """The names of a folder, in the same three forms; a change sets a name to a file or removes it."""

    def __init__(self) -> None:
        self.read: Names = {}
        self.synced: Names = {}
        self.unsynced: list[NameChange] = []


class Disk:
    """The files below ``root``, which was an empty folder when the journal began, as the journal tells them."""

    def __init__(self, root: Path, journal: Path) -> None:
        self._root = str(root)
        self._files: dict[int, _File] = {}
        self._folders: dict[str, _Folder] = {self._root: _Folder()}
        self._folder_at: dict[int, str] = {root.stat().st_ino: self._root}
        self.steps: list[str] = []
        for line in journal.read_text(encoding="utf-8").splitlines():
            what, *arguments = line.split("\t")
            getattr(self, f"_{what}")(*arguments)

    def lay_out(self, target: Path, left: Left | None, chance: Random) -> None:
        """Make ``target`` what a power cut leaves; ``left`` None: as if there had been none."""
        shutil.rmtree(target, ignore_errors=True)
        self._lay_out(target, self._root, left, chance)

    def _lay_out(self, target: Path, path: str, left: Left | None, chance: Random) -> None:
        target.mkdir()
        for name, inode in self._names(self._folders[path], left, chance).items():
            if inode in self._files:
                (target / name).write_bytes(self._bytes(self._files[inode], left, chance))
                (target / name).chmod(0o600 if name == "key" else 0o644)
            else:
                self._lay_out(target / name, f"{path}/{name}", left, chance)

    @staticmethod
    def _names(folder: _Folder, left: Left | None, chance: Random) -> Names:
        if left is None or left is Left.NAMES:
            return folder.read
        names = dict(folder.synced)
        for name, inode in folder.unsynced if left is Left.SOMETHING else ():
            if chance.random() < 0.5:
                _change(names, name, inode)
        return names

    @staticmethod
    def _bytes(file: _File, left: Left | None, chance: Random) -> bytes:
        if left is None:
            return bytes(file.read)
        data = bytearray(file.synced)
        for place, new in file.unsynced if left is Left.SOMETHING else ():
            if chance.random() < 0.5:
                _put(data, place, new)
        if left is Left.NAMES:
            data = data[: len(file.read)].ljust(len(file.read), b"\0")
        return bytes(data)

    def _step(self, what: str, path: str) -> None:
        self.steps.append(f"{what} {path.removeprefix(self._root + '/')}")

    def _create(self, inode: str, path: str) -> None:
        self._files[int(inode)] = _File()
        self._set(path, int(inode))

    def _write(self, inode: str, offset: str, data: str) -> None:
        self._alter(inode, int(offset), bytes.fromhex(data))

    def _truncate(self, inode: str, length: str) -> None:
        self._alter(inode, int(length), None)

    def _sync(self, inode: str) -> None:
        synced = self._at(inode)
        if isinstance(synced, _File):
            for place, new in synced.unsynced:
                _put(synced.synced, place, new)
        else:
            synced.synced = dict(synced.read)
        synced.unsynced = []

    def _lose(self, inode: str) -> None:
        lost = self._at(inode)
        if isinstance(lost, _File):
            lost.unsynced = []

    def _link(self, inode: str, path: str) -> None:
        self._set(path, int(inode))

    def _rename(self, before: str, after: str) -> None:
        folder, name = self._place(before)
        self._set(after, folder.read[name])
        self._set(before, None)

    def _unlink(self, path: str) -> None:
        self._set(path, None)

    _rmdir = _unlink

    def _mkdir(self, inode: str, path: str) -> None:
        self._files.pop(int(inode), None)
        self._folders[path] = _Folder()
        self._folder_at[int(inode)] = path
        self._set(path, int(inode))

    def _at(self, inode: str) -> _File | _Folder:
        file = self._files.get(int(inode))
        return file if file is not None else self._folders[self._folder_at[int(inode)]]

    def _alter(self, inode: str, place: int, new: bytes | None) -> None:
        file = self._files[int(inode)]
        _put(file.read, place, new)
        file.unsynced.append((place, new))

    def _set(self, path: str, inode: int | None) -> None:
        folder, name = self._place(path)
        _change(folder.read, name, inode)
        folder.unsynced.append((name, inode))

    def _place(self, path: str) -> tuple[_Folder, str]:
        place = PurePosixPath(path)
        return self._folders[str(place.parent)], place.name


def _put(data: bytearray, place: int, new: bytes | None) -> None:
    if new is None:
        data[:] = data[:place].ljust(place, b"\0")
    else:
        data[:] = data.ljust(place, b"\0")
        data[place : place + len(new)] = new


def _change(names: Names, name: str, inode: int | None) -> None:
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode


@contextmanager
def laboratory(library: Path) -> Iterator[Laboratory]:
    """Give a laboratory, ended at the end."""
    made = Laboratory(library)
    try:
        yield made
    finally:
        made.close()
