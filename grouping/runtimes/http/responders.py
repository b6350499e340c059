"""Doors for responders: incidents, their alerts and decisions, corrections, policies, the stream.

A correction is an event like any other: it goes into the same log, and the answer is what the engine said to it.
"""

from __future__ import annotations

import logging
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field
from starlette.convertors import register_url_convertor

from grouping.parse import MAX_LIST, MAX_NAME
from grouping.runtimes.http import pagerduty
from grouping.runtimes.http.doors import trace_of
from grouping.runtimes.http.limits import Denied
from grouping.runtimes.http.names import Name
from grouping.runtimes.http.parts import Administrator, ByKnownNames, Live, Reader, Responder, refuse_unknown
from grouping.runtimes.http.say import By, acknowledged, answered, correct, found, say, scope_with
from grouping.runtimes.settings import Right

logger = logging.getLogger("grouping.responders")

Id = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=MAX_LIST)]
Skip = Annotated[int, Query(ge=0, le=1_000_000, description="So many are left out.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]


class Merge(By):
    """Merge these incidents into the one in the address."""

    incidents: Ids


class Move(By):
    """Move these alerts into the incident in the address."""

    alerts: Ids


class Split(By):
    """Move these alerts out of the incident in the address into a new one."""

    alerts: Ids


class SetPolicy(By):
    """Set or roll back what decides in a scope, or let a policy play along."""

    mode: Literal["auto", "rollback", "shadow", "suggest"] = "auto"
    policy: Annotated[str | None, Field(max_length=MAX_NAME, examples=["default", "service~5s"])] = None


register_url_convertor("name", Name())

router = APIRouter(dependencies=[ByKnownNames])


@router.get("/incidents", tags=["incidents"])
async def incidents(  # noqa: PLR0913 — one per parameter of the address
    live: Live,
    _: Reader,
    request: Request,
    paging: Annotated[pagerduty.Paging, Depends()],
    scope: Annotated[str | None, Query(max_length=MAX_NAME)] = None,
    status: Literal["open", "resolved", "merged"] | None = None,
    severity: Literal["critical", "error", "warning", "info"] | None = None,
    text: Annotated[str | None, Query(max_length=200, description="In the title.")] = None,
    after: Annotated[
        str | None, Query(pattern="^([0-9a-f]{2}){1,1024}$", description="`next` of the page before.")
    ] = None,
    limit: Limit = 100,
) -> JSONResponse:
    """Incidents, the one opened last first. A page may be short of `limit` and yet have a `next`.

    In PagerDuty's shape for those who ask for `application/vnd.pagerduty+json`, with `offset`, `limit`, `total`, `statuses[]`, `since`
    and `until`. What either shape does not know is refused.
    """
    if pagerduty.wanted(request):
        return JSONResponse(await pagerduty.listed(live, paging, limit, request.query_params))
    refuse_unknown(request.query_params, request.query_params.keys() - pagerduty.ALONE)
    page = await live.service.ask(
        "incidents", scope=scope, status=status, severity=severity, text=text, before=after, most=limit
    )
    return JSONResponse(page)


@router.get("/incidents/{id}", tags=["incidents"])
async def incident(live: Live, _: Reader, request: Request, id: str) -> JSONResponse:
    """One incident; in PagerDuty's shape for those who ask for `application/vnd.pagerduty+json`."""
    if pagerduty.wanted(request):
        return JSONResponse({"incident": await pagerduty.incident_of(live, id)})
    return found(await live.service.ask("incident", id=id), f"incident {id}")


@router.get("/incidents/{id}/alerts", tags=["incidents"])
async def alerts(
    live: Live,
    _: Reader,
    request: Request,
    id: str,
    turning: Annotated[pagerduty.Turning, Depends()],
    skip: Skip = 0,
    limit: Limit = 100,
) -> JSONResponse:
    """The alerts that belong to an incident now, newest first.

    In PagerDuty's shape for those who ask for `application/vnd.pagerduty+json`, with `offset`, `limit` and `total`.
    """
    if pagerduty.wanted(request):
        return JSONResponse(await pagerduty.alerts_of(live, id, turning, limit, request.query_params))
    refuse_unknown(request.query_params, ("skip", "limit"))
    return found(await live.service.ask("alerts", id=id, skip=skip, most=limit), f"incident {id}", "alerts")


@router.get("/incidents/{id}/decisions", tags=["incidents"])
async def decisions(live: Live, _: Reader, id: str, skip: Skip = 0, limit: Limit = 100) -> JSONResponse:
    """How each alert of an incident was decided: all options with their scores, and the features compared."""
    return found(await live.service.ask("decisions", id=id, skip=skip, most=limit), f"incident {id}", "decisions")


@router.get("/alerts/{id:name}", tags=["incidents"])
async def alert(live: Live, _: Reader, id: str, scope: str = "default") -> JSONResponse:
    """One alert, where it belongs now, how it was decided, and in `words` why."""
    return found(await live.service.ask("alert", scope=scope, id=id), f"alert {id} in scope {scope}")


@router.post("/incidents/{id}/merge", tags=["corrections"])
async def merge(live: Live, token: Responder, request: Request, id: str, body: Merge) -> JSONResponse:
    """Merge other incidents into this one."""
    return answered(
        await correct(live, token, trace_of(request.scope), id, body, "merge", incidents=body.incidents, into=id)
    )


@router.post("/incidents/{id}/move", tags=["corrections"])
async def move(live: Live, token: Responder, request: Request, id: str, body: Move) -> JSONResponse:
    """Move alerts into this incident."""
    return answered(await correct(live, token, trace_of(request.scope), id, body, "move", alerts=body.alerts, into=id))


@router.post("/incidents/{id}/split", tags=["corrections"])
async def split(live: Live, token: Responder, request: Request, id: str, body: Split) -> JSONResponse:
    """Move alerts out of this incident into a new one. All of them must belong to it."""
    scope = await scope_with(live, id, body.alerts)
    event = {"kind": "feedback", "action": "move", "alerts": body.alerts, "into": None}
    return answered(await say(live, token, trace_of(request.scope), scope, body, event))


@router.post("/incidents/{id}/acknowledge", tags=["corrections"])
async def acknowledge(live: Live, token: Responder, request: Request, id: str, body: By | None = None) -> JSONResponse:
    """Say that somebody looks at it: its firing alerts are acknowledged. Those without a dedup_key cannot be, and are told."""
    return answered(await acknowledged(live, token, trace_of(request.scope), id, body or By()))


@router.post("/incidents/{id}/{action}", tags=["corrections"])
async def judge(
    live: Live,
    token: Responder,
    request: Request,
    id: str,
    action: Literal["confirm", "resolve", "dismiss"],
    body: By | None = None,
) -> JSONResponse:
    """Say that the grouping is right, that it is over, or that it was noise."""
    return answered(await correct(live, token, trace_of(request.scope), id, body or By(), action, incident=id))


@router.post("/feedback/{id:name}/undo", tags=["corrections"])
async def undo(
    live: Live,
    token: Responder,
    request: Request,
    id: str,
    scope: str = "default",
    body: By | None = None,
) -> JSONResponse:
    """Take a correction back."""
    event = {"kind": "feedback", "action": "undo", "feedback": id}
    return answered(await say(live, token, trace_of(request.scope), scope, body or By(), event))


@router.get("/scopes", tags=["policies"])
async def scopes(
    live: Live,
    _: Reader,
    after: Annotated[str | None, Query(max_length=MAX_NAME)] = None,
    limit: Limit = 100,
) -> JSONResponse:
    """Names of the scopes, short ones first."""
    return JSONResponse({"scopes": await live.service.ask("scopes", after=after, most=limit)})


@router.get("/scopes/{scope:name}", tags=["policies"])
async def scope_state(live: Live, _: Reader, scope: str) -> JSONResponse:
    """What decides in a scope."""
    return found(await live.service.ask("scope", name=scope), f"scope {scope}")


@router.get("/scopes/{scope:name}/model", tags=["policies"])
async def model(live: Live, _: Reader, scope: str) -> JSONResponse:
    """What a scope has learned: its rules and lessons, as `grouping model` takes them."""
    return found(await live.service.ask("model", name=scope), f"scope {scope}")


@router.put("/scopes/{scope:name}/policy", tags=["policies"])
async def set_policy(live: Live, token: Administrator, request: Request, scope: str, body: SetPolicy) -> JSONResponse:
    """Set what decides in a scope from here on, go back to what decided before, or let a policy play along."""
    event = {"kind": "policy", "mode": body.mode} | ({} if body.policy is None else {"policy": body.policy})
    return answered(await say(live, token, trace_of(request.scope), scope, body, event))


@router.get("/stream", tags=["incidents"], response_class=StreamingResponse)
async def stream(
    live: Live,
    _: Reader,
    request: Request,
    scope: Annotated[str | None, Query(max_length=MAX_NAME)] = None,
    after: Annotated[
        int | None, Query(ge=0, description="From the event after this seq; without it from now on.")
    ] = None,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> StreamingResponse:
    """Everything that is decided, as server-sent events: kind, seq as id, the output line as data."""
    first = next((seq for seq in (last_event_id, after) if seq is not None), live.service.decided)
    if first > live.service.log.end:  # of a log that is no more: what is new would be passed over without a word
        raise Denied(
            400, f"there is no event {first}, the last is {live.service.log.end}; begin anew: after=0, or without it"
        )

    def allowed() -> bool:
        """Whether the token that it was opened with still is one."""
        try:
            live.gate.admit(request.scope, Right.READ)
        except Denied as why:
            logger.info("a reader of the stream is let go", extra={"why": str(why)})
            return False
        return True

    return StreamingResponse(
        live.feed.lines(first, scope, allowed), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )
