"""Syncing: what any process of a home wrote to its spool survives a power cut a moment later.

fsync is a matter of the file, not of who wrote: it writes out the pages of the inode, whichever process filled them.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from modeltrail.spool.layout import notes_file, segments, spool_folders
from modeltrail.spool.ownership import secure

SYNC_INTERVAL_S = 0.08
"""How long a note waits at most for its sync to begin; of the 100 ms that are promised the rest is the disk's.

Not more often: a write that meets the file system's commit of a sync waits for it, and that is the caller's time.
"""

# The sizes of files are synced, their times are not; where there is no such call (macOS), all is.
_sync_data = getattr(os, "fdatasync", os.fsync)


class SpoolSyncer:
    """Syncs the segments of all spools under ``root`` that have grown."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._synced: dict[Path, int] = {}

    def run(self, until: threading.Event) -> None:
        """Sync again and again."""
        while not until.wait(SYNC_INTERVAL_S):
            with suppress(OSError):  # a disk that fails is noticed by the next write
                self.sync()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Sync again and again in a thread, during the block."""
        ended = threading.Event()
        thread = threading.Thread(target=self.run, args=(ended,), name="modeltrail-sync", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def sync(self) -> None:
        """Sync what has grown since the last time. Raises OSError."""
        seen: dict[Path, int] = {}
        try:
            for folder in spool_folders(self._root):
                for segment in segments(folder):
                    with suppress(FileNotFoundError):  # sent and removed meanwhile
                        path = notes_file(folder, segment)
                        seen[path] = self._sync(path)
        finally:
            self._synced = seen

    def _sync(self, path: Path) -> int:
        """Sync one segment; return up to where it is on the disk now."""
        synced, size_bytes = self._synced.get(path), path.stat().st_size
        if synced == size_bytes:
            return size_bytes
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _sync_data(descriptor)
        finally:
            os.close(descriptor)
        if synced is None:
            secure(path.parent)
        return size_bytes
