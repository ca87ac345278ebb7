"""The writer's side: the emitter's own spool, one ``write(2)`` a note. The emitter keeps it to one thread."""

import os
from pathlib import Path

from modeltrail.spool.acknowledgement import Place
from modeltrail.spool.framing import encode_frame
from modeltrail.spool.layout import SEGMENT_BYTES, Header, encode_header, notes_file, unfinished_notes_file
from modeltrail.spool.ownership import Ownership, found, secure


class SpoolWriter:
    """Appends notes to the last segment of a spool that this process owns."""

    def __init__(self, ownership: Ownership, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.ownership = ownership
        self._segment_bytes = segment_bytes
        self._segment = 0
        self._size_bytes = 0
        self._descriptor = -1
        self._finished_descriptor = -1
        self._synced_segment = 0
        self.rotate(Header())

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
        return self._size_bytes >= self._segment_bytes

    @property
    def place(self) -> Place:
        """Return how far the spool is written: asked of the file, so that a signal that cut in changes nothing."""
        return self._segment, os.fstat(self._descriptor).st_size

    def append(self, payload: bytes) -> int:
        """Append one frame; return its bytes. Raises OSError and leaves the file as it was."""
        frame = encode_frame(payload)
        count = os.write(self._descriptor, frame)
        if count != len(frame):
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - count)
            raise OSError(28, "the disk took a part of a note only")
        self._size_bytes += count
        return count

    def rotate(self, header: Header) -> None:
        """Begin the next segment; ``header`` says what a reader must know of the ones before. Raises OSError.

        It is seen only when it is whole: a reader takes the one before for finished then.
        """
        segment = self._segment + 1
        folder = self.ownership.folder
        path = unfinished_notes_file(folder, segment)
        descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
        frame = encode_frame(encode_header(header))
        try:
            if os.write(descriptor, frame) != len(frame):
                raise OSError(28, "the disk took a part of a header only")
            path.rename(notes_file(folder, segment))
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        if self._finished_descriptor >= 0:  # finished a whole segment ago, and synced by the sender long since
            os.close(self._finished_descriptor)
        self._finished_descriptor, self._descriptor = self._descriptor, descriptor
        self._segment, self._size_bytes = segment, len(frame)

    def sync(self) -> None:
        """Return once what was written survives a power cut. Raises OSError."""
        if self._finished_descriptor >= 0:
            os.fsync(self._finished_descriptor)
            os.close(self._finished_descriptor)
            self._finished_descriptor = -1
        os.fsync(self._descriptor)
        if self._synced_segment != self._segment:
            secure(self.ownership.folder)
            self._synced_segment = self._segment

    def close(self) -> None:
        """Close the files and let go of the spool, which stays. A forked child takes nothing from its parent so."""
        for descriptor in (self._finished_descriptor, self._descriptor):
            if descriptor >= 0:
                os.close(descriptor)
        self._finished_descriptor = self._descriptor = -1
        self.ownership.release()
