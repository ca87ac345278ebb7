"""OpenLineage in: ``POST /api/v1/lineage``, where Marquez has it, one document or an array of them."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from modeltrail.errors import LogUnavailableError, RecordTooLargeError
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Log, Outgoing

from modeltrail_server.events.documents import Refusal
from modeltrail_server.events.importing import to_records

MAX_BODY_BYTES = 16 * 1024 * 1024
APPEND_TIMEOUT_MS = 30_000
RETRY_AFTER_S = 5


class Appender:
    """The log to append to, opened when first needed and again after it was lost. Safe for many threads."""

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        self._address, self._options = address, options
        self._opening = threading.Lock()
        self._log: Log | None = None

    def append(self, records: Sequence[Outgoing]) -> None:
        """Append, all durable on return. Raises LogUnavailableError and RecordTooLargeError."""
        log = self._opened()
        try:
            log.append(records, timeout_ms=APPEND_TIMEOUT_MS)
        except LogUnavailableError:
            self.close()
            raise

    def close(self) -> None:
        """Close the log; the next append opens it again."""
        with self._opening:
            log, self._log = self._log, None
        if log is not None:
            log.close()

    def _opened(self) -> Log:
        with self._opening:
            if self._log is None:
                self._log = open_log(self._address, options=self._options)
            return self._log


def lineage_router(appender: Appender) -> APIRouter:
    """Return the routes that take events in."""
    router = APIRouter(prefix="/api/v1")

    @router.post("/lineage", status_code=201)
    async def append_lineage(request: Request) -> Response:
        """Append the events, all or none: 201 once they are durable, 400 with a reason for each refused one."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return _error(413, f"a request takes at most {MAX_BODY_BYTES:,} bytes: send fewer events at once")
        return await run_in_threadpool(_append, appender, bytes(body))

    return router


def _append(appender: Appender, body: bytes) -> Response:
    records, refusals = to_records(body)
    if not records and not refusals:
        refusals = [Refusal(1, 0, "there is no event in the request")]
    if refusals:
        return _error(400, "nothing was recorded: correct what is refused and send all again", refusals)
    try:
        appender.append(records)
    except RecordTooLargeError as error:
        return _error(400, str(error))
    except LogUnavailableError as error:
        response = _error(503, str(error))
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response
    return JSONResponse({"accepted": len(records)}, status_code=201)


def _error(status: int, what: str, refusals: Sequence[Refusal] = ()) -> Response:
    content: dict[str, Any] = {"code": status, "message": what}
    if refusals:
        content["refused"] = [refusal._asdict() for refusal in refusals]
    return JSONResponse(content, status_code=status)
