"""PagerDuty's REST shapes for responders' tools: list, alerts, merge, move, acknowledge, resolve; `From:` names who does it.

Who asks for `application/vnd.pagerduty+json` gets these, errors too. https://developer.pagerduty.com/api-reference: Incidents. What they leave out of an incident (services, teams,
escalations) does not exist here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from grouping.parse import MAX_LIST, MAX_NAME
from grouping.runtimes.http.doors import trace_of
from grouping.runtimes.http.parts import ByKnownNames, Live, Parts, Responder, refuse_unknown
from grouping.runtimes.http.say import By, Said, acknowledged, answered, correct, scope_of, scope_with
from grouping.runtimes.settings import Token

WANTED = "application/vnd.pagerduty+json"
LISTED = 10_000  # incidents that can be reached by `offset`, as there
PAGE = 100  # incidents on one page
ALONE = frozenset(
    ("offset", "total", "statuses[]", "since", "until", "sort_by", "date_range", "include[]", "time_zone")
)  # what a list is asked for in this shape, and in no other
MEMBERS_ALONE = frozenset(("offset", "total", "include[]"))  # the same of the alerts of an incident
_CODES = {400: 2001, 401: 2006, 403: 2010, 404: 2100, 429: 2020}  # as its errors are numbered
_TOLD = ("id", "incident", "status", "summary", "severity", "dedup_key", "at")  # of an alert, under other names
_URGENT = ("critical", "error", None)

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
From = Annotated[str | None, Header(alias="From", max_length=MAX_NAME)]


class Paging:
    """Which incidents a list in PagerDuty's shape is to hold."""

    def __init__(  # noqa: PLR0913 — one per parameter of the address
        self,
        offset: Annotated[int, Query(ge=0, le=LISTED, description="So many are left out; as PagerDuty alone.")] = 0,
        total: Annotated[bool, Query(description="Count them; as PagerDuty alone.")] = False,
        statuses: Annotated[
            list[Literal["triggered", "acknowledged", "resolved"]] | None,
            Query(alias="statuses[]", max_length=3, description="As PagerDuty alone."),
        ] = None,
        since: Annotated[
            datetime | None,
            Query(description="Those that began then or later, UTC if it does not say; as PagerDuty alone."),
        ] = None,
        until: Annotated[datetime | None, Query(description="Those that began before; as PagerDuty alone.")] = None,
        sort_by: Annotated[  # noqa: ARG002 — it is in this order anyhow
            Literal["created_at:desc"] | None, Query(description="As PagerDuty alone.")
        ] = None,
        date_range: Annotated[Literal["all"] | None, Query(description="As PagerDuty alone.")] = None,
        include: Annotated[  # noqa: ARG002 — there is nothing to include, and its clients ask for it
            list[str] | None, Query(alias="include[]", max_length=20, description="As PagerDuty alone; nothing is.")
        ] = None,
        time_zone: Annotated[  # noqa: ARG002 — times are told in UTC
            str | None, Query(max_length=64, description="As PagerDuty alone; times are in UTC.")
        ] = None,
    ) -> None:
        self.offset = offset
        self.total = total
        self.statuses = sorted(set(statuses or ()))
        self.since = None if date_range else _seconds(since)
        self.until = None if date_range else _seconds(until)


class Turning:
    """Which of an incident's alerts a list in PagerDuty's shape is to hold."""

    def __init__(
        self,
        offset: Annotated[int, Query(ge=0, le=LISTED, description="So many are left out; as PagerDuty alone.")] = 0,
        total: Annotated[bool, Query(description="Count them; as PagerDuty alone.")] = False,
        include: Annotated[  # noqa: ARG002 — as above
            list[str] | None, Query(alias="include[]", max_length=20, description="As PagerDuty alone; nothing is.")
        ] = None,
    ) -> None:
        self.offset = offset
        self.total = total


def _seconds(time: datetime | None) -> float | None:
    if time is None:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


class Reference(BaseModel):
    """An incident, named."""

    id: Name


class Sources(BaseModel):
    """Merge these incidents into the one in the address."""

    source_incidents: Annotated[list[Reference], Field(min_length=1, max_length=MAX_LIST)]


