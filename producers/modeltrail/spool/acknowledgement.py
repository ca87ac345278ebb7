"""What the log has of a spool, told by the sender to the process that writes it: 20 bytes, written over in place.

Segment and offset, 8 bytes each, little-endian, then the CRC-32 of both. The file has its block from the start, so
that a full disk does not keep the sender from telling.
"""

import os
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from modeltrail.spool.layout import acknowledged_file

Place = tuple[int, int]
"""A segment, and an offset in it. Places of one spool compare in the order in which they are written."""

NOWHERE: Place = (0, 0)
SIZE_BYTES = 20


def encode_place(place: Place) -> bytes:
    """Return the bytes that tell ``place``."""
    body = place[0].to_bytes(8, "little") + place[1].to_bytes(8, "little")
    return body + crc32(body).to_bytes(4, "little")


def decode_place(data: bytes) -> Place:
    """Return the place that ``encode_place`` told; NOWHERE when it was read while it was written."""
    body = data[:16]
    if len(data) != SIZE_BYTES or crc32(body).to_bytes(4, "little") != data[16:]:
        return NOWHERE
    return int.from_bytes(body[:8], "little"), int.from_bytes(body[8:], "little")


def write_acknowledged(folder: Path, place: Place) -> None:
    """Tell the owner of a spool up to where the log has it; an owner that is gone needs no telling."""
    with suppress(OSError):
        descriptor = os.open(acknowledged_file(folder), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(descriptor, encode_place(place), 0)
        finally:
            os.close(descriptor)


def read_acknowledged(folder: Path) -> Place:
    """Return up to where the log has a spool; NOWHERE when that cannot be told just now."""
    try:
        with acknowledged_file(folder).open("rb") as file:
            return decode_place(file.read(SIZE_BYTES))
    except OSError:
        return NOWHERE
