"""The writer's side: the emitter's own spool, one ``write(2)`` a note. The emitter keeps it to one thread."""

import os
from contextlib import suppress
from pathlib import Path

from modeltrail.spool.framing import encode_frame
from modeltrail.spool.layout import SEGMENT_BYTES, Header, encode_header, notes_file
from modeltrail.spool.ownership import Ownership, found, sync_folder


class SpoolWriter:
    """Appends notes to the last segment of a spool that this process owns.

    ``place`` tells a reader of the same process how far the spool is whole: (segment, bytes written to it).
    """

    def __init__(self, ownership: Ownership, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.ownership = ownership
        self._segment_bytes = segment_bytes
        self._descriptor = -1
        self._finished_descriptors: list[int] = []
        self._synced_segment = 0
        self.place = (0, 0)
        self._begin_segment(Header())

    @classmethod
    def create(cls, root: Path, emitter_id: str, *, host: str, log: str) -> "SpoolWriter":
        """Make the spool of a new emitter, whose events go to ``log``. Raises OSError."""
        ownership = found(root, emitter_id, host=host, log=log)
        try:
            return cls(ownership)
        except BaseException:
            ownership.release()
            raise

    @property
    def is_full(self) -> bool:
        """Return whether the segment reached its size, and ``rotate`` is due."""
        return self.place[1] >= self._segment_bytes

    def append(self, payload: bytes) -> int:
        """Append one frame; return its bytes. Raises OSError and leaves the file as it was."""
        frame = encode_frame(payload)
        segment, written = self.place
        try:
            count = os.write(self._descriptor, frame)
        except OSError:
            self._cut(written)
            raise
        if count != len(frame):
            self._cut(written)
            raise OSError(28, "the disk took a part of a note only")
        # Asked of the file, so that an append that a signal cut short between write and here is made up for.
        self.place = (segment, os.lseek(self._descriptor, 0, os.SEEK_CUR))
        return count

    def rotate(self, header: Header) -> None:
        """Begin the next segment; ``header`` says what a reader must know of the ones before. Raises OSError."""
        self._begin_segment(header)

    def sync(self) -> None:
        """Return once what was written survives a power cut; any thread may ask. Raises OSError."""
        while self._finished_descriptors:
            with suppress(IndexError):  # another thread was faster
                finished = self._finished_descriptors.pop(0)
                try:
                    os.fsync(finished)
                finally:
                    os.close(finished)
        os.fsync(self._descriptor)
        if self._synced_segment != (segment := self.place[0]):
            sync_folder(self.ownership.folder)
            self._synced_segment = segment

    def close(self) -> None:
        """Close the files and let go of the spool, which stays. A forked child takes nothing from its parent so."""
        while self._finished_descriptors:
            os.close(self._finished_descriptors.pop())
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.ownership.release()

    def _begin_segment(self, header: Header) -> None:
        segment = self.place[0] + 1
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        path = notes_file(self.ownership.folder, segment)
        descriptor = os.open(path, flags, 0o644)
        frame = encode_frame(encode_header(header))
        try:
            if os.write(descriptor, frame) != len(frame):
                raise OSError(28, "the disk took a part of a header only")
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
        if self._descriptor >= 0:
            self._finished_descriptors.append(self._descriptor)  # synced by the next sync, not in the caller's time
        self._descriptor = descriptor
        self.place = (segment, len(frame))

    def _cut(self, size_bytes: int) -> None:
        os.ftruncate(self._descriptor, size_bytes)
