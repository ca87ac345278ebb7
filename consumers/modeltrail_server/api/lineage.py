"""OpenLineage in: ``POST /api/v1/lineage``, where Marquez has it, one document or an array of them."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from modeltrail.errors import RecordTooLargeError
from modeltrail_schemas.errors import ModeltrailError

from modeltrail_server.api.appending import Appender
from modeltrail_server.api.bodies import read_body
from modeltrail_server.api.finding import EventFinder
from modeltrail_server.api.receiving import receive
from modeltrail_server.api.tokens import Tokens
from modeltrail_server.events.documents import Refusal

MAX_REQUESTS = 64
RETRY_AFTER = {"Retry-After": "5"}
NOTHING_RECORDED = "nothing was recorded: correct what is refused and send all again"
_OPENAPI = {
    "requestBody": {
        "required": True,
        "description": "An OpenLineage event, or an array of them; Content-Encoding: gzip is understood.",
        "content": {
            "application/json": {
                "schema": {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]}
            }
        },
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    201: {"description": "All of them are durable."},
    400: {"description": "Some are refused, each with its reason; nothing was recorded."},
    401: {"description": "A token is needed."},
    408: {"description": "The request did not arrive in time."},
    409: {"description": "Some claim the ids of other events; nothing was recorded."},
    413: {"description": "The request is too large."},
    415: {"description": "The request is encoded in an unknown way."},
    503: {"description": "The log or the read model cannot be used now: send it again later."},
}

_logger = logging.getLogger(__name__)


class Intake(NamedTuple):
    """What taking events in needs; without ``tokens`` whoever reaches the address may send."""

    appender: Appender
    events: EventFinder
    tokens: Tokens | None = None


def lineage_router(intake: Intake) -> APIRouter:
    """Return the routes that take events in."""
    router = APIRouter(prefix="/api/v1")
    under_way = 0

    @router.post("/lineage", status_code=201, responses=_ANSWERS, openapi_extra=_OPENAPI)
    async def append_lineage(request: Request) -> Response:
        """Append the events, all or none: 201 once they are durable, 400 with a reason for each refused one."""
        nonlocal under_way
        sender = None
        if intake.tokens is not None:
            sender = intake.tokens.sender_of(request.headers.get("authorization"))
            if sender is None:
                needed = "a token is needed: Authorization: Bearer TOKEN"
                raise HTTPException(401, needed, {"WWW-Authenticate": "Bearer"})
        if under_way >= MAX_REQUESTS:
            raise HTTPException(503, f"{MAX_REQUESTS} requests are under way: send it again later", RETRY_AFTER)
        under_way += 1
        try:
            return await run_in_threadpool(_append, intake, await read_body(request), sender)
        finally:
            under_way -= 1

    return router


def _append(intake: Intake, body: bytes, sender: str | None) -> Response:
    try:
        received = receive(body, sender, intake.events.payloads)
        refusals = received.refusals
        if not received.records and not received.known and not received.conflicts:
            refusals = refusals or [Refusal(1, 0, "there is no event in the request")]
        if received.conflicts:
            places = {"sender": sender, "conflicts": [refusal.reason for refusal in received.conflicts]}
            _logger.warning("refused what contradicts an event", extra=places)
        if refusals:
            return _refused(400, sorted(refusals + received.conflicts))
        if received.conflicts:
            return _refused(409, received.conflicts)
        if received.records:
            intake.appender.append(received.records)
    except RecordTooLargeError as error:
        raise HTTPException(400, str(error)) from error
    except ModeltrailError as error:
        # A log or database that is down, or that wants a person: the sender can only keep its events and come again.
        _logger.warning("cannot take events in", extra={"reason": str(error)})
        raise HTTPException(503, str(error), RETRY_AFTER) from error
    return JSONResponse({"accepted": len(received.records) + received.known}, status_code=201)


def _refused(status: int, refusals: Sequence[Refusal]) -> Response:
    refused = [refusal._asdict() for refusal in refusals]
    return JSONResponse({"code": status, "message": NOTHING_RECORDED, "refused": refused}, status_code=status)
