"""What operation asks: is it well, how far is it, what are the figures."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from grouping.runtimes.http.parts import Administrator, Live

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def healthz(live: Live) -> JSONResponse:
    """Whether events are taken and decided."""
    service = live.service
    return JSONResponse({"ready": service.ready, "why": service.why or None}, 200 if service.ready else 503)


@router.get("/readyz")
async def readyz(live: Live) -> JSONResponse:
    """The same, and how far the decisions are behind."""
    service = live.service
    state = {
        "ready": service.ready,
        "why": service.why or None,
        "accepted": service.log.end,
        "decided": service.decided,
        "backlog": service.backlog(),
        "lag_s": round(service.lag(), 3),
    }
    return JSONResponse(state, 200 if service.ready else 503)


@router.get("/metrics", response_class=Response)
async def metrics(live: Live, _: Administrator) -> Response:
    """For Prometheus."""
    return Response(live.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
