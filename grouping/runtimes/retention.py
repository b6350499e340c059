"""Retention: what nothing was said of for ``keep_days`` is deleted, and the log before it.

Sending an alert again says something of its incident. What is sent again is answered from memory (resent.py), so that
memory is emptied as often as a segment is begun: the log then says, at least once a day, what still fires. An incident
that is open is resolved first, by a feedback in the log, so that whoever heard of it hears of its end.

The log is the truth as long as all of it is there. Before a part of it goes, what it says must be kept in another way:
the process that decides forgets the incidents of that time, keeps a base of what it knows then (base.py), and only
after that the segments are removed. Killed in between, the next look does what is left.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from grouping.runtimes.held import Busy, alone
from grouping.runtimes.index import KEEPER
from grouping.runtimes.log import LogError, remove, segments
from grouping.runtimes.service import Service, Unavailable

DAY = 86_400.0  # s
LOOK = 60.0  # s between two looks at most
TURNS = 8  # a segment holds an eighth of the time kept at most, and a day: what is older than that can go
HEARD = 3600.0  # s after a start in which senders may say what still fires, before anything is deleted
PATIENCE = 30.0  # s that resolving may take; else what was resolved is deleted at the next look

logger = logging.getLogger("grouping.retention")


class Retention:
    """Looks after one service."""

    def __init__(self, service: Service, told: Callable[[], int | None]) -> None:
        """``told``: the number of the last event of which everybody has been told, None where nobody is to be."""
        self._service = service
        self._told = told
        self._directory = service.directory / "log"
        self._keep = 0.0
        self._since = 0.0  # when that began to hold
        self._emptied = 0.0  # when what is sent again was last let into the log

    async def run(self) -> None:
        """Look again and again."""
        while True:
            keep = self._service.settings.keep_days * DAY
            if self._heard(keep) and self._service.running:
                try:
                    await self._look(keep)
                except (Unavailable, LogError) as error:
                    logger.error("nothing removed: will be tried again", extra={"why": str(error)})  # noqa: TRY400 — no fault of ours
                except Busy:
                    logger.info("nothing removed: a backup is being made")
            await asyncio.sleep(min(LOOK, keep / 24) if keep > 0 else LOOK)

    def _heard(self, keep: float) -> bool:
        """Whether the log says of what was sent again lately that it was."""
        now, turn = time.monotonic(), min(DAY, keep / TURNS)
        changed = keep != self._keep
        if changed:
            self._keep, self._since = keep, now
        if keep > 0 and (changed or now - self._emptied > turn):
            self._service.resent.clear()
            self._emptied = now
        return keep > 0 and now - self._since >= min(HEARD, turn)

    async def _look(self, keep: float) -> None:
        now = time.time()
        files = segments(self._directory)
        if now - _begun(files, self._directory) > min(DAY, keep / TURNS):
            self._service.log.turn = True
        old = _older(files, now - keep)
        told = self._told()
        upto = min(old, self._service.decided, old if told is None else told)
        if not upto or files[1][0] > upto + 1:
            return
        with alone(self._directory):
            count, last = await self._forget(upto, resolve=True)
            if last and await self._service.reached(last, PATIENCE):
                count += (await self._forget(upto, resolve=False))[0]
            made = await self._service.ask("base", leisure=True)
            if "failed" in made:
                raise LogError(made["failed"])
            gone = await asyncio.to_thread(remove, self._directory, upto)
        logger.info("forgotten", extra={"incidents": count, "events_upto": upto, "segments": gone})

    async def _forget(self, upto: int, *, resolve: bool) -> tuple[int, int]:
        """Delete what nothing was said of after event ``upto``: how many incidents, and the last event that resolves others."""
        count, last, after = 0, 0, None
        while True:
            some = await self._service.ask("forget", leisure=True, upto=upto, after=after)
            count, after = count + some["incidents"], some["next"]
            if resolve and some["open"]:
                try:
                    last = await self._service.accept(_resolved(some["open"], upto)) + len(some["open"]) - 1
                except Unavailable as error:  # a full disk must not stand in the way of what makes room
                    logger.warning("not resolved: kept for now", extra={"why": str(error), "n": len(some["open"])})
            if after is None:
                return count, last


def _resolved(incidents: list[Any], upto: int) -> list[bytes]:
    """The feedback that resolves them."""
    return [
        orjson.dumps(
            {
                "kind": "feedback",
                "id": f"{KEEPER}/{id}/{upto}",
                "at": round(time.time(), 3),
                "scope": scope,
                "actor": KEEPER,
                "action": "resolve",
                "incident": id,
            }
        )
        for scope, id in incidents
    ]


def _begun(files: list[tuple[int, Path]], directory: Path) -> float:
    """When the last segment was begun: after the last write to the one before it, or with the log."""
    before = files[-2][1] if len(files) > 1 else directory / "lock"
    return before.stat().st_mtime


def _older(files: list[tuple[int, Path]], than: float) -> int:
    """The number of the last event of the oldest segments that were written to for the last time before that; or 0."""
    upto = 0
    for (_, path), (follows, _) in pairwise(files):
        if path.stat().st_mtime >= than:
            break
        upto = follows - 1
    return upto
