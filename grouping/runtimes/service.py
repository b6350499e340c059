"""The live service without its HTTP: the log, the process that decides, and what the doors may ask of both."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from grouping.config import Config
from grouping.quality import Quality
from grouping.runtimes.bypassed import bypass
from grouping.runtimes.committer import Committer
from grouping.runtimes.link import Gone, Waiting
from grouping.runtimes.log import Full, Log, LogError
from grouping.runtimes.logs import TRACE
from grouping.runtimes.resent import Resent
from grouping.runtimes.settings import MIB, Settings
from grouping.runtimes.times import Times

RESTART = (0.1, 0.1, 0.5, 2.0, 5.0)  # s before the process that decides is started again, the last again and again
STEADY = 60.0  # s after which a start counts as good
ASKED = 1.0  # s that a question may take at least, whatever `answer_s` says
LEISURE = 30.0  # s that one may take for which nobody waits
FULL_FOR = 1.0  # s that a full disk is believed to be full
STARTING = "the process that decides is starting"

logger = logging.getLogger("grouping.service")


class Unavailable(Exception):
    """What was asked cannot be done now; ``after``: seconds until asking again makes sense."""

    def __init__(self, message: str, after: int = 1) -> None:
        super().__init__(message)
        self.after = after


def _unwritable(why: str) -> str:
    return f"the log cannot be written: {why}; make room on the disk"


class Service:
    """Takes events into the log and knows what was decided. Lives in one event loop."""

    def __init__(self, directory: Path, config: Config, settings: Settings) -> None:
        """Open the log. Raises LogError."""
        self.directory = directory
        self.config = config
        self.settings = settings
        self.log = Log(directory / "log", settings.reserve_mb * MIB)
        self.decided = 0  # number of the last event that is decided and committed
        self.open_incidents = 0
        self.joinable = 0  # of these in memory, and taking alerts
        self.held: list[tuple[str, float, float]] = []  # scopes in which time must pass: name, until when, for how long
        self.counts: dict[str, int] = {}
        self.quality = Quality()
        self.decision_times = Times()
        self.broken = asyncio.Event()
        self.why = ""  # the log or the store can no longer be used: what was said
        self._durable = self.log.end
        self._arrived: deque[tuple[int, float, int]] = deque()  # number of the last of some events, when, how many
        self.resent = Resent()
        self._moved = time.monotonic()  # when the decisions last made progress
        self._ended_at = -1  # how far they were when the process that decides last ended by itself
        self._careful = False
        self._late = False
        self._faults = 0
        self._full_until = 0.0
        self._full = ""
        self._link: Waiting | None = None  # to the process that decides, once it has said how far it is
        self._child_link: Waiting | None = None  # the same from when it was started
        self._ending = asyncio.Event()
        self._questions: dict[int, tuple[asyncio.Future[Any], str]] = {}  # and the trace of who asks
        self._asked = 0
        self._progress = asyncio.Condition()
        self._stopping = False
        self._begun = False  # it was running once
        self._child: subprocess.Popen[bytes] | None = None

    # -- life

    async def start(self) -> None:
        """Begin to write and to decide."""
        if self.log.cut:
            logger.warning("log cut", extra={"bytes": self.log.cut, "why": "unfinished, promised to nobody"})
        self._committer = Committer(self.log, self._on_disk, self._log_failed)
        self._keeper = asyncio.create_task(self._keep())
        self._keeper.add_done_callback(self._kept)

    async def hush(self) -> None:
        """Take no more events, and let those who read along go."""
        self._stopping = True
        await self._wake()

    async def _wake(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    async def stop(self) -> None:
        """Put down what is waiting, let it be decided for a while, and end. What is left is decided at the next start."""
        self._stopping = True
        await self._committer.close()
        self._ending.set()
        if self._child_link is not None:
            self._child_link.send(self._last_word())
        if not (await asyncio.wait((self._keeper,), timeout=self.settings.stop_s + 5))[0]:
            logger.warning("decider does not end", extra={"left": self.backlog()})
            assert self._child is not None
            self._child.kill()
            await asyncio.wait((self._keeper,))
        self.log.close()

    def _last_word(self) -> dict[str, Any]:
        """What tells the process that decides to end, and how far it may still come, also where it is just starting."""
        return {"stop": self.settings.stop_s, "durable": self._durable}

    @property
    def stopping(self) -> bool:
        """Whether the service is about to end."""
        return self._stopping

    @property
    def running(self) -> bool:
        """Whether both processes are there and go on."""
        return self._link is not None and not self.why and not self._stopping

    @property
    def alive(self) -> bool:
        """Whether it began and can go on: the process that decides may just be started again."""
        return self._begun and not self.why

    def state(self) -> tuple[bool, str]:
        """Whether events are taken and decided as they are to be; and what is in the way, or not as it should be."""
        refusal = self._refusal()
        if refusal is not None:
            return False, str(refusal)
        lacking = self.log.lacking()
        if lacking:
            return False, _unwritable(lacking)
        if self._link is None:
            return False, STARTING
        return True, "decisions are late: alerts that come are opened ungrouped" if self.late() else ""

    def reload(self, settings: Settings) -> None:
        """Go by other settings from here on; what needs a new process stays."""
        self.settings = settings
        self.log.reserve = settings.reserve_mb * MIB
        self._waking = asyncio.create_task(self._wake())

    # -- events in

    async def accept(self, lines: Sequence[bytes]) -> int:
        """Put events on disk; the number of the first. Raises Unavailable."""
        refusal = self._refusal()
        if refusal is not None:
            raise refusal
        try:
            return await self._committer.append(lines)
        except Full as full:
            self._full, self._full_until = str(full), time.monotonic() + FULL_FOR
            logger.error("log full", extra={"why": str(full)})  # noqa: TRY400 — no fault of ours
            raise Unavailable(_unwritable(str(full)), 10) from None
        except LogError as error:
            raise Unavailable(str(error), 10) from None

    def _refusal(self) -> Unavailable | None:
        """Why no event can be taken now, as far as it is known without asking the disk."""
        if self._stopping:
            return Unavailable("the service is stopping; send it again in a moment")
        if self.why:
            return Unavailable(self.why, 10)
        if self._full and time.monotonic() < self._full_until:
            return Unavailable(_unwritable(self._full), 10)
        if self.backlog() >= self.settings.backlog_max:
            return Unavailable(f"{self.backlog()} accepted events wait for their decision; send slower", 5)
        return None

    def backlog(self) -> int:
        """Accepted events that are not decided yet."""
        return self._durable - self.decided

    def lag(self) -> float:
        """For how long the oldest of them has waited, s."""
        return time.monotonic() - self._arrived[0][1] if self._arrived else 0.0

    def late(self) -> bool:
        """Whether decisions are so late that alerts that come now are opened ungrouped, and soon."""
        late = 0.0 < self.settings.late_s < self.lag()
        if late is not self._late:
            self._late = late
            logger.log(
                logging.ERROR if late else logging.WARNING,
                "decisions are late: alerts are opened ungrouped" if late else "decisions are in time again",
                extra={"backlog": self.backlog(), "lag_s": round(self.lag(), 3)},
            )
        return late

    def _on_disk(self, last: int, events: int) -> None:
        self._durable = last
        self._arrived.append((last, time.monotonic(), events))
        if self._link is not None:
            self._link.send({"durable": last})

    def _log_failed(self, error: LogError) -> None:
        self._break(str(error))

    def _break(self, why: str) -> None:
        if not self.why:
            logger.critical("stopping", extra={"why": why})
        self.why = self.why or why
        self.broken.set()

    # -- what was decided

    async def ask(self, what: str, *, leisure: bool = False, **arguments: Any) -> Any:
        """An answer of the process that decides, within ``answer_s``: a person waits; ``leisure``: nobody does. Raises Unavailable."""
        if self._link is None:
            raise Unavailable(STARTING)
        self._asked += 1
        number = self._asked
        future = asyncio.get_running_loop().create_future()
        self._questions[number] = future, TRACE.get()
        within = LEISURE if leisure else max(self.settings.answer_s, ASKED)
        self._link.send({"ask": number, "what": what, "with": arguments})
        try:
            return await asyncio.wait_for(future, within)
        except TimeoutError:
            raise Unavailable(f"the process that decides did not answer within {within:g} s; it is busy", 5) from None
        finally:
            self._questions.pop(number, None)

    async def reached(self, seq: int, within: float) -> bool:
        """Whether event number ``seq`` is decided within so many seconds."""
        try:
            async with asyncio.timeout(within), self._progress:
                await self._progress.wait_for(lambda: self.decided >= seq)
        except TimeoutError:
            return False
        return True

    async def news(self, after: int, within: float) -> bool:
        """Whether an event after number ``after`` is decided within so many seconds.

        Returns early, too, when this is about to end or has other settings: who reads along looks whether it still may.
        """
        settings = self.settings
        try:
            async with asyncio.timeout(within), self._progress:
                await self._progress.wait_for(
                    lambda: self.decided > after or self._stopping or self.settings is not settings
                )
        except TimeoutError:
            return False
        return self.decided > after

    # -- the process that decides

    async def _keep(self) -> None:
        """Keep one running until the service stops."""
        failures = 0
        while not self._stopping:
            begun = time.monotonic()
            faults = self._faults
            try:
                await self._run_one()
            except OSError as error:  # no process, no socket: no event is to blame
                logger.error("decider cannot be started", extra={"why": error.strerror})  # noqa: TRY400 — no fault of ours
                faults = -1
            if self._stopping or self.why:
                return
            if self._faults == faults:
                self._suspect()
            failures = 0 if time.monotonic() - begun > STEADY else failures + 1
            pause = RESTART[min(failures, len(RESTART) - 1)]
            logger.error("decider ended", extra={"again_in_s": pause, "backlog": self.backlog()})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause)

    def _kept(self, keeper: asyncio.Task[None]) -> None:
        """Nobody keeps a process that decides any more. Where that is a fault of ours, no event is taken any more either."""
        fault = None if keeper.cancelled() else keeper.exception()
        if fault is not None:
            logger.error("the keeper failed", exc_info=fault)
            self._break(f"no process that decides can be kept: {fault!r}; start again, and please report this")

    def _suspect(self) -> None:
        """It ended without a word. When it does so twice at one place, the third time shows on which event."""
        if self._careful and self.backlog() > 0:
            self._bypass(self.decided + 1, "the process that decides ended on it, again and again")
        self._careful = self._ended_at == self.decided and not self._careful
        self._ended_at = self.decided

    def _bypass(self, seq: int, why: str) -> None:
        """Let an event be opened ungrouped, because the engine fails on it."""
        self._faults += 1
        logger.error("fault: the event is bypassed", extra={"seq": seq, "why": why})
        try:
            bypass(self.directory / "log", seq, why)
        except LogError as error:
            self._break(str(error))

    async def _watch(self, child: subprocess.Popen[bytes]) -> None:
        """End the process that decides when it makes no progress."""
        while True:
            await asyncio.sleep(min(1.0, self.settings.stuck_s / 4))
            waited = time.monotonic() - max(self._moved, self._arrived[0][1]) if self._arrived else 0.0
            if self._link is not None and waited > self.settings.stuck_s:
                logger.error("decider is stuck", extra={"decided": self.decided, "for_s": round(waited, 1)})
                child.kill()
                return

    async def _run_one(self) -> None:
        ours, its = socket.socketpair()
        command = [sys.executable, "-m", "grouping.runtimes.decider", str(its.fileno()), str(self.directory)]
        with its:
            try:
                self._child = subprocess.Popen(command, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL)  # noqa: ASYNC220, S603 — our own; it returns at once
            except BaseException:
                ours.close()
                raise
        link = await Waiting.over(ours)
        link.send({"config": asdict(self.config), "durable": self._durable, "careful": self._careful})
        if self._ending.is_set():
            link.send(self._last_word())
        self._child_link = link
        watch = asyncio.create_task(self._watch(self._child))
        try:
            while True:
                self._hear(await link.receive(), link)
                async with self._progress:
                    self._progress.notify_all()
        except Gone:
            pass
        finally:
            watch.cancel()
            self._link = self._child_link = None
            link.close()
            for future, _ in self._questions.values():
                if not future.done():
                    future.set_exception(Unavailable("the process that decides has ended and is started again"))
            await asyncio.get_running_loop().run_in_executor(None, self._child.wait)

    def _hear(self, message: dict[str, Any], link: Waiting) -> None:
        if "answer" in message:
            future, trace = self._questions.get(message["answer"], (None, ""))
            if future is None or future.done():
                pass
            elif "failed" in message:
                logger.error("a question failed", extra={"why": message["failed"], "trace": trace})
                future.set_exception(Unavailable(f"this could not be answered: {message['failed']}", 60))
            else:
                future.set_result(message["value"])
        elif "unanswered" in message:  # a mistake of ours, and no event is to blame
            self._faults += 1
            logger.error("a question ended the process that decides", extra=message)
        elif "fault" in message:
            logger.error("the engine failed", extra={"traceback": message["traceback"]})
            self._bypass(message["fault"], message["traceback"].rstrip().rsplit("\n", 1)[-1])
        elif "aside" in message:
            logger.warning("store of another version set aside: the log is decided anew", extra=message)
        elif "failed" in message:
            self._break(message["failed"])
        else:
            self.decided, self.held = message["at"], message["held"]
            self.open_incidents, self.joinable = message["open"], message["joinable"]
            self._moved = time.monotonic()
            for what, count in message["counts"].items():
                self.counts[what] = self.counts.get(what, 0) + count
            self.quality.counts.update(message["quality"])
            while self._arrived and self._arrived[0][0] <= self.decided:
                _, since, events = self._arrived.popleft()
                self.decision_times.add(self._moved - since, events)
            if self._link is None:
                self._link, self._begun = link, True
                link.send({"durable": self._durable})
