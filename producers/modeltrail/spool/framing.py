"""Frames: how one note, or one batch of events, lies in a spool file. Pure.

A frame is, integers little-endian:

    4 bytes   F5 6D 74 31   a mark (F5 occurs in no UTF-8 text)
    4 bytes   length        of the payload
    4 bytes   CRC-32        (zlib) of the length's four bytes and the payload
    length    payload

Frames follow each other without padding. A file is read to its end: what cannot be a frame is skipped up to the
next whole one, and an unfinished last one is what a crash leaves of a write.
"""

from dataclasses import dataclass
from zlib import crc32

MARK = b"\xf5mt1"
HEADER_BYTES = 12
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Frames:
    """What a file's bytes hold.

    ``payloads`` with the offset after each; ``damages`` are (start, end) of bytes that are no frame; ``end`` is
    the offset after the last whole frame or damage, where a torn tail starts.
    """

    payloads: list[tuple[bytes, int]]
    damages: list[tuple[int, int]]
    end: int


def encode_frame(payload: bytes) -> bytes:
    """Return the frame of ``payload``."""
    length = len(payload).to_bytes(4, "little")
    return b"".join((MARK, length, crc32(payload, crc32(length)).to_bytes(4, "little"), payload))


def decode_frames(data: bytes, *, offset: int = 0) -> Frames:
    """Return the frames in ``data``, which starts at ``offset`` of its file and goes to the file's end."""
    payloads: list[tuple[bytes, int]] = []
    damages: list[tuple[int, int]] = []
    at = 0
    while at < len(data):
        end = _frame_end(data, at)
        if end is not None:
            payloads.append((data[at + HEADER_BYTES : end], offset + end))
            at = end
            continue
        following = _next_frame(data, at + 1)
        if following is None:
            if not _may_be_torn(data, at):
                damages.append((offset + at, offset + len(data)))
                at = len(data)
            break
        damages.append((offset + at, offset + following))
        at = following
    return Frames(payloads, damages, offset + at)


def _frame_end(data: bytes, at: int) -> int | None:
    """Return where the frame at ``at`` ends; None when there is no whole one."""
    if data[at : at + 4] != MARK:
        return None
    length = int.from_bytes(data[at + 4 : at + 8], "little")
    end = at + HEADER_BYTES + length
    if end > len(data) or length > MAX_PAYLOAD_BYTES:
        return None
    checksum = crc32(memoryview(data)[at + HEADER_BYTES : end], crc32(data[at + 4 : at + 8]))
    return end if checksum == int.from_bytes(data[at + 8 : at + 12], "little") else None


def _next_frame(data: bytes, at: int) -> int | None:
    while (at := data.find(MARK, at)) >= 0:
        if _frame_end(data, at) is not None:
            return at
        at += 1
    return None


def _may_be_torn(data: bytes, at: int) -> bool:
    """Return whether the bytes from ``at`` on are the beginning of a frame whose rest was never written."""
    if not MARK.startswith(data[at : at + 4]):
        return False
    if len(data) - at < HEADER_BYTES:
        return True
    length = int.from_bytes(data[at + 4 : at + 8], "little")
    return length <= MAX_PAYLOAD_BYTES and at + HEADER_BYTES + length > len(data)
