"""Group commit: everything that arrives while one fsync runs goes to disk together with the next one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

from grouping.runtimes.log import Full, Log, LogError

GROUP = 16 << 20  # bytes of one write, more or less


class Committer:
    """Appends to the log from an event loop that waits for nothing."""

    def __init__(self, log: Log, done: Callable[[int, int], None], failed: Callable[[LogError], None]) -> None:
        """``done``: called in the loop with the number of the last event on disk and how many came with it.

        ``failed``: called in the loop when the log can take no more.
        """
        self._log = log
        self._done = done
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Sequence[bytes], asyncio.Future[int]]] = []
        self._some = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="log")
        self._thread.start()

    def append(self, lines: Sequence[bytes]) -> asyncio.Future[int]:
        """The number of the first of these events, once they are on disk. Raises Full, LogError."""
        future: asyncio.Future[int] = self._loop.create_future()
        with self._some:
            self._waiting.append((lines, future))
            if len(self._waiting) == 1:
                self._some.notify()
        return future

    async def close(self) -> None:
        """Put down what is waiting and end."""
        with self._some:
            self._stopping = True
            self._some.notify()
        await self._loop.run_in_executor(None, self._thread.join)

    def _work(self) -> None:
        while True:
            with self._some:
                while not self._waiting and not self._stopping:
                    self._some.wait()
                group, self._waiting = self._waiting, []
            if not group:
                return
            for part in _parts(group):
                self._put_down(part)

    def _put_down(self, group: list[tuple[Sequence[bytes], asyncio.Future[int]]]) -> None:
        lines = [line for some, _ in group for line in some]
        try:
            first = self._log.append(lines)
        except (Full, LogError) as error:
            self._loop.call_soon_threadsafe(self._refuse, group, error)
            return
        self._loop.call_soon_threadsafe(self._tell, group, first, len(lines))

    def _tell(self, group: list[tuple[Sequence[bytes], asyncio.Future[int]]], first: int, count: int) -> None:
        self._done(first + count - 1, count)
        for lines, future in group:
            if not future.done():  # its sender may have gone away
                future.set_result(first)
            first += len(lines)

    def _refuse(self, group: list[tuple[Sequence[bytes], asyncio.Future[int]]], error: Full | LogError) -> None:
        for _, future in group:
            if not future.done():
                future.set_exception(error)
        if isinstance(error, LogError):
            self._failed(error)


def _parts(
    group: list[tuple[Sequence[bytes], asyncio.Future[int]]],
) -> list[list[tuple[Sequence[bytes], asyncio.Future[int]]]]:
    """The group in parts of bounded size, in order."""
    parts, size = [[group[0]]], 0
    for one in group[1:]:
        size += sum(map(len, one[0]))
        if size > GROUP:
            parts.append([])
            size = 0
        parts[-1].append(one)
    return parts
