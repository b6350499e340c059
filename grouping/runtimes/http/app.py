"""The application: which address leads where, and how a request that fails is answered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from grouping import __version__
from grouping.formats import canonical
from grouping.parse import Malformed
from grouping.runtimes.http import letters, operation, pagerduty, responders, senders
from grouping.runtimes.http.doors import CORRECTIONS, Answer, Door, reply, trace_of
from grouping.runtimes.http.limits import Denied, Gate, Held, Message, Receive, Scope, Send, body_of, has_body
from grouping.runtimes.http.metrics import Metrics, Tally
from grouping.runtimes.http.names import in_parts
from grouping.runtimes.http.parts import Parts, names_of
from grouping.runtimes.http.stream import Feed
from grouping.runtimes.logs import TRACE
from grouping.runtimes.outbox.outbox import Outbox
from grouping.runtimes.service import Service, Unavailable
from grouping.runtimes.settings import Right, Settings

logger = logging.getLogger("grouping.http")

DOORS = {"/events": ("events", canonical.read, "Canonical events: one, an array, or one a line.")}


class Front:
    """Sends a request to its door, or to the application: doors are called without anything between."""

    def __init__(self, doors: Mapping[str, Door], app: FastAPI, gate: Gate, tally: Tally) -> None:
        self._doors = doors
        self._app = app
        self._tally = tally
        self.gate = gate

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.gate.settings

    def short(self, scope: Scope, body: bytes) -> bytes | None:
        """The answer of a door to what it knows already."""
        door = self._doors.get(scope["path"])
        return None if door is None else door.short(scope, body)

    def turned_away(self, status: int) -> None:
        """Count a request that was answered before it was one."""
        self._tally.denied[status] += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request. What is logged of it bears its trace."""
        TRACE.set(trace_of(scope))
        door = self._doors.get(scope["path"])
        if door is not None:
            await door(scope, receive, send)
        elif has_body(scope):
            await self._with_body(in_parts(scope), receive, _traced(scope, send))
        else:
            await self._app(in_parts(scope), receive, _traced(scope, send))

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request of a responder: who it is comes first, then a body of bounded size, and then the rest."""
        with Held(self.gate) as held:
            try:
                self.gate.admit(scope, *Right)
                body = await body_of(scope, receive, self.settings, held, min(BODY, self.settings.body_max))
            except Denied as denied:
                await self._deny(scope, send, denied)
            else:
                await self._app(_as_json(scope), _again(body, receive), send)

    async def busy(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request on a connection that is one too many: those who ask how it is are told, the others refused."""
        closing = _closing(send)
        if scope["path"] in HEALTH:
            await self._app(scope, receive, closing)
            return
        most = self.settings.connections_max
        denied = Denied(503, f"{most} connections are open; close some, or send it again in a moment", 1)
        await self._deny(scope, closing, denied)

    async def _deny(self, scope: Scope, send: Send, denied: Denied) -> None:
        door, trace = self._doors.get(scope["path"]), trace_of(scope)
        if door is not None:
            await door.deny(scope, send, denied, trace)
        else:
            _note(self._tally, scope, denied.status, str(denied))
            told = _failure(scope, denied.status, str(denied)) | {"trace": trace}
            answer = Answer(denied.status, orjson.dumps(told))
            await reply(send, answer, trace, denied.after)


HEALTH = frozenset(("/healthz", "/readyz", "/metrics"))
BODY = 1 << 20  # bytes that a responder may send at once


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives a body that was read, and then what comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _traced(scope: Scope, send: Send) -> Send:
    """Says the trace in the headers of the answer, where it is not said yet."""

    async def traced(message: Message) -> None:
        if message["type"] == "http.response.start" and not any(name == _TRACE_ID for name, _ in message["headers"]):
            message = {**message, "headers": [*message["headers"], (_TRACE_ID, trace_of(scope).encode())]}
        await send(message)

    return traced


_TRACE_ID = b"x-trace-id"


