"""All subscriptions of a service: their deliveries, dead letters that are sent again, and time that must pass."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from grouping.runtimes.log import LogError
from grouping.runtimes.outbox.delivery import Delivery
from grouping.runtimes.outbox.ledger import Ledger, LedgerError, Letter, Marked
from grouping.runtimes.outbox.sender import client
from grouping.runtimes.outbox.subscriptions import Subscription
from grouping.runtimes.service import Service, Unavailable

LOOK = 1.0  # s between two looks for dead letters to be sent again, and for scopes that wait for time to pass

logger = logging.getLogger("grouping.outbox")


class Outbox:
    """Lives in the service's event loop; its database has a thread of its own."""

    def __init__(self, directory: Path, service: Service) -> None:
        """Open the ledger. Raises LogError."""
        try:
            self._ledger = Ledger(directory)
        except LedgerError as error:
            raise LogError(str(error)) from None
        self._service = service
        self._deliveries: dict[str, Delivery] = {}
        self._thread = ThreadPoolExecutor(1, "outbox")
        self._http = client()
        self._changing = asyncio.Lock()
        self._looks: asyncio.Task[None] | None = None
        self._reloads: asyncio.Task[None] | None = None
        self._dead: dict[str, int] = {}
        self._ticks: dict[tuple[str, float], float] = {}  # scope and until when it waits -> when to say so, monotonic s

    async def start(self, subscriptions: Sequence[Subscription]) -> None:
        """Begin to deliver. Raises LogError."""
        try:
            await self.change(subscriptions)
        except LedgerError as error:
            raise LogError(str(error)) from None
        self._looks = asyncio.create_task(self._look())

    async def change(self, subscriptions: Sequence[Subscription]) -> None:
        """Go by these subscriptions from here on; those that stay as they are go on undisturbed. Raises LedgerError."""
        async with self._changing:
            wanted = {one.name: one for one in subscriptions}
            for name, delivery in list(self._deliveries.items()):
                if wanted.get(name) != delivery.to:
                    await delivery.stop()
                    del self._deliveries[name]
            positions = await self._off(self._ledger.begin, list(wanted), self._service.log.end)
            for name, to in wanted.items():
                if name not in self._deliveries:
                    self._start(to, positions[name])

    def reload(self, subscriptions: Sequence[Subscription]) -> None:
        """The same, when it suits."""
        self._reloads = asyncio.create_task(self._reload(subscriptions))

    async def _reload(self, subscriptions: Sequence[Subscription]) -> None:
        try:
            await self.change(subscriptions)
        except LedgerError as error:
            logger.error("subscriptions stay as they were", extra={"why": str(error)})  # noqa: TRY400 — no fault of ours

    async def stop(self) -> None:
        """End; what is not delivered is at the next start."""
        tasks = [task for task in (self._looks, self._reloads) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(delivery.stop() for delivery in self._deliveries.values()))
        await self._http.aclose()
        self._thread.shutdown()
        self._ledger.close()

    def told(self) -> int | None:
        """The number of the last event of which all subscriptions have been told; None without any."""
        return min((one.position for one in self._deliveries.values()), default=None)

    def state(self) -> list[dict[str, Any]]:
        """How each subscription does."""
        now = time.monotonic()
        return [
            {
                "subscription": name,
                "shape": one.to.shape,
                "host": one.to.host,
                "position": one.position,
                "behind": max(0, self._service.decided - one.position),
                "waiting": one.waiting,
                "failing_s": None if one.failing_since is None else round(now - one.failing_since, 3),
                "why": one.why or None,
                "dead": self._dead.get(name, 0),
                **{key: one.counts[key] for key in ("taken", "again", "resent", "dropped")},
                "given_up": one.counts["dead"],
            }
            for name, one in self._deliveries.items()
        ]

    async def letters(self, name: str | None, after: int, most: int) -> list[Letter]:
        """Dead letters. Raises LedgerError."""
        found: list[Letter] = await self._off(partial(self._ledger.letters, name, after=after, most=most))
        return found

    async def resend(self, name: str | None, numbers: Sequence[int] | None) -> Marked:
        """Send dead letters again; how many. Raises LedgerError."""
        marked: Marked = await self._off(self._ledger.resend, name, numbers)
        return marked

    async def discard(self, name: str | None, numbers: Sequence[int] | None) -> int:
        """Delete dead letters; how many. Raises LedgerError."""
        count: int = await self._off(self._ledger.discard, name, numbers)
        return count

    def dead(self) -> dict[str, int]:
        """How many dead letters there are by subscription, also of those that are no more."""
        return dict.fromkeys(self._deliveries, 0) | self._dead

    def _start(self, to: Subscription, position: int) -> None:
        delivery = Delivery(to, self._service, self._ledger, self._off, self._http, position)
        self._deliveries[to.name] = delivery
        delivery.start()

    async def _off(self, do: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do, *arguments)

    async def _look(self) -> None:
        while True:
            try:
                for name, delivery in list(self._deliveries.items()):
                    for letter in await self._off(partial(self._ledger.letters, name, again=True)):
                        delivery.resend(letter.notice)
                self._dead = await self._off(self._ledger.count)
            except LedgerError as error:
                logger.error("dead letters cannot be read", extra={"why": str(error)})  # noqa: TRY400 — no fault of ours
            await self._mend()
            await self._pass_time()
            await asyncio.sleep(LOOK)

    async def _mend(self) -> None:
        """Start a delivery anew that ended by a fault of ours."""
        for delivery in list(self._deliveries.values()):
            fault = delivery.fault()
            if fault is not None:
                logger.error("delivery failed and is started again", exc_info=fault)
                async with self._changing:
                    if self._deliveries.get(delivery.to.name) is delivery:  # else it was taken away meanwhile
                        await delivery.stop()
                        self._start(delivery.to, delivery.position)

    async def _pass_time(self) -> None:
        """Let time pass in scopes that hold something to be announced and have fallen silent: a tick each."""
        if not self._deliveries:
            return
        now = time.monotonic()
        waits = {(scope, due): wait for scope, due, wait in self._service.held}
        self._ticks = {key: self._ticks.get(key, now + wait) for key, wait in waits.items()}
        over = [key for key, at in self._ticks.items() if at <= now]
        if not over or self._service.backlog():
            return
        lines = [orjson.dumps({"kind": "tick", "at": due, "scope": scope}) for scope, due in over]
        try:
            await self._service.accept(lines)
        except Unavailable:
            return
        self._ticks |= dict.fromkeys(over, float("inf"))
