"""The body of a request, bounded in size and in time; one that is compressed is unpacked, as bounded."""

import asyncio
import zlib

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool

MAX_BODY_BYTES = 16 * 1024 * 1024
BODY_TIMEOUT_S = 60
TOO_LARGE = f"a request takes at most {MAX_BODY_BYTES:,} bytes, unpacked: send fewer events at once"
_GZIP = 16 + zlib.MAX_WBITS


async def read_body(request: Request, *, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """Return the body, unpacked where it came as gzip.

    Raises HTTPException: 413 too large, 408 not here after ``timeout_s``, 415 another encoding, 400 damaged.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise HTTPException(415, f"no support for Content-Encoding: {encoding}: send it plain, or as gzip")
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise HTTPException(413, TOO_LARGE)
    except TimeoutError:
        raise HTTPException(408, f"the request did not arrive whole within {timeout_s:g} s") from None
    return await run_in_threadpool(_unpacked, bytes(body)) if encoding == "gzip" else bytes(body)


def _unpacked(body: bytes) -> bytes:
    unpacking = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacking.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        raise HTTPException(400, "the body is no gzip, although Content-Encoding says so") from None
    if len(unpacked) > MAX_BODY_BYTES:
        raise HTTPException(413, TOO_LARGE)
    if not unpacking.eof or unpacking.unused_data:
        raise HTTPException(400, "the body is not one whole gzip member: it may be cut off")
    return unpacked
