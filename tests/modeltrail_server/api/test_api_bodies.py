"""A request's body is bounded in size and time, however it is sent."""

import asyncio
import gzip
import os

import pytest
from fastapi import HTTPException, Request
from modeltrail_server.api.bodies import MAX_BODY_BYTES, read_body
from starlette.types import Message

WHOLE = gzip.compress(b"{}", mtime=0)  # tests are named after it


def request(body: bytes, encoding: str = "", *, ends: bool = True) -> Request:
    """Return a request whose body comes in two pieces, the second of which may never come."""
    pieces = [body[: len(body) // 2], body[len(body) // 2 :]]

    async def receive() -> Message:
        if len(pieces) == 1 and not ends:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    headers = [(b"content-encoding", encoding.encode())] if encoding else []
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def refusal(of: Request, **bounds: float) -> int:
    with pytest.raises(HTTPException) as error:
        asyncio.run(read_body(of, **bounds))
    return error.value.status_code


@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "GZIP "])
def test_a_body_is_given_as_it_was_before_it_was_sent(encoding: str) -> None:
    body = os.urandom(100_000)
    sent = gzip.compress(body) if "gzip" in encoding.lower() else body
    assert asyncio.run(read_body(request(sent, encoding))) == body


def test_what_unpacks_to_more_than_the_bound_is_refused() -> None:
    assert refusal(request(gzip.compress(bytes(MAX_BODY_BYTES + 1)), "gzip")) == 413
    assert refusal(request(bytes(MAX_BODY_BYTES + 1))) == 413


@pytest.mark.parametrize("body", [b"", b"{}", WHOLE[:-1], WHOLE + b"more"])
def test_what_is_no_whole_gzip_is_refused(body: bytes) -> None:
    assert refusal(request(body, "gzip")) == 400


def test_an_unknown_encoding_is_refused_by_its_name() -> None:
    assert refusal(request(b"{}", "br")) == 415


def test_a_body_that_does_not_come_is_not_waited_for_for_ever() -> None:
    assert refusal(request(b"{}", ends=False), timeout_s=0.01) == 408
