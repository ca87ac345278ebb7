"""The HTTP application: which address answers what. No judgement of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from modeltrail_server.api.lineage import Intake, lineage_router

TITLE = "modeltrail"


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the application asks: why it is not ready (by part; empty when it is), and the metrics' text."""

    reasons_not_ready: Callable[[], Mapping[str, str]]
    metrics: Callable[[], bytes]


def make_application(vitals: Vitals, intake: Intake | None = None) -> FastAPI:
    """Return the application: health and metrics, and with ``intake`` the way in for OpenLineage events."""
    application = FastAPI(title=TITLE, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")

    @application.get("/health/live")
    def live() -> Mapping[str, str]:
        """Say that the process answers: restart it when it does not."""
        return {"status": "live"}

    @application.get("/health/ready")
    def ready() -> Response:
        """Say whether the work goes on, else 503 and why; it turns green again by itself."""
        reasons = dict(vitals.reasons_not_ready())
        if reasons:
            return JSONResponse({"status": "not ready", "reasons": reasons}, status_code=503)
        return JSONResponse({"status": "ready"})

    @application.get("/metrics")
    def metrics() -> Response:
        """Give the metrics to Prometheus."""
        return Response(vitals.metrics(), media_type=CONTENT_TYPE_LATEST)

    if intake is not None:
        application.include_router(lineage_router(intake))
    return application
