"""The HTTP application: which address answers what. No judgement of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from modeltrail_server.api.lineage import Intake, lineage_router

TITLE = "modeltrail"


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the application asks: why it is not ready (by part; empty when it is), and the metrics' text.

    Both tell what was seen already: they are asked in the thread that serves, so that health is told whatever the
    requests that wait for a log or a database are doing.
    """

    reasons_not_ready: Callable[[], Mapping[str, str]]
    metrics: Callable[[], bytes]


def make_application(vitals: Vitals, intake: Intake | None = None) -> FastAPI:
    """Return the application: health and metrics, and with ``intake`` the way in for OpenLineage events."""
    application = FastAPI(title=TITLE, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")

    application.add_exception_handler(HTTPException, _told)
    application.add_exception_handler(ClientDisconnect, _unheard)

    @application.get("/health/live")
    async def live() -> Mapping[str, str]:
        """Say that the process answers: restart it when it does not."""
        return {"status": "live"}

    @application.get("/health/ready")
    async def ready() -> Response:
        """Say whether the work goes on, else 503 and why; it turns green again by itself."""
        reasons = dict(vitals.reasons_not_ready())
        if reasons:
            return JSONResponse({"status": "not ready", "reasons": reasons}, status_code=503)
        return JSONResponse({"status": "ready"})

    @application.get("/metrics")
    async def metrics() -> Response:
        """Give the metrics to Prometheus."""
        return Response(vitals.metrics(), media_type=CONTENT_TYPE_LATEST)

    if intake is not None:
        application.include_router(lineage_router(intake))
    return application


async def _told(_request: Request, error: Exception) -> Response:
    """Return an error as every one is told: its code and a sentence, as Marquez tells them."""
    assert isinstance(error, HTTPException)
    content = {"code": error.status_code, "message": error.detail}
    return JSONResponse(content, status_code=error.status_code, headers=error.headers)


async def _unheard(_request: Request, _error: Exception) -> Response:
    """Return what nobody gets: the client went away within its request."""
    return Response(status_code=400)
