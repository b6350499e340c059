"""What the routes work with, and who may call them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple, cast

from fastapi import Depends, HTTPException, Request

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


def refuse_unknown(asked: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a question with names that nothing goes by: what was misspelt would be done to more than was meant. Raises HTTPException."""
    unknown = sorted(set(asked) - {*known, "token"})  # limits.py reads that one
    if unknown:
        raise HTTPException(400, f"{', '.join(unknown)[:200]}: not known here; leave it out, or correct the name")


def names_of(document: dict[str, Any]) -> dict[tuple[str, str], frozenset[str]]:
    """By path and method of an OpenAPI document: the names that a question may have there."""
    return {
        (path, method.upper()): frozenset(
            one["name"] for one in described.get("parameters", ()) if one["in"] == "query"
        )
        for path, operations in document["paths"].items()
        for method, described in operations.items()
    }


async def _by_known_names(request: Request) -> None:
    names: dict[tuple[str, str], frozenset[str]] = request.app.state.names
    refuse_unknown(request.query_params, names[request.scope["route"].path_format, request.method])


ByKnownNames = Depends(_by_known_names)
