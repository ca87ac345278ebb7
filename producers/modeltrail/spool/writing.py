"""The writer's side: the emitter's own spool. One ``write(2)`` a note; no lock and no thread here (emitter.py has)."""

import os
from pathlib import Path

from modeltrail.spool.framing import encode_frame
from modeltrail.spool.layout import SEGMENT_BYTES, Header, encode_header, notes_file
from modeltrail.spool.ownership import Ownership, found


class SpoolWriter:
    """Appends notes to the last segment of a spool that this process owns.

    ``segment`` and ``written_bytes`` tell a reader of the same process how far the spool is whole.
    """

    def __init__(self, ownership: Ownership, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.ownership = ownership
        self._segment_bytes = segment_bytes
        self._descriptor = -1
        self.place = (0, 0)
        """(segment, bytes written to it): up to there the spool is whole."""
        self._begin_segment(Header())

    @classmethod
    def create(cls, root: Path, emitter_id: str, host: str, *, segment_bytes: int = SEGMENT_BYTES) -> "SpoolWriter":
        """Make the spool of a new emitter. Raises OSError."""
        ownership = found(root, emitter_id, host)
        try:
            return cls(ownership, segment_bytes=segment_bytes)
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
        self.place = (segment, written + count)
        return count

    def rotate(self, header: Header) -> None:
        """Begin the next segment; ``header`` says what a reader must know of the ones before. Raises OSError."""
        self._begin_segment(header)

    def sync(self) -> None:
        """Return once what was written survives a power cut. Raises OSError."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the files and let go of the spool, which stays. In a forked child this frees nothing of the parent's."""
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
        previous, self._descriptor = self._descriptor, descriptor
        self.place = (segment, len(frame))
        if previous >= 0:
            os.fsync(previous)
            os.close(previous)

    def _cut(self, size_bytes: int) -> None:
        os.ftruncate(self._descriptor, size_bytes)
