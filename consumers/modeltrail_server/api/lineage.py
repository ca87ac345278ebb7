"""OpenLineage in: ``POST /api/v1/lineage``, where Marquez has it, one document or an array of them."""

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from modeltrail.errors import LogUnavailableError, RecordTooLargeError
from modeltrail.log.opening import open_log
from modeltrail.log.protocol import Log, Outgoing
from modeltrail_schemas.errors import ModeltrailError
from sqlalchemy import select

from modeltrail_server.api.receiving import receive
from modeltrail_server.api.tokens import Tokens
from modeltrail_server.events.documents import Refusal
from modeltrail_server.projection.engine import open_engine
from modeltrail_server.projection.generations import reading

MAX_BODY_BYTES = 16 * 1024 * 1024
APPEND_TIMEOUT_MS = 30_000
RETRY_AFTER_S = 5
NOTHING_RECORDED = "nothing was recorded: correct what is refused and send all again"

_logger = logging.getLogger(__name__)


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


class EventFinder:
    """The events of the read model by their ids. Safe for many threads."""

    def __init__(self, database: str) -> None:
        self._engine = open_engine(database)

    def payload_of(self, event_id: bytes) -> bytes | None:
        """Return an event's payload, None where there is none. Raises DatabaseUnavailableError."""
        try:
            with reading(self._engine) as (connection, tables):
                query = select(tables.event.c.payload).where(tables.event.c.event_id == event_id)
                found: bytes | None = connection.execute(query).scalar_one_or_none()
                return found
        except LookupError:
            return None  # nothing was projected yet

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()


class Intake(NamedTuple):
    """What taking events in needs; without ``tokens`` whoever reaches the address may send."""

    appender: Appender
    events: EventFinder
    tokens: Tokens | None = None


def lineage_router(intake: Intake) -> APIRouter:
    """Return the routes that take events in."""
    router = APIRouter(prefix="/api/v1")

    @router.post("/lineage", status_code=201)
    async def append_lineage(request: Request) -> Response:
        """Append the events, all or none: 201 once they are durable, 400 with a reason for each refused one.

        401 without a token where one is needed; 409 where one claims the id of another event.
        """
        sender = None
        if intake.tokens is not None:
            sender = intake.tokens.sender_of(request.headers.get("authorization"))
            if sender is None:
                response = _error(401, "a token is needed: Authorization: Bearer TOKEN")
                response.headers["WWW-Authenticate"] = "Bearer"
                return response
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return _error(413, f"a request takes at most {MAX_BODY_BYTES:,} bytes: send fewer events at once")
        return await run_in_threadpool(_append, intake, bytes(body), sender)

    return router


def _append(intake: Intake, body: bytes, sender: str | None) -> Response:
    try:
        received = receive(body, sender, intake.events.payload_of)
        refusals = received.refusals
        if not received.records and not received.known and not received.conflicts:
            refusals = refusals or [Refusal(1, 0, "there is no event in the request")]
        if received.conflicts:
            places = {"sender": sender, "conflicts": [refusal.reason for refusal in received.conflicts]}
            _logger.warning("refused what contradicts an event", extra=places)
        if refusals:
            return _error(400, NOTHING_RECORDED, sorted(refusals + received.conflicts))
        if received.conflicts:
            return _error(409, NOTHING_RECORDED, received.conflicts)
        if received.records:
            intake.appender.append(received.records)
    except RecordTooLargeError as error:
        return _error(400, str(error))
    except ModeltrailError as error:
        # A log or database that is down, or that wants a person: the sender can only keep its events and come again.
        _logger.warning("cannot take events in", extra={"reason": str(error)})
        response = _error(503, str(error))
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response
    return JSONResponse({"accepted": len(received.records) + received.known}, status_code=201)


def _error(status: int, what: str, refusals: Sequence[Refusal] = ()) -> Response:
    content: dict[str, Any] = {"code": status, "message": what}
    if refusals:
        content["refused"] = [refusal._asdict() for refusal in refusals]
    return JSONResponse(content, status_code=status)
