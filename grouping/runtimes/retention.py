"""Retention: what nothing was said of for ``keep_days`` is deleted, and the log before it.

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

from grouping.runtimes.held import Busy, alone
from grouping.runtimes.log import LogError, remove, segments
from grouping.runtimes.service import Service, Unavailable

DAY = 86_400.0  # s
LOOK = 60.0  # s between two looks at most
TURNS = 8  # a segment holds an eighth of the time kept at most, and a day: what is older than that can go

logger = logging.getLogger("grouping.retention")


class Retention:
    """Looks after one service."""

    def __init__(self, service: Service, told: Callable[[], int | None]) -> None:
        """``told``: the number of the last event of which everybody has been told, None where nobody is to be."""
        self._service = service
        self._told = told
        self._directory = service.directory / "log"

    async def run(self) -> None:
        """Look again and again."""
        while True:
            keep = self._service.settings.keep_days * DAY
            if keep > 0 and self._service.running:
                try:
                    await self._look(keep)
                except (Unavailable, LogError) as error:
                    logger.error("nothing removed: will be tried again", extra={"why": str(error)})  # noqa: TRY400 — no fault of ours
                except Busy:
                    logger.info("nothing removed: a backup is being made")
            await asyncio.sleep(min(LOOK, keep / 24) if keep > 0 else LOOK)

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
            count, after = 0, None
            while True:
                some = await self._service.ask("forget", upto=upto, after=after)
                count, after = count + some["incidents"], some["next"]
                if after is None:
                    break
            made = await self._service.ask("base")
            if "failed" in made:
                raise LogError(made["failed"])
            gone = await asyncio.to_thread(remove, self._directory, upto)
        logger.info("forgotten", extra={"incidents": count, "events_upto": upto, "segments": gone})


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
