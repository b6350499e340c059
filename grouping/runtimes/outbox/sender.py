"""Posts one message, and says what became of it. Follows no redirect and reads no more of an answer than a few words."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import NamedTuple

import httpx

from grouping import __version__
from grouping.outlets.signing import headers
from grouping.runtimes.outbox.subscriptions import Subscription

SAID = 200  # bytes of a refusal that are kept
AFTER_MAX = 3600.0  # s of a Retry-After that are believed
NEVER = frozenset({400, 413, 414, 415, 422})  # the message is at fault: the same one again would fare no better


class Fate(StrEnum):
    """What became of a message."""

    TAKEN = "taken"
    AGAIN = "again"  # to be tried again
    NEVER = "never"  # refused for what it is


class Outcome(NamedTuple):
    """Fate, why, and for how long the receiver asked to be left alone, s."""

    fate: Fate
    why: str = ""
    after: float | None = None


def client() -> httpx.AsyncClient:
    """What all subscriptions send with."""
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=64)
    return httpx.AsyncClient(follow_redirects=False, limits=limits, headers={"User-Agent": f"grouping/{__version__}"})


async def post(http: httpx.AsyncClient, to: Subscription, id: str, body: bytes) -> Outcome:
    """Send a message. ``id`` is the same each time it is sent again."""
    names = {"Content-Type": "application/json", **headers(id, int(time.time()), body, to.keys)}
    if to.bearer:
        names["Authorization"] = f"Bearer {to.bearer}"
    try:
        async with (
            asyncio.timeout(to.timeout_s),
            http.stream("POST", to.url, content=body, headers=names, timeout=to.timeout_s) as answer,
        ):
            said = await _few(answer)
    except TimeoutError:
        return Outcome(Fate.AGAIN, f"no answer within {to.timeout_s:g} s")
    except httpx.HTTPError as error:
        return Outcome(Fate.AGAIN, f"{type(error).__name__}: {error}"[:SAID])
    if answer.is_success:
        return Outcome(Fate.TAKEN)
    why = f"{answer.status_code}{': ' if said else ''}{said}"
    if answer.is_redirect:
        why = f"{answer.status_code}: redirects are not followed; name the new address in url"
    if answer.status_code in NEVER:
        return Outcome(Fate.NEVER, why)
    return Outcome(Fate.AGAIN, why, _after(answer.headers.get("retry-after")))


def pause(to: Subscription, failures: int, after: float | None) -> float:
    """Seconds until the next try after so many failures in a row: doubled each time, up to a bound, half of it by lot.

    By lot, so that many who failed together do not come back together. What the receiver asked for is waited for.
    """
    longest = min(to.retry_max_s, to.retry_s * 2.0 ** min(failures - 1, 30))
    return max(longest * random.uniform(0.5, 1.0), after or 0.0)  # noqa: S311 — no secret


async def _few(answer: httpx.Response) -> str:
    """The beginning of a refusal, on one line."""
    found = b""
    if not answer.is_success:
        async for chunk in answer.aiter_bytes(SAID):
            found += chunk
            if len(found) >= SAID:
                break
    return " ".join(found[:SAID].decode("utf-8", "replace").split())


def _after(value: str | None) -> float | None:
    """Seconds of a Retry-After, which is a number or a date; None where there is none."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value), AFTER_MAX)
    try:
        at = parsedate_to_datetime(value)
    except (OverflowError, ValueError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - datetime.now(UTC)).total_seconds()), AFTER_MAX)
