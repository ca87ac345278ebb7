"""Leaves: what the tree holds of a record, 114 bytes of digests. Pure; golden bytes in the tests bind it.

    version 1 | flags 1 | offset u64 | timestamp_ms i64 | SHA-256 of key 32 | of value 32 | of headers 32

(big-endian.) Flag bit 0: the record has a key; without one the key digest is zeros. Headers are digested in the form
of ``encode_headers``. Topic and partition are in the log's signed name. A record of any size has a leaf of this size,
far below the 65,535 bytes of the format.
"""

import struct
from dataclasses import dataclass
from hashlib import sha256

from modeltrail.log.protocol import Headers, Record

from modeltrail_server.audit.errors import AuditError

VERSION = 1
LEAF_BYTES = 114
_LEAF = struct.Struct(">BBQq32s32s32s")
_LENGTH = struct.Struct(">I")
_KEYED = 1
_NO_KEY = bytes(32)


@dataclass(frozen=True, slots=True)
class Leaf:
    """The digest record of one record. ``key_digest`` is None for a record without key."""

    offset: int
    timestamp_ms: int
    key_digest: bytes | None
    value_digest: bytes
    headers_digest: bytes

    def differences(self, record: Record) -> list[str]:
        """Return which fields of ``record`` are not those that were digested."""
        other = decode(encode(record))
        fields = ("offset", "timestamp_ms", "key_digest", "value_digest", "headers_digest")
        return [name.removesuffix("_digest") for name in fields if getattr(self, name) != getattr(other, name)]


def encode(record: Record) -> bytes:
    """Return the leaf of a record."""
    return encode_with_headers(record, sha256(encode_headers(record.headers)).digest())


def encode_with_headers(record: Record, headers_digest: bytes) -> bytes:
    """Return the leaf of a record whose headers were digested already: neighbours often share them."""
    key = record.key
    return _LEAF.pack(
        VERSION,
        0 if key is None else _KEYED,
        record.offset,
        record.timestamp_ms,
        _NO_KEY if key is None else sha256(key).digest(),
        sha256(record.value).digest(),
        headers_digest,
    )


def decode(entry: bytes) -> Leaf:
    """Return the leaf that ``encode`` wrote. Raises AuditError on anything else."""
    if len(entry) != LEAF_BYTES or entry[0] != VERSION:
        raise AuditError(
            f"not a leaf of version {VERSION}: {len(entry)} bytes, {entry[:1].hex()}",
            remedy="upgrade modeltrail if a newer one wrote this log",
        )
    _, flags, offset, timestamp_ms, key_digest, value_digest, headers_digest = _LEAF.unpack(entry)
    if flags > _KEYED or (not flags and key_digest != _NO_KEY):
        raise AuditError(f"the leaf of offset {offset} has flags that nobody writes: {flags}")
    return Leaf(offset, timestamp_ms, key_digest if flags else None, value_digest, headers_digest)


def encode_headers(headers: Headers) -> bytes:
    """Return headers as bytes: the count, then length and bytes of each name and value (u32, names in UTF-8)."""
    parts = [_LENGTH.pack(len(headers))]
    for name, value in headers:
        raw = name.encode("utf-8", "surrogatepass")
        parts += (_LENGTH.pack(len(raw)), raw, _LENGTH.pack(len(value)), value)
    return b"".join(parts)


def decode_headers(data: bytes) -> Headers:
    """Return the headers that ``encode_headers`` wrote. Raises AuditError on anything else."""
    headers = []
    try:
        (count,) = _LENGTH.unpack_from(data, 0)
        at = _LENGTH.size
        for _ in range(count):
            name, at = _take(data, at)
            value, at = _take(data, at)
            headers.append((name.decode("utf-8", "surrogatepass"), value))
    except (struct.error, UnicodeDecodeError) as error:
        raise AuditError("the headers of a record cannot be decoded") from error
    if at != len(data):
        raise AuditError("the headers of a record have bytes left over")
    return tuple(headers)


def _take(data: bytes, at: int) -> tuple[bytes, int]:
    (length,) = _LENGTH.unpack_from(data, at)
    start, end = at + _LENGTH.size, at + _LENGTH.size + length
    if end > len(data):
        raise struct.error("beyond the end")
    return data[start:end], end
