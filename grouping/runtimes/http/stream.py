"""Everything that is decided, as server-sent events, from any event on."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import orjson

from grouping.runtimes.service import Service, Unavailable

HEARTBEAT = 15.0  # s of silence after which a comment is sent, so that nobody between closes the connection
PAGES = 64  # pages of output lines kept for those who read along
AGAIN = 1.0  # s until one that could not be fetched is asked for again


class Feed:
    """Pages of output lines, each fetched once for all who read along."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pages: OrderedDict[int, asyncio.Task[dict[str, Any]]] = OrderedDict()

    async def lines(self, after: int, scope: str | None, allowed: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Server-sent events: the output lines of input events after number ``after``, as long as it is ``allowed``.

        The id of an event is its seq, and stands on the last line of that seq: who comes back with it misses nothing.
        """
        service, settings = self._service, self._service.settings
        while not service.stopping:
            if service.settings is not settings:
                settings = service.settings
                if not allowed():
                    return
            if service.decided <= after and not await service.news(after, HEARTBEAT):
                yield b": still here\n\n"
                continue
            try:
                page = await self._page(after)
            except Unavailable:
                await asyncio.sleep(AGAIN)
                continue
            yield b"".join(_event(line, scope, last) for line, last in _marked(page["lines"])) or b": \n\n"
            after = page["to"]

    async def _page(self, after: int) -> dict[str, Any]:
        task = self._pages.get(after)
        if task is None or (task.done() and (task.exception() is not None or task.result()["to"] <= after)):
            task = self._pages[after] = asyncio.create_task(
                self._service.ask("outputs", leisure=True, after=after, upto=None)
            )
            if len(self._pages) > PAGES:
                self._pages.popitem(last=False)
        return await asyncio.shield(task)


def _marked(lines: list[str]) -> list[tuple[dict[str, Any], bool]]:
    """The lines of a page, read, each with whether it is the last one of its seq."""
    read = [orjson.loads(line) for line in lines]
    ends = [one["seq"] != other["seq"] for one, other in pairwise(read)]
    return list(zip(read, [*ends, True], strict=False))


def _event(line: dict[str, Any], scope: str | None, last: bool) -> bytes:
    id = b"id: %d\n" % line["seq"] if last else b""
    if scope is not None and line["scope"] != scope:
        return id + b"\n" if id else b""
    return b"%bevent: %b\ndata: %b\n\n" % (id, line["kind"].encode(), orjson.dumps(line))
