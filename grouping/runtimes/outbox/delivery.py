"""Delivers notices to one subscription: several incidents at once, each incident's notices one after the other.

What is under way is bounded; the rest waits with the decisions on disk. The position moves on when all before it is
delivered or a dead letter: whatever is killed when, nothing is left out, and some of the last may be sent again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from zlib import crc32

import httpx

from grouping.outlets import SHAPES
from grouping.outlets.notice import Notice
from grouping.runtimes.outbox.ledger import Ledger, LedgerError
from grouping.runtimes.outbox.sender import Fate, Outcome, pause, post
from grouping.runtimes.outbox.subscriptions import Subscription
from grouping.runtimes.service import Service, Unavailable

LANES = 8  # notices under way at once
WINDOW = 256  # notices in memory
PAGE = 128  # asked for at once
POISON, ALONE = (
    12,
    3,
)  # tries after which a notice is given up if so often it failed though others had been taken meanwhile
AGAIN = 1.0  # s until what could not be asked or written is tried again
SAVED = 0.1  # s between two notes of the position

logger = logging.getLogger("grouping.outbox")

Off = Callable[..., Awaitable[Any]]  # calls a function of the ledger in its thread


@dataclass(slots=True, eq=False)
class Item:
    """A notice on its way."""

    notice: Notice
    letter: bool = False  # a dead letter that is sent again
    part: int = 0  # messages of it that were taken
    tries: int = 0
    since: float = 0.0  # when it was tried first, monotonic s
    seen: int = 0  # messages taken by the time of its last failure
    alone: int = 0  # failures since whose predecessor others were taken
    done: bool = False


class Delivery:
    """One subscription."""

    def __init__(
        self, to: Subscription, service: Service, ledger: Ledger, off: Off, http: httpx.AsyncClient, position: int
    ) -> None:
        self.to = to
        self.position = position
        self.counts: Counter[str] = Counter()  # taken, again, dead, resent, dropped
        self.failing_since: float | None = None  # monotonic s
        self.why = ""  # the last failure, until it delivers again
        self._service = service
        self._ledger = ledger
        self._off = off
        self._http = http
        self._fetched = position
        self._pending: deque[Item] = deque()
        self._letters: set[str] = set()  # ids of dead letters on their way
        self._lanes: list[asyncio.Queue[Item]] = [asyncio.Queue() for _ in range(LANES)]
        self._room = asyncio.Event()
        self._moved = asyncio.Event()
        self._back = asyncio.Event()  # set for a moment when one is taken after others failed
        self._closed_until = 0.0  # the receiver asked to be left alone until then, monotonic s
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """Notices in memory that are not delivered."""
        return len(self._pending) + len(self._letters)

    def start(self) -> None:
        """Begin to deliver."""
        work = [self._fetch(), self._save(), *(self._drive(lane) for lane in self._lanes)]
        self._tasks = [asyncio.create_task(one) for one in work]

    async def stop(self) -> None:
        """End; what is under way is sent again at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._off(self._ledger.advance, self.to.name, self.position)
        except LedgerError as error:
            logger.error("position not kept: some notices will be sent again", extra={"why": str(error)})  # noqa: TRY400 — no fault of ours

    def fault(self) -> BaseException | None:
        """What ended a part of it, if anything did."""
        over = [task for task in self._tasks if task.done() and not task.cancelled()]
        return next((error for task in over if (error := task.exception())), None)

    def resend(self, notice: Notice) -> None:
        """Send a dead letter again, if it is not on its way."""
        if notice.id not in self._letters and len(self._letters) < WINDOW:
            self._letters.add(notice.id)
            self._put(Item(notice, letter=True))

    # -- from the decisions into the lanes

    async def _fetch(self) -> None:
        while True:
            if len(self._pending) >= WINDOW:
                self._room.clear()
                await self._room.wait()
            if self._service.decided <= self._fetched and not await self._service.reached(self._fetched + 1, 60.0):
                continue
            try:
                page = await self._service.ask("notices", leisure=True, after=self._fetched, most=PAGE)
            except Unavailable:
                await asyncio.sleep(AGAIN)
                continue
            for row in page["rows"]:
                heard = self.to.filter.heard(Notice.of(row))
                if heard is not None:
                    item = Item(heard)
                    self._pending.append(item)
                    self._put(item)
            self._fetched = max(self._fetched, page["to"])
            self._advance()

    def _put(self, item: Item) -> None:
        self._lanes[crc32(item.notice.incident.encode()) % LANES].put_nowait(item)

    def _advance(self) -> None:
        """Move the position to before what is not done yet."""
        while self._pending and self._pending[0].done:
            self._pending.popleft()
        position = self._pending[0].notice.seq - 1 if self._pending else self._fetched
        if position > self.position:
            self.position = position
            self._moved.set()
        if len(self._pending) < WINDOW:
            self._room.set()

    async def _save(self) -> None:
        """Note the position on disk, now and then."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            try:
                await self._off(self._ledger.advance, self.to.name, self.position)
            except LedgerError as error:  # what was delivered meanwhile is sent again after a crash
                self._say("position not kept", str(error))
                self._moved.set()
                await asyncio.sleep(AGAIN)
            await asyncio.sleep(SAVED)

    # -- from the lanes to the receiver

    async def _drive(self, lane: asyncio.Queue[Item]) -> None:
        while True:
            item = await lane.get()
            await self._deliver(item)
            item.done = True
            self._letters.discard(item.notice.id) if item.letter else self._advance()

    async def _deliver(self, item: Item) -> None:
        """Try until it is taken or given up."""
        bodies = SHAPES[self.to.shape](item.notice, self.to.target)
        while item.part < len(bodies):
            await asyncio.sleep(max(0.0, self._closed_until - time.monotonic()))
            id = item.notice.id if item.part == 0 else f"{item.notice.id}.{item.part}"
            if not item.tries:
                item.since, item.seen = time.monotonic(), self.counts["taken"]
            outcome = await post(self._http, self.to, id, bodies[item.part])
            item.tries += 1
            if outcome.fate is Fate.TAKEN:
                self._taken()
                item.part += 1
                item.seen = self.counts["taken"]
                continue
            alone = self.counts["taken"] > item.seen
            item.seen = self.counts["taken"]
            item.alone += alone
            if outcome.fate is Fate.NEVER or self._hopeless(item):
                await self._give_up(item, outcome)
                return
            await self._wait(item, outcome, alone=alone)
        if item.letter:
            self.counts["resent"] += 1
            await self._surely(self._ledger.taken, self.to.name, item.notice.id)

    def _taken(self) -> None:
        self.counts["taken"] += 1
        if self.failing_since is not None:
            logger.warning("delivers again", extra={"subscription": self.to.name})
            self.failing_since, self.why = None, ""
            self._back.set()
            self._back.clear()

    def _hopeless(self, item: Item) -> bool:
        """Whether it was tried for long enough, or fails by itself.

        That others were taken once proves little: the receiver may have gone away a moment later, for all of them.
        """
        by_itself = item.tries >= POISON and item.alone >= ALONE
        return time.monotonic() - item.since >= self.to.give_up_s or by_itself

    async def _wait(self, item: Item, outcome: Outcome, *, alone: bool) -> None:
        self.counts["again"] += 1
        if self.failing_since is None:
            self.failing_since = time.monotonic()
            self._say("cannot deliver, trying on", outcome.why)
        self.why = outcome.why
        if outcome.after is not None:
            self._closed_until = max(self._closed_until, time.monotonic() + outcome.after)
        rest = pause(self.to, item.tries, outcome.after)
        if alone:
            await asyncio.sleep(rest)
            return
        with suppress(TimeoutError):  # when the receiver is back, what failed along with others need not wait any more
            await asyncio.wait_for(self._back.wait(), rest)

    async def _give_up(self, item: Item, outcome: Outcome) -> None:
        self.counts["dead"] += 1
        self.why = outcome.why
        self._say("given up: a dead letter", outcome.why, incident=item.notice.incident, notice=item.notice.id)
        bury = partial(self._ledger.bury, letter=item.letter)
        gone = await self._surely(bury, self.to.name, item.notice, outcome.why, item.tries)
        if gone:
            self.counts["dropped"] += gone
            self._say("too many dead letters: the oldest is gone", outcome.why)

    async def _surely(self, do: Callable[..., Any], *arguments: Any) -> Any:
        """Write something down, however long the disk takes to have room for it."""
        while True:
            try:
                return await self._off(do, *arguments)
            except LedgerError as error:
                self._say("cannot be written down, trying on", str(error))
                await asyncio.sleep(AGAIN)

    def _say(self, what: str, why: str, **more: str) -> None:
        logger.error(what, extra={"subscription": self.to.name, "why": why, **more})
