"""Doors for operation: how the subscriptions do, and their dead letters."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from grouping.runtimes.http.parts import Administrator, ByKnownNames, Live, Reader
from grouping.runtimes.outbox.ledger import LedgerError
from grouping.runtimes.service import Unavailable

logger = logging.getLogger("grouping.outbox")

router = APIRouter(tags=["notifications"], dependencies=[ByKnownNames])

Name = Annotated[str | None, Query(max_length=64, description="Of this subscription only.")]
Number = Annotated[int, Field(ge=1, le=2**53)]


class Resend(BaseModel):
    """Which dead letters: these, or all; of one subscription, or of all."""

    model_config = ConfigDict(extra="forbid")

    subscription: Annotated[str | None, Field(max_length=64)] = None
    numbers: Annotated[list[Number] | None, Field(min_length=1, max_length=1000)] = None


@router.get("/subscriptions")
async def subscriptions(live: Live, _: Reader) -> JSONResponse:
    """How each subscription does: how far behind it is, since when it fails and why."""
    return JSONResponse({"subscriptions": live.outbox.state()})


@router.get("/deadletters")
async def deadletters(
    live: Live,
    _: Administrator,
    subscription: Name = None,
    after: Annotated[int, Query(ge=0, le=2**53, description="`next` of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> JSONResponse:
    """Notices that could not be delivered, the oldest first."""
    try:
        found = await live.outbox.letters(subscription, after, limit)
    except LedgerError as error:
        raise Unavailable(str(error), 10) from None
    more = found[-1].number if len(found) == limit else None
    return JSONResponse({"deadletters": [one.shown() for one in found], "next": more})


@router.post("/deadletters/resend")
async def resend(live: Live, _: Administrator, body: Resend) -> JSONResponse:
    """Send dead letters again; those that are taken are no more. `without_subscription`: how many nobody is there for."""
    try:
        marked = await live.outbox.resend(body.subscription, body.numbers)
    except LedgerError as error:
        raise Unavailable(str(error), 10) from None
    return JSONResponse({"resending": marked.resending, "without_subscription": marked.lost})


@router.delete("/deadletters")
async def discard(
    live: Live,
    token: Administrator,
    subscription: Name = None,
    number: Annotated[list[Number] | None, Query(max_length=1000, description="Of these alone.")] = None,
) -> JSONResponse:
    """Delete dead letters, of a subscription or with these numbers. They are told to nobody any more."""
    if subscription is None and not number:
        raise HTTPException(400, "name a subscription or numbers: ?subscription=NAME or ?number=17&number=18")
    try:
        count = await live.outbox.discard(subscription, number or None)
    except LedgerError as error:
        raise Unavailable(str(error), 10) from None
    logger.warning("dead letters discarded", extra={"n": count, "by": token.name, "subscription": subscription})
    return JSONResponse({"discarded": count})
