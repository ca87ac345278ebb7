"""Segments: the raw records, in files cut by offset: segment N holds the offsets from N * 8192 up to the next.

So where a segment begins and ends is a function of the log alone. A segment that has no record does not exist.

    magic 8 | number u64 | tree index of its first record u64 | frames…
    frame: body length u32 | CRC-32 of body u32 | body
    body:  offset u64 | timestamp_ms i64 | key length i32 (-1: no key) | value length u32 | headers length u32
           | key | value | headers

(big-endian.) Compressed, the same bytes are one gzip member with a fixed header. Reading only; the auditor writes.
"""

import contextlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from modeltrail.log import Record
from modeltrail.log.appending import MAX_RECORD_BYTES

from modeltrail_server.audit import layout
from modeltrail_server.audit.errors import AuditError
from modeltrail_server.audit.leaf import decode_headers

SEGMENT_OFFSETS = 8192
HEADER_BYTES = 24
READ_BYTES = 1 << 20
MAX_BODY_BYTES = 8 * MAX_RECORD_BYTES
"""The longest body of a frame: more than any log of ours takes, and little enough to be held by whoever verifies."""
_MAGIC = b"mtseg\x00\x00\x01"
_HEADER = struct.Struct(">8sQQ")
_FRAME = struct.Struct(">II")
_BODY = struct.Struct(">QqiII")
_GZIP_HEADER = b"\x1f\x8b\x08" + bytes(5) + b"\x00\xff"
_GZIP_TRAILER = struct.Struct("<II")
_RAW_DEFLATE_BITS = -15


class FrameError(Exception):
    """A segment's bytes are no segment from here on: internal, its readers turn it into a named fault."""


class FrameCutError(FrameError):
    """The segment ends in the middle of a frame."""


def segment_of(offset: int) -> int:
    """Return the number of the segment that holds ``offset``."""
    return offset // SEGMENT_OFFSETS


def encode_header(number: int, first_index: int) -> bytes:
    """Return the first bytes of a segment."""
    return _HEADER.pack(_MAGIC, number, first_index)


def decode_header(data: bytes) -> tuple[int, int]:
    """Return number and first tree index of a segment. Raises FrameError."""
    if len(data) != HEADER_BYTES:
        raise FrameCutError("the header is cut off")
    magic, number, first_index = _HEADER.unpack(data)
    if magic != _MAGIC:
        raise FrameError("this is not a segment")
    return number, first_index


def encode_frame(record: Record, headers: bytes) -> bytes:
    """Return a record as a frame; ``headers`` is ``leaf.encode_headers`` of its headers.

    Raises AuditError where its body is longer than MAX_BODY_BYTES.
    """
    key, value = record.key, record.value
    lengths = (-1 if key is None else len(key), len(value), len(headers))
    body = b"".join((_BODY.pack(record.offset, record.timestamp_ms, *lengths), key or b"", value, headers))
    if len(body) > MAX_BODY_BYTES:
        raise AuditError(
            f"record {record.partition}:{record.offset} has {len(body):,} bytes; a segment takes {MAX_BODY_BYTES:,}",
            remedy="set the topic's max.message.bytes to less (modeltrail topic check)",
        )
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def decode_body(body: bytes, partition: int) -> Record:
    """Return the record of a frame's body. Raises FrameError."""
    if len(body) < _BODY.size:
        raise FrameError("the frame is too short")
    offset, timestamp_ms, key_length, value_length, headers_length = _BODY.unpack_from(body)
    value_at = _BODY.size + max(key_length, 0)
    headers_at = value_at + value_length
    if key_length < -1 or headers_at + headers_length != len(body):
        raise FrameError("the lengths inside a frame do not add up")
    try:
        headers = decode_headers(body[headers_at:])
    except AuditError as error:
        raise FrameError(str(error)) from error
    key = None if key_length < 0 else body[_BODY.size : value_at]
    return Record(partition, offset, timestamp_ms, key, body[value_at:headers_at], headers)


class Source(Protocol):
    """A stream of a segment's uncompressed bytes."""

    def read(self, size: int, /) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""
        ...

    def close(self) -> None:
        """Free the file."""
        ...


