"""What a responder says becomes an event of the log, and the answer is what the engine said to it."""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any, NamedTuple

import orjson
from fastapi import HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from grouping.formats.base import name as shortened
from grouping.parse import MAX_LIST, MAX_NAME
from grouping.runtimes.http.doors import line_of
from grouping.runtimes.http.parts import Parts
from grouping.runtimes.settings import Token


class By(BaseModel):
    """Who does it; without tokens as anybody wants, with them the token's name by default."""

    model_config = ConfigDict(extra="forbid")  # what was misspelt would be left out

    actor: Annotated[str | None, Field(max_length=MAX_NAME)] = None
    id: Annotated[
        str | None, Field(max_length=MAX_NAME, description="Of the feedback; given twice it is done once.")
    ] = None


class Said(NamedTuple):
    """What came of it: the status and the body of an answer. ``trace``: the id of the request."""

    status: int
    body: dict[str, Any]
    trace: str


def answered(said: Said) -> JSONResponse:
    """The answer in our own shape."""
    return JSONResponse(said.body, said.status, {"X-Trace-Id": said.trace})


def found(value: Any, what: str, under: str | None = None) -> JSONResponse:
    """What was asked for. Raises HTTPException where there is nothing."""
    if value is None:
        raise HTTPException(404, f"there is no {what}")
    return JSONResponse(value if under is None else {under: value})


async def say(live: Parts, token: Token, trace: str, scope: str, by: By, event: dict[str, Any]) -> Said:
    """Put an event into the log, wait for what the engine says, and pass it on."""
    raw = {"id": by.id or f"r-{uuid.uuid4().hex}", "scope": scope, "actor": by.actor or token.name, **event}
    seq = await _put(live, token, [raw])
    answer: dict[str, Any] = {"id": raw["id"], "seq": seq, "trace": trace}
    if not await live.service.reached(seq, live.service.settings.answer_s):
        return Said(202, answer | {"status": "accepted"}, trace)
    page = await live.service.ask("outputs", after=seq - 1, upto=seq)
    outputs = [orjson.loads(text) for text in page["lines"]]
    refused = [line["error"] for line in outputs if line["kind"] == "refused"]
    if refused:
        return Said(409, answer | {"status": "refused", "error": refused[0]}, trace)
    return Said(200, answer | {"status": "done", "outputs": outputs}, trace)


async def correct(live: Parts, token: Token, trace: str, id: str, by: By, action: str, **fields: Any) -> Said:
    """Put a feedback about an incident into the log."""
    event = {"kind": "feedback", "action": action, **fields}
    return await say(live, token, trace, await scope_of(live, id), by, event)


async def acknowledged(live: Parts, token: Token, trace: str, id: str, by: By) -> Said:
    """Acknowledge the firing alerts of an incident, as their senders could; 409 where none of them can be."""
    incident, actor = await incident_of(live, id), by.actor or token.name
    rows = await live.service.ask("alerts", id=id, skip=0, most=MAX_LIST) or []
    firing = [row for row in rows if row["status"] == "firing" and "dedup_key" in row]
    keyless = [row["id"] for row in rows if row["status"] == "firing" and "dedup_key" not in row]
    called = by.id or f"r-{uuid.uuid4().hex}"
    answer: dict[str, Any] = {"id": called, "alerts": [row["id"] for row in firing], "trace": trace}
    over = incident["status"] == "resolved"
    if over or (keyless and not firing):
        why = "is resolved" if over else "has firing alerts without dedup_key alone, and such cannot be acknowledged"
        return Said(409, answer | {"status": "refused", "error": f"incident {id} {why}; nothing was done"}, trace)
    if not firing:
        return Said(200, answer | {"status": "done"}, trace)
    if keyless:
        answer["without_key"] = keyless  # they stay as they are
    scope = incident["scope"]
    seq = await _put(live, token, [_acknowledgement(row, scope, actor, f"{called}/{row['id']}") for row in firing])
    done = await live.service.reached(seq + len(firing) - 1, live.service.settings.answer_s)
    return Said(200 if done else 202, answer | {"seq": seq, "status": "done" if done else "accepted"}, trace)


def _acknowledgement(row: dict[str, Any], scope: str, actor: str, id: str) -> dict[str, Any]:
    return {
        "kind": "alert",
        "id": shortened(id),
        "scope": scope,
        "status": "acknowledged",
        "dedup_key": row["dedup_key"],
        "summary": row["summary"],
        "details": {"actor": actor},
    }


async def _put(live: Parts, token: Token, raws: list[dict[str, Any]]) -> int:
    """The number of the first of these events, once they are on disk. Raises Malformed, Denied, Unavailable."""
    now = round(time.time(), 3)
    lines = [line_of(raw, now).bytes for raw in raws]
    live.gate.spend(token, len(lines))
    return await live.service.accept(lines)


async def scope_with(live: Parts, id: str, alerts: list[str]) -> str:
    """The scope of an incident that these alerts belong to. Raises HTTPException where one does not: 409 says where it is."""
    await live.service.reached(live.service.log.end, live.service.settings.answer_s)  # what was sent before counts
    found = await live.service.ask("astray", id=id, alerts=alerts)
    if found is None:
        raise HTTPException(404, f"there is no incident {id}")
    if found["astray"]:
        told = [f"{alert} is in {where}" if where else f"{alert} is not known" for alert, where in found["astray"][:10]]
        more = f", and {len(found['astray']) - 10} more" if len(found["astray"]) > 10 else ""
        raise HTTPException(409, f"not all alerts belong to incident {id}: {', '.join(told)}{more}; nothing was done")
    return str(found["scope"])


async def scope_of(live: Parts, id: str) -> str:
    """The scope of an incident. Raises HTTPException where there is none."""
    return str((await incident_of(live, id))["scope"])


async def incident_of(live: Parts, id: str) -> dict[str, Any]:
    """An incident. Raises HTTPException where there is none."""
    incident: dict[str, Any] | None = await live.service.ask("incident", id=id)
    if incident is None:
        raise HTTPException(404, f"there is no incident {id}")
    return incident