class Member(BaseModel):
    """An alert, and the incident it is to belong to."""

    id: Name
    incident: Reference


class Members(BaseModel):
    """Alerts of the incident in the address, each to be moved."""

    alerts: Annotated[list[Member], Field(min_length=1, max_length=1000)]


class Standing(BaseModel):
    """How an incident is to stand."""

    status: Literal["acknowledged", "resolved"]


class Update(BaseModel):
    """One incident in an envelope."""

    incident: Standing


class Named(Standing):
    """One of several."""

    id: Name


class Updates(BaseModel):
    """Several incidents in an envelope."""

    incidents: Annotated[list[Named], Field(min_length=1, max_length=250)]


router = APIRouter(tags=["as PagerDuty"], dependencies=[ByKnownNames])


@router.put("/incidents/{id}/merge")
async def merge(
    live: Live, token: Responder, request: Request, id: str, body: Sources, who: From = None
) -> JSONResponse:
    """Merge other incidents into this one."""
    names = [source.id for source in body.source_incidents]
    said = await correct(live, token, trace_of(request.scope), id, By(actor=who), "merge", incidents=names, into=id)
    return await _envelope(live, request, said, id)


@router.put("/incidents/{id}/alerts")
async def move(
    live: Live, token: Responder, request: Request, id: str, body: Members, who: From = None
) -> JSONResponse:
    """Move alerts of this incident, each to the incident it names; those that can be moved are, and are told."""
    trace = trace_of(request.scope)
    await scope_with(live, id, [alert.id for alert in body.alerts])
    targets: dict[str, list[str]] = {}
    for alert in body.alerts:
        targets.setdefault(alert.incident.id, []).append(alert.id)
    for into in targets:
        await scope_of(live, into)
    moved: list[dict[str, Any]] = []
    others: list[Said] = []
    for into, alerts in targets.items():
        said = await correct(live, token, trace, into, By(actor=who), "move", alerts=alerts, into=into)
        if said.status == 200:
            moved += [_alert(alert, into) for alert in alerts]
        else:
            others.append(said)
    return _partly(request, {"alerts": moved}, others)


@router.put("/incidents/{id}")
async def update(
    live: Live, token: Responder, request: Request, id: str, body: Update, who: From = None
) -> JSONResponse:
    """Acknowledge or resolve an incident."""
    said = await _stand(live, token, trace_of(request.scope), id, body.incident.status, who)
    return await _envelope(live, request, said, id)


@router.put("/incidents")
async def update_all(live: Live, token: Responder, request: Request, body: Updates, who: From = None) -> JSONResponse:
    """Acknowledge or resolve incidents; those for which it can be done are told."""
    trace = trace_of(request.scope)
    for one in body.incidents:
        await scope_of(live, one.id)
    told = [(one.id, await _stand(live, token, trace, one.id, one.status, who)) for one in body.incidents]
    shown = [await incident_of(live, id) for id, said in told if said.status == 200]
    return _partly(request, {"incidents": shown}, [said for _, said in told if said.status != 200])


def wanted(request: Request) -> bool:
    """Whether an answer is to be in PagerDuty's shape."""
    return WANTED in request.headers.get("accept", "")


def failure(status: int, *errors: str) -> dict[str, Any]:
    """The body of an answer that says what is wrong."""
    message = "Invalid Input Provided" if status == 400 else HTTPStatus(status).phrase
    code = _CODES.get(status, 2000 if status >= 500 else 2001)
    return {"error": {"code": code, "message": message, "errors": list(errors)}}


async def listed(live: Parts, paging: Paging, limit: int, asked: Iterable[str]) -> dict[str, Any]:
    """A page of incidents, the one opened last first. Raises HTTPException beyond the last that can be reached."""
    limit = _within(paging.offset, limit)
    refuse_unknown(asked, (*ALONE, "limit"))
    page = await live.service.ask(
        "listed",
        statuses=paging.statuses,
        since=paging.since,
        until=paging.until,
        skip=paging.offset,
        most=limit,
        within=LISTED,
        count=paging.total,
    )
    shown = [_shown(found) for found in page["incidents"]]
    return {"incidents": shown, "limit": limit, "offset": paging.offset, "more": page["more"], "total": page["total"]}