@dataclass(slots=True)
class SegmentReader:
    """Reads a segment's frames in order. ``position`` counts its bytes read, ``end`` all of them if known."""

    path: Path
    partition: int
    source: Source
    end: int | None = None
    position: int = 0

    @classmethod
    def open(cls, folder: Path, number: int, partition: int) -> Self:
        """Open segment ``number`` of a partition's folder, in whichever form lies there. Raises FileNotFoundError.

        An auditor puts the compressed form there before it removes the other, so this order finds one.
        """
        path = folder / layout.segment_path(number)
        try:
            return cls.open_file(path, partition)
        except FileNotFoundError:
            return cls.open_file(path.with_name(path.name + layout.COMPRESSED), partition)

    @classmethod
    def open_file(cls, path: Path, partition: int) -> Self:
        """Open one form of a segment."""
        if path.suffix == layout.COMPRESSED:
            return cls(path, partition, _Inflating(path))
        return cls(path, partition, path.open("rb"), path.stat().st_size)

    def header(self) -> tuple[int, int]:
        """Read number and first tree index; the first thing to read. Raises FrameError."""
        return decode_header(self._take(HEADER_BYTES))

    def record(self) -> Record | None:
        """Read the next record, None at the end. Raises FrameError."""
        start = self._take(_FRAME.size)
        if not start:
            return None
        if len(start) < _FRAME.size:
            raise FrameCutError(f"the segment ends within a frame at byte {self.position}")
        length, checksum = _FRAME.unpack(start)
        if length > MAX_BODY_BYTES:
            raise FrameError(f"the frame at byte {self.position} says that it has {length:,} bytes")
        body = self._take(length)
        if len(body) < length:
            raise FrameCutError(f"the segment ends within a frame at byte {self.position}")
        if zlib.crc32(body) != checksum:
            raise FrameError(f"the checksum of the frame that ends at byte {self.position} is wrong")
        return decode_body(body, self.partition)

    def surplus_bytes(self) -> int:
        """Return how many bytes are left, READ_BYTES at most: what follows may be far more than its file has."""
        return len(self._take(READ_BYTES))

    def close(self) -> None:
        """Free the file. May be called twice."""
        self.source.close()

    def __enter__(self) -> Self:
        """Return itself; closed on leaving."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()

    def _take(self, size: int) -> bytes:
        if self.end is not None:  # a damaged length must not make a buffer of gigabytes
            size = min(size, self.end - self.position)
        data = self.source.read(size)
        self.position += len(data)
        return data


def compress(source: Source) -> Iterator[bytes]:
    """Yield the compressed form of a segment."""
    deflate = zlib.compressobj(wbits=_RAW_DEFLATE_BITS)
    checksum = length = 0
    yield _GZIP_HEADER
    while chunk := source.read(READ_BYTES):
        checksum, length = zlib.crc32(chunk, checksum), length + len(chunk)
        yield deflate.compress(chunk)
    yield deflate.flush() + _GZIP_TRAILER.pack(checksum, length & 0xFFFFFFFF)


def same_bytes(path: Path, compressed: Path) -> bool:
    """Return whether a compressed segment holds the bytes of the uncompressed one."""
    with path.open("rb") as plain, contextlib.closing(_Inflating(compressed)) as inflating:
        try:
            while chunk := plain.read(READ_BYTES):
                if inflating.read(len(chunk)) != chunk:
                    return False
            return not inflating.read(1)
        except FrameError:
            return False


class _Inflating:
    """The uncompressed bytes of a compressed segment. Stricter than gzip: one member, our header, nothing after."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._inflate = zlib.decompressobj(wbits=_RAW_DEFLATE_BITS)
        self._buffer = bytearray()
        self._checksum = self._length = 0
        self._ended = False
        self._started = False

    def read(self, size: int) -> bytes:
        while len(self._buffer) < size and not self._ended:
            self._fill()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def close(self) -> None:
        self._file.close()

    def _fill(self) -> None:
        if not self._started and self._file.read(len(_GZIP_HEADER)) != _GZIP_HEADER:
            raise FrameError("this is not a compressed segment")
        self._started = True
        chunk = self._inflate.unconsumed_tail or self._file.read(READ_BYTES)
        if not chunk:
            raise FrameCutError("the compressed segment is cut off")
        try:
            data = self._inflate.decompress(chunk, READ_BYTES)
        except zlib.error as error:
            raise FrameError(f"the compressed segment cannot be read: {error}") from error
        self._checksum, self._length = zlib.crc32(data, self._checksum), self._length + len(data)
        self._buffer += data
        if self._inflate.eof:
            trailer = self._inflate.unused_data + self._file.read(_GZIP_TRAILER.size + 1)
            if trailer != _GZIP_TRAILER.pack(self._checksum, self._length & 0xFFFFFFFF):
                raise FrameError("the checksum of the compressed segment is wrong")
            self._ended = True
