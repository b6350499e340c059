"""What operation asks: is it well, how far is it, what are the figures."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from grouping import __version__
from grouping.runtimes.http.parts import Live, Reader
from grouping.runtimes.service import STARTING

router = APIRouter(tags=["operation"])


@router.get("/")
@router.head("/", include_in_schema=False)
async def start(live: Live) -> JSONResponse:
    """What answers here, how it is, and where to go on."""
    ready, why = live.service.state()
    ways = ("/incidents", "/scopes", "/stream", "/readyz", "/metrics", "/openapi.json")
    return JSONResponse({"name": "grouping", "version": __version__, "ready": ready, "why": why or None, "ways": ways})


@router.get("/healthz")
@router.head("/healthz", include_in_schema=False)
async def healthz(live: Live) -> JSONResponse:
    """Whether it is alive: 200 from when it was ready first until it can no longer go on. For what starts it again."""
    service = live.service
    why = None if service.alive else service.why or STARTING
    return JSONResponse({"alive": service.alive, "why": why}, 200 if service.alive else 503)


@router.get("/readyz")
@router.head("/readyz", include_in_schema=False)
async def readyz(live: Live) -> JSONResponse:
    """Whether events are taken and decided now, else why not; and how far the decisions are behind."""
    service = live.service
    ready, why = service.state()
    state = {
        "ready": ready,
        "why": why or None,
        "accepted": service.log.end,
        "decided": service.decided,
        "backlog": service.backlog(),
        "lag_s": round(service.lag(), 3),
    }
    return JSONResponse(state, 200 if ready else 503)


@router.get("/metrics", response_class=Response)
async def metrics(live: Live, _: Reader) -> Response:
    """For Prometheus."""
    return Response(live.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