async def alerts_of(live: Parts, id: str, turning: Turning, limit: int, asked: Iterable[str]) -> dict[str, Any]:
    """A page of the alerts that belong to an incident now. Raises HTTPException where there is none, and beyond the last one."""
    limit = _within(turning.offset, limit)
    refuse_unknown(asked, (*MEMBERS_ALONE, "limit"))
    rows = await live.service.ask("alerts", id=id, skip=turning.offset, most=limit + 1)
    if rows is None:
        raise HTTPException(404, f"there is no incident {id}")
    total = (await live.service.ask("incident", id=id))["alerts"] if turning.total else None
    return {
        "alerts": [_member(row) for row in rows[:limit]],
        "limit": limit,
        "offset": turning.offset,
        "more": len(rows) > limit,
        "total": total,
    }


def _within(offset: int, limit: int) -> int:
    """How long a page is. Raises HTTPException beyond the last that can be reached."""
    limit = min(limit, PAGE)
    if offset + limit > LISTED:
        raise HTTPException(400, f"offset and limit come to {offset + limit}, at most {LISTED} are shown")
    return limit


def _partly(request: Request, done: dict[str, Any], others: list[Said]) -> JSONResponse:
    """What was done; where something was not, that too, under the status of the first such."""
    trace = trace_of(request.scope)
    if not others:
        return JSONResponse(done, 200, {"X-Trace-Id": trace})
    refused = [said.body["error"] for said in others if "error" in said.body]
    told = {"error": "; ".join(refused)} if refused else {"status": "accepted"}
    if refused and wanted(request):
        told = failure(409, *refused)
    return JSONResponse(told | done | {"trace": trace}, 409 if refused else 202, {"X-Trace-Id": trace})


async def _stand(live: Parts, token: Token, trace: str, id: str, status: str, who: str | None) -> Said:
    by = By(actor=who)
    if status == "acknowledged":
        return await acknowledged(live, token, trace, id, by)
    return await correct(live, token, trace, id, by, "resolve", incident=id)


async def _envelope(live: Parts, request: Request, said: Said, id: str) -> JSONResponse:
    if said.status >= 400 and wanted(request):
        return JSONResponse(
            said.body | failure(said.status, said.body["error"]), said.status, {"X-Trace-Id": said.trace}
        )
    if said.status != 200:
        return answered(said)
    return JSONResponse({"incident": await incident_of(live, id)}, 200, {"X-Trace-Id": said.trace})


async def incident_of(live: Parts, id: str) -> dict[str, Any]:
    """An incident as PagerDuty shows one. Raises HTTPException where there is none."""
    found = await live.service.ask("standing", id=id)
    if found is None:
        raise HTTPException(404, f"there is no incident {id}")
    return _shown(found)


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    shown = {
        "id": found["id"],
        "type": "incident",
        "summary": found["title"],
        "title": found["title"],
        "incident_key": found["id"],
        "status": found["standing"],
        "urgency": "high" if found["severity"] in _URGENT else "low",
        "created_at": datetime.fromtimestamp(found["first_at"], UTC).isoformat(),
        "alert_counts": {
            "all": found["alerts"],
            "triggered": found["firing"],
            "resolved": found["alerts"] - found["firing"],
        },
    }
    if found["into"] is not None:
        incident = {"id": found["into"], "type": "incident_reference"}
        shown["resolve_reason"] = {"type": "merge_resolve_reason", "incident": incident}
    return shown


def _member(row: dict[str, Any]) -> dict[str, Any]:
    details = {key: value for key, value in row.items() if key not in _TOLD}
    return _alert(row["id"], row["incident"]) | {
        "summary": row["summary"],
        "status": "resolved" if row["status"] == "resolved" else "triggered",
        "alert_key": row.get("dedup_key"),
        "severity": row.get("severity"),
        "created_at": datetime.fromtimestamp(row["at"], UTC).isoformat(),
        "suppressed": False,
        "body": {"type": "alert_body", "details": details},
    }


def _alert(id: str, into: str) -> dict[str, Any]:
    return {"id": id, "type": "alert", "incident": {"id": into, "type": "incident_reference"}}
