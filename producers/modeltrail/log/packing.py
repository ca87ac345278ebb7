"""Headers of a record as one run of bytes, for logs that keep them in one column. Pure.

Layout: for each header its name (UTF-8), then its value, each after its length as 4 bytes, little-endian.
"""

import struct

from modeltrail.log.protocol import Headers

_LENGTH = struct.Struct("<I")


def pack_headers(headers: Headers) -> bytes:
    """Return the bytes that ``unpack_headers`` reads; empty for no headers."""
    parts: list[bytes] = []
    for name, value in headers:
        encoded = name.encode()
        parts += (_LENGTH.pack(len(encoded)), encoded, _LENGTH.pack(len(value)), value)
    return b"".join(parts)


def unpack_headers(packed: bytes) -> Headers:
    """Return the headers in their order. Raises ValueError when the bytes end within one."""
    fields: list[bytes] = []
    at = 0
    while at < len(packed):
        end = at + _LENGTH.size
        if end > len(packed) or end + _LENGTH.unpack_from(packed, at)[0] > len(packed):
            raise ValueError("the packed headers end within a field")
        at = end + _LENGTH.unpack_from(packed, at)[0]
        fields.append(packed[end:at])
    if len(fields) % 2:
        raise ValueError("the packed headers end after a name")
    return tuple((name.decode(), value) for name, value in zip(fields[::2], fields[1::2], strict=True))
