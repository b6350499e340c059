"""Addresses for the tools that send alerts: each is a door with a format, and answers as its senders expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson
from fastapi import APIRouter, HTTPException

from grouping.formats import FORMATS, canonical, formats_of
from grouping.formats.otlp_protobuf import MEDIA_TYPE
from grouping.runtimes.http import otlp
from grouping.runtimes.http.doors import ALERTS, CORRECTIONS, Answer, Deny, Door, Say
from grouping.runtimes.http.limits import Gate
from grouping.runtimes.http.metrics import Tally
from grouping.runtimes.http.parts import Live
from grouping.runtimes.service import Service

WEBHOOKS = "/v1/webhooks/"
_RIGHTS = {"canonical": CORRECTIONS}  # any kind of event; the other formats make alerts


def _enqueued(headers: Mapping[str, str], raws: Sequence[Any], refused: Sequence[dict[str, Any]]) -> Answer:  # noqa: ARG001 — the shape of all
    """As PagerDuty answers. https://developer.pagerduty.com/docs/events-api-v2-overview#response-codes--retry-logic."""
    if refused:
        errors = [one["error"] for one in refused]
        if errors[0].startswith("$: not JSON"):
            answer = {"status": "Unrecognized object", "message": "Event object format is unrecognized"}
            return Answer(400, orjson.dumps(answer | {"errors": ["JSON parse error", *errors]}))
        told = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
        return Answer(400, orjson.dumps(told))
    answer = {"status": "success", "message": "Event processed"}
    if len(raws) == 1 and "dedup_key" in raws[0]:
        # Told as it was sent: without the digest of the routing key before it.
        cut = raws[0].get("details", {}).get("dedup_key")
        answer["dedup_key"] = cut or raws[0]["dedup_key"].partition("/")[2]
    return Answer(202, orjson.dumps(answer))


def _posted(headers: Mapping[str, str], raws: Sequence[Any], refused: Sequence[dict[str, Any]]) -> Answer:  # noqa: ARG001 — the shape of all
    """As Alertmanager answers: nothing, or what is wrong as one JSON text; what is right beside it is taken."""
    if not refused:
        return Answer(200, b"")
    return Answer(400, orjson.dumps("; ".join(one["error"] for one in refused[:100])))


def _not_enqueued(headers: Mapping[str, str], status: int, message: str) -> Answer:  # noqa: ARG001 — the shape of all
    """A request that PagerDuty would not take: its clients look for these three."""
    word = "throttle exceeded" if status == 429 else HTTPStatus(status).phrase.lower()
    return Answer(status, orjson.dumps({"status": word, "message": message, "errors": [message]}))


def _not_posted(headers: Mapping[str, str], status: int, message: str) -> Answer:  # noqa: ARG001 — the shape of all
    """Alertmanager says all that goes wrong as one JSON text."""
    return Answer(status, orjson.dumps(message))


class Address(NamedTuple):
    """Where a format is taken, and how it is answered."""

    format: str
    summary: str
    say: Say | None
    taken: str  # status
    deny: Deny | None = None


ADDRESSES = {
    "/v2/enqueue": Address("pagerduty", "PagerDuty Events API v2: one alert event.", _enqueued, "202", _not_enqueued),
    "/v2/change/enqueue": Address(
        "pagerduty-change", "PagerDuty Events API v2: one change event.", _enqueued, "202", _not_enqueued
    ),
    "/api/v2/alerts": Address(
        "alertmanager", "Alertmanager API v2: what Prometheus posts.", _posted, "200", _not_posted
    ),
    "/alertmanager/webhook": Address("alertmanager", "Alertmanager's webhook, version 4.", None, "202"),
    "/v1/logs": Address(
        "otlp", "OpenTelemetry logs, OTLP/HTTP as JSON or protobuf.", otlp.exported, "200", otlp.denied
    ),
}

router = APIRouter()


@router.post(WEBHOOKS + "{name}", include_in_schema=False)
async def unknown(name: str, live: Live) -> None:
    """No format has this name."""
    there = ", ".join(formats_of(live.service.settings.formats))
    raise HTTPException(404, f"no format is called {name[:80]!r}; there are: {there}; add your own as [formats.NAME]")


def doors(service: Service, gate: Gate, tally: Tally) -> dict[str, Door]:
    """The doors by their address; those of the configuration's own formats too."""
    formats = formats_of(service.settings.formats) | {"canonical": canonical.read}  # a door looks at each event itself
    found = {
        path: Door(one.format, formats[one.format], service, gate, tally, one.say, one.deny)
        for path, one in ADDRESSES.items()
    }
    own = service.settings.formats  # what posts to Slack looks for its word
    return found | {
        f"{WEBHOOKS}{name}": Door(name, read, service, gate, tally, rights=_RIGHTS.get(name, ALERTS), ok=name in own)
        for name, read in formats.items()
    }


def described(answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The paths for the OpenAPI document; ``answers``: those of a door by status, as far as they are the same here."""
    failures = {status: answer for status, answer in answers.items() if status > "400"}
    other: dict[str, Any] = {"content": {"application/json": {"schema": {}}}}
    paths: dict[str, Any] = {}
    for path, one in ADDRESSES.items():
        own = {"400": {"description": "Nothing, or not all, could be taken; says why.", **other}}
        if one.say is None:
            own = {"400": answers["400"]}
        taken = {"description": "On disk.", **({} if one.say is _posted else other)}
        responses = {one.taken: taken, **own, **failures}
        if one.deny in _DENIALS:
            denial = {"application/json": {"schema": _DENIALS[one.deny]}}
            responses |= {status: {**failure, "content": denial} for status, failure in failures.items()}
        elif one.deny is not None:  # in the protocol's own shapes, in the encoding of the request
            status = {"application/json": {"schema": _STATUS}, MEDIA_TYPE: {"schema": _BINARY}}
            responses = {
                key: {"description": value["description"], "content": status} for key, value in responses.items()
            }
            responses[one.taken]["content"] = {"application/json": {"schema": {}}, MEDIA_TYPE: {"schema": _BINARY}}
        paths[path] = {"post": _operation(one.summary, [], responses)}
        if one.format == "otlp":
            paths[path]["post"]["requestBody"]["content"][MEDIA_TYPE] = {"schema": _BINARY}
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "enum": list(FORMATS)}}
    summary = "What the tool of this name sends, or a format of the configuration."
    missing = {"404": failures["401"] | {"description": "No format of this name."}}
    paths[WEBHOOKS + "{name}"] = {"post": _operation(summary, [name], {**answers, **missing})}
    return paths


_DENIALS: dict[Deny | None, dict[str, Any]] = {
    _not_enqueued: {"type": "object", "required": ["status", "message", "errors"]},
    _not_posted: {"type": "string"},
}
_BINARY = {"type": "string", "format": "binary"}
_STATUS = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
}


def _operation(summary: str, parameters: list[Any], responses: dict[str, Any]) -> dict[str, Any]:
    scope = {
        "name": "scope",
        "in": "query",
        "description": "The scope of events that do not name theirs.",
        "schema": {"type": "string", "maxLength": 255},
    }
    return {
        "tags": ["events"],
        "summary": summary,
        "parameters": [*parameters, scope],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
        "responses": responses,
    }
