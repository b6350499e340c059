"""What the routes work with, and who may call them."""

from __future__ import annotations

from typing import Annotated, NamedTuple, cast

from fastapi import Depends, Request

from grouping.runtimes.http.limits import Gate
from grouping.runtimes.http.metrics import Metrics
from grouping.runtimes.http.stream import Feed
from grouping.runtimes.outbox.outbox import Outbox
from grouping.runtimes.service import Service
from grouping.runtimes.settings import Right, Token


class Parts(NamedTuple):
    """One service and what its HTTP needs; kept as ``app.state.parts``."""

    service: Service
    gate: Gate
    feed: Feed
    metrics: Metrics
    outbox: Outbox


async def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


Live = Annotated[Parts, Depends(_parts)]


async def _reader(request: Request, live: Live) -> Token:
    return live.gate.admit(request.scope, Right.READ)


async def _responder(request: Request, live: Live) -> Token:
    return live.gate.admit(request.scope, Right.RESPOND)


async def _administrator(request: Request, live: Live) -> Token:
    return live.gate.admit(request.scope, Right.ADMIN)


Reader = Annotated[Token, Depends(_reader)]
Responder = Annotated[Token, Depends(_responder)]
Administrator = Annotated[Token, Depends(_administrator)]