def _closing(send: Send) -> Send:
    """Closes the connection after the answer."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing


def _as_json(scope: Scope) -> Scope:
    """A body that says nothing of what it is, as `curl -d` sends it, is JSON here: there are no forms."""
    headers = [
        (name, b"application/json" if name == b"content-type" and value == _CURL else value)
        for name, value in scope["headers"]
    ]
    return {**scope, "headers": headers}


_CURL = b"application/x-www-form-urlencoded"


def application(service: Service, outbox: Outbox) -> Front:
    """The application of one service."""
    gate, tally = Gate(service.settings), Tally()
    app = FastAPI(title="grouping", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.parts = Parts(service, gate, Feed(service), Metrics(service, tally, outbox), outbox)
    app.include_router(operation.router)
    app.include_router(responders.router)
    app.include_router(pagerduty.router)
    app.include_router(senders.router)
    app.include_router(letters.router)
    _say_errors(app, tally)
    document = _described(app)
    app.state.names = names_of(document)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> JSONResponse:
        return JSONResponse(document)

    doors = {
        path: Door(name, read, service, gate, tally, rights=CORRECTIONS) for path, (name, read, _) in DOORS.items()
    }
    return Front(doors | senders.doors(service, gate, tally), app, gate, tally)


def _failure(scope: Scope, status: int, *errors: str) -> dict[str, Any]:
    """What is wrong, as who asked wants it: a sentence, or PagerDuty's object."""
    if pagerduty.wanted(Request(scope)):
        return pagerduty.failure(status, *errors)
    return {"error": "; ".join(errors)}


def _note(tally: Tally, scope: Scope, status: int, why: str) -> None:
    """Count a request that is not taken, and log who is unknown; as the doors do it."""
    tally.denied[status] += 1
    logger.log(
        logging.INFO if status == 401 else logging.DEBUG,
        "denied",
        extra={"path": scope["path"], "status": status, "why": why, "trace": trace_of(scope)},
    )


def _say_errors(app: FastAPI, tally: Tally) -> None:
    """One shape for all errors: a sentence under `error`; for PagerDuty's clients theirs."""

    @app.exception_handler(Denied)
    async def denied(request: Request, error: Denied) -> JSONResponse:
        _note(tally, request.scope, error.status, str(error))
        headers = {"Retry-After": str(error.after)} if error.after is not None else {}
        headers |= {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        return JSONResponse(_failure(request.scope, error.status, str(error)), error.status, headers)

    @app.exception_handler(Unavailable)
    async def unavailable(request: Request, error: Unavailable) -> JSONResponse:
        _note(tally, request.scope, 503, str(error))
        return JSONResponse(_failure(request.scope, 503, str(error)), 503, {"Retry-After": str(error.after)})

    @app.exception_handler(Malformed)
    async def malformed(request: Request, error: Malformed) -> JSONResponse:
        return JSONResponse(_failure(request.scope, 400, str(error)), 400)

    @app.exception_handler(StarletteHTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(_failure(request.scope, error.status_code, error.detail), error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        told = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        return JSONResponse(_failure(request.scope, 400, *told), 400)


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, the doors included."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes, summary=app.summary)
    for path, operations in document["paths"].items():
        for method, described in operations.items():
            _admit_errors(path, method, described)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Error"] = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"anyOf": [{"type": "string"}, _AS_PAGERDUTY]}},
    }
    answers = {
        "202": "On disk.",
        "400": "None of the events could be taken; says place, value and remedy.",
        "401": "A token is needed.",
        "403": "The token does not give the right that these events need.",
        "405": "Only POST.",
        "408": "Too slow.",
        "413": "Too large.",
        "415": "Packed in a way that is not understood.",
        "429": "Too fast; see Retry-After.",
        "503": "Cannot be taken now; see Retry-After.",
    }
    for path, (_, _, summary) in DOORS.items():
        document["paths"][path] = {
            "post": {
                "tags": ["events"],
                "summary": summary,
                "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
                "responses": {status: _answer(text, status) for status, text in answers.items()},
            }
        }
    document["paths"] |= senders.described({status: _answer(text, status) for status, text in answers.items()})
    document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"bearer": []}]
    return document


def _answer(text: str, status: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"} if status >= "400" else {}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _admit_errors(path: str, method: str, described: dict[str, Any]) -> None:
    """Say of an operation how it can fail: the framework knows only one way, under another status than ours."""
    responses = described["responses"]
    if path in {"/healthz", "/readyz"}:
        responses["503"] = {"description": "Not now."}
        return
    answers = _ERRORS | ({"404": "There is none."} if "{" in path else {})
    if method in ("post", "put"):
        answers = {"202": "On disk; not decided in time."} | answers | _CORRECTING
    if "422" in responses:
        del responses["422"]
    responses |= {status: _answer(text, status) for status, text in answers.items()}


_AS_PAGERDUTY = {
    "type": "object",
    "description": "For who asks for application/vnd.pagerduty+json.",
    "required": ["code", "message", "errors"],
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "string"}},
    },
}
_ERRORS = {
    "400": "Something in the request is not as it must be.",
    "401": "A token is needed.",
    "403": "The token does not give this right.",
    "503": "Cannot be answered now; see Retry-After.",
}
_CORRECTING = {"404": "There is none.", "409": "It cannot be done; says why.", "429": "Too fast; see Retry-After."}
