"""What one process wrote is on the disk once another synced it: the disk is copied as a power cut would leave it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from modeltrail.spool.layout import notes_file
from modeltrail.spool.ownership import read_owner
from modeltrail.spool.writing import SpoolWriter

pytestmark = pytest.mark.fault

SYNC = """
import sys
from pathlib import Path
from modeltrail.sending.syncing import SpoolSyncer
SpoolSyncer(Path(sys.argv[1])).sync()
"""


class Disk:
    """A small ext4 file system in a file, which commits by itself only after minutes."""

    def __init__(self, folder: Path) -> None:
        self.image, self.root = folder / "image", folder / "root"

    def make(self) -> None:
        self.root.mkdir()
        with self.image.open("wb") as file:
            file.truncate(64 * 1024 * 1024)
        for command in (
            ["mkfs.ext4", "-q", "-F", str(self.image)],
            ["mount", "-o", "loop,commit=300", str(self.image), str(self.root)],
        ):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"a disk of one's own needs root and loop devices: {done.stderr}")

    def after_a_power_cut(self, folder: Path) -> "Disk":
        other = Disk(folder)
        folder.mkdir()
        shutil.copyfile(self.image, other.image)
        other.root.mkdir()
        subprocess.run(["mount", "-o", "loop", str(other.image), str(other.root)], check=True)
        return other

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", str(self.root)], capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    try:
        disk.make()
        yield disk
    finally:
        disk.unmount()


def test_a_spool_that_only_another_process_synced_survives_a_power_cut_with_its_name_and_owner(
    disk: Disk, tmp_path: Path
) -> None:
    writer = SpoolWriter.create(disk.root / "spool", "e1", host="h", log="the log")
    writer.append(b"first")
    subprocess.run([sys.executable, "-c", SYNC, str(disk.root / "spool")], check=True)
    after = disk.after_a_power_cut(tmp_path / "after")
    try:
        folder = after.root / "spool" / "e1"
        assert b"first" in notes_file(folder, 1).read_bytes()
        assert read_owner(folder).log == "the log"
    finally:
        after.unmount()
        writer.close()


def test_what_another_process_synced_survives_a_power_cut(disk: Disk, tmp_path: Path) -> None:
    synced = SpoolWriter.create(disk.root / "spool", "e1", host="h", log="l")
    control = SpoolWriter.create(disk.root / "control", "e2", host="h", log="l")
    for writer in (synced, control):
        writer.append(b"first")
        writer.sync()
        writer.append(b"second")
    subprocess.run([sys.executable, "-c", SYNC, str(disk.root / "spool")], check=True)
    after = disk.after_a_power_cut(tmp_path / "after")
    try:
        assert b"second" in notes_file(after.root / "spool" / "e1", 1).read_bytes()
        if b"second" in notes_file(after.root / "control" / "e2", 1).read_bytes():
            pytest.skip("the kernel wrote what nobody had synced: a busy disk, which shows nothing")
    finally:
        after.unmount()
        synced.close()
        control.close()
