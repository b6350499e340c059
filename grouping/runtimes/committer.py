"""Group commit: everything that arrives while one fsync runs goes to disk together with the next one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from grouping.runtimes.log import Full, Log, LogError

WRITE_BYTES = 16 << 20  # of one batch, more or less: well below what a reader of the log accepts
WRITE_EVENTS = 16_384


class _Request:
    """Events that were given together, and who waits until all of them are on disk."""

    def __init__(self, lines: Sequence[bytes], future: asyncio.Future[int]) -> None:
        self.lines = lines
        self.future = future
        self.first = 0  # number of its first event, once that is on disk
        self.error: Full | LogError | None = None  # why a part of it could not be put down: what follows is left out


class _Part(NamedTuple):
    """What goes into one batch of a request: all of it, or a slice of a large one."""

    request: _Request
    lines: Sequence[bytes]
    last: bool


class Committer:
    """Appends to the log from an event loop that waits for nothing."""

    def __init__(
        self,
        log: Log,
        done: Callable[[int, int], None],
        failed: Callable[[LogError], None],
        size: int = WRITE_BYTES,
        events: int = WRITE_EVENTS,
    ) -> None:
        """``done``: called in the loop with the number of the last event on disk and how many came with it.

        ``failed``: called in the loop when the log can take no more. ``size``, ``events``: bytes and events of a batch,
        at most, but for a single event that is larger.
        """
        self._log = log
        self._done = done
        self._failed = failed
        self._size = size
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Request] = []
        self._some = threading.Condition()
        self._stopping = False
        self._fault: LogError | None = None  # the thread has ended
        self._thread = threading.Thread(target=self._work, name="log")
        self._thread.start()

    def append(self, lines: Sequence[bytes]) -> asyncio.Future[int]:
        """The number of the first of these events, once all of them are on disk. They have numbers one after the other.

        Raises Full, LogError: then the first of many may be in the log, without having been promised to anybody.
        """
        assert lines, "there is no number of nothing"
        future: asyncio.Future[int] = self._loop.create_future()
        with self._some:
            if self._fault is not None:
                future.set_exception(self._fault)
                return future
            self._waiting.append(_Request(lines, future))
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
                requests, self._waiting = self._waiting, []
            if not requests:
                return
            try:
                for batch in _batches(requests, self._size, self._events):
                    self._put_down([part for part in batch if part.request.error is None])
            except Exception as error:  # a fault of ours: nobody is to wait for ever
                self._fault = LogError(f"the log failed: {error!r}; start again, and please report this")
                with self._some:
                    requests, self._waiting = requests + self._waiting, []
                self._loop.call_soon_threadsafe(self._refuse, requests, self._fault)
                raise

    def _put_down(self, batch: list[_Part]) -> None:
        lines = [line for part in batch for line in part.lines]
        if not lines:
            return
        try:
            number = first = self._log.append(lines)
        except (Full, LogError) as error:
            for part in batch:
                part.request.error = error
            self._loop.call_soon_threadsafe(self._refuse, [part.request for part in batch], error)
            return
        for part in batch:
            part.request.first = part.request.first or number
            number += len(part.lines)
        self._loop.call_soon_threadsafe(self._tell, batch, first, len(lines))

    def _tell(self, batch: list[_Part], first: int, count: int) -> None:
        self._done(first + count - 1, count)
        for request, _, last in batch:
            if last and not request.future.done():  # its sender may have gone away
                request.future.set_result(request.first)

    def _refuse(self, requests: list[_Request], error: Full | LogError) -> None:
        for request in requests:
            if not request.future.done():
                request.future.set_exception(error)
        if isinstance(error, LogError):
            self._failed(error)


def _batches(requests: Iterable[_Request], size: int, events: int) -> Iterator[list[_Part]]:
    """The requests in batches of bounded size, in order; a large one in several."""
    batch: list[_Part] = []
    bytes_ = count = 0
    for request in requests:
        begin, lines = 0, request.lines
        for at, line in enumerate(lines):
            if count == events or (count and bytes_ + len(line) >= size):
                if at > begin:
                    batch.append(_Part(request, lines[begin:at], last=False))
                yield batch
                batch, bytes_, count, begin = [], 0, 0, at
            bytes_ += len(line) + 1
            count += 1
        batch.append(_Part(request, lines[begin:] if begin else lines, last=True))
    if batch:
        yield batch
