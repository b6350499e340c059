"""The process that decides: reads the log as far as it is on disk, commits, and answers questions in between.

It runs beside the one that accepts, because both need a processor of their own: in one Python process the engine made
every tenth sender wait for tens of milliseconds. It writes state, outputs and its position in the log together; killed
at any moment it goes on where it was, and what it had not committed it decides again, to the same bytes.
"""

from __future__ import annotations

import gc
import signal
import socket
import sys
import time
import traceback
from collections import Counter
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from grouping.config import Config
from grouping.emit import emit
from grouping.engine import Engine
from grouping.outlets.announce import HELD, Announcer
from grouping.parse import Malformed, parse
from grouping.quality import Quality
from grouping.records import (
    Decision,
    IncidentLine,
    Merged,
    Moved,
    Output,
    PolicyLine,
    Reason,
    Refused,
    Suggestion,
    Undone,
)
from grouping.runtimes import base
from grouping.runtimes.answers import Answers, Unanswered
from grouping.runtimes.bypassed import bypassed, marked
from grouping.runtimes.forgetting import Forgetting
from grouping.runtimes.index import Index
from grouping.runtimes.link import Blocking, Gone
from grouping.runtimes.log import Follower, LogError
from grouping.runtimes.store import OtherFormat, Store, StoreError

BITE = 32  # events between two looks at what is asked
COMMIT_EVENTS = 4096  # events between two commits at most
PAUSE = 9.0  # times the last commit's duration until the next: a tenth of the time at most goes there
PAUSE_MAX = 1.0  # s, while many events wait to be decided: it is they that wait longest
PAUSE_SOON = 0.010  # s, otherwise: somebody waits for what was decided
OPEN_FOR = 10.0  # s to wait for the forerunner to let go of the store


class Fault(Exception):
    """The engine failed on an event: a mistake of ours, and no reason to leave the others unanswered."""

    def __init__(self, seq: int) -> None:
        super().__init__(seq)
        self.seq = seq


class Decider:
    """The engine, its store, and the other process at the end of a socket."""

    def __init__(self, directory: Path, config: Config, link: Blocking, *, careful: bool = False) -> None:
        """Open the store of a service directory. Raises StoreError, LogError.

        ``careful``: commit each of the next events by itself, so that one on which the process ends is known.
        """
        self._link = link
        self._config = config
        self._directory = directory
        self._store, from_base = self._opened(directory)
        self._settings = blake2b(orjson.dumps(asdict(config)), digest_size=8).hexdigest()
        before = self._store.position()
        if from_base:  # what was decided until then stays; what follows is decided with the settings of now
            before = {"seq": before.get("seq", 0), "settings": self._settings}
            self._store.commit({}, b"", before["seq"], before)
        if before and before["settings"] != self._settings:
            raise StoreError(
                f"{directory / 'store'}: built with other settings; use the same ones, or move this directory away: "
                "then everything is decided anew from the log"
            )
        self._engine = Engine(config, self._store)
        self._index = Index(self._store, self._engine.state)
        self._announcer = Announcer(self._engine.state, self._store, self._store.under(HELD))
        self._follower = Follower(directory / "log", before.get("seq", 0))
        self._faults = bypassed(directory / "log")
        self._durable = 0
        self._stop_at: float | None = None
        self._careful_to = self._follower.position + 2 * COMMIT_EVENTS if careful else 0
        self._committed = self._follower.position
        self._lines: list[bytes] = []
        self._counts: dict[str, int] = {}
        self._quality = Quality()
        self._next_commit = self._commit_soon = 0.0
        forgetting = Forgetting(directory, self._store, self._engine, self._index, self._announcer, self._settle)
        self._answers = Answers(config, self._store, self._index, forgetting)
        self._answers.committed(self._committed)

    def _opened(self, directory: Path) -> tuple[Store, bool]:
        """The store, and whether it was just made from the base; that of another version is set aside."""
        from_base = base.put_back(directory)
        try:
            return _open(directory / "store"), from_base
        except OtherFormat as other:
            aside = base.set_aside(directory, other)
            self._link.send({"aside": str(aside), "format": other.found})
        from_base = base.put_back(directory)
        return _open(directory / "store"), from_base

    def run(self, messages: list[dict[str, Any]]) -> None:
        """Decide until the other process says stop or ends; ``messages`` have come already. Raises LogError, StoreError."""
        for message in messages:
            self._heed(message)
        if self._follower.position > self._durable:
            raise LogError(
                f"the log ends with event {self._durable}, but events up to {self._follower.position} are decided: "
                "a part of the log is gone; restore it from a backup"
            )
        self._report()
        while True:
            behind = self._follower.position < self._durable
            now = time.monotonic()
            if self._stop_at is not None and (not behind or now >= self._stop_at):
                break
            held = self._follower.position > self._committed
            timeout = 0.0 if behind else max(0.0, self._commit_soon - now) if held else None
            for message in self._link.receive(timeout):
                self._heed(message)
            if self._follower.position < self._durable:
                self._decide()
            uncommitted, waiting = self._follower.position - self._committed, self._durable - self._follower.position
            due = self._next_commit if waiting > COMMIT_EVENTS else self._commit_soon
            if uncommitted >= COMMIT_EVENTS or (uncommitted and time.monotonic() >= due):
                self._commit(self._follower.position)
        if self._follower.position > self._committed:
            self._commit(self._follower.position)

    def close(self) -> None:
        """Let go of the files."""
        self._follower.close()
        self._store.close()

    def _heed(self, message: dict[str, Any]) -> None:
        self._durable = max(self._durable, message.get("durable", 0))
        if "stop" in message:
            self._stop_at = time.monotonic() + message["stop"]
        if "ask" in message:
            self._link.send({"answer": message["ask"], **self._answers.answer(message["what"], message["with"])})

    def _decide(self) -> None:
        """Take a bite of the log. Raises Fault."""
        seq = self._follower.position
        for line in self._follower.upto(self._durable, BITE):
            seq += 1
            try:
                event = parse(marked(line) if seq in self._faults else line)
                outputs = self._engine.step(event)
                self._announcer.take(seq, event, outputs)
                self._index.take(seq, event, outputs)
            except Malformed as error:  # taken by the door of another version
                outputs = [Refused(error.scope, error.id, str(error))]
            except StoreError:  # no event is to blame
                raise
            except Exception as error:
                raise Fault(seq) from error
            if outputs:
                self._note(seq, outputs)
            if seq <= self._careful_to:
                self._commit(seq)

    def _note(self, seq: int, outputs: list[Output]) -> None:
        self._quality.take(seq, outputs)
        for output in outputs:
            self._lines.append(emit(seq, output))
            what = _what(output)
            self._counts[what] = self._counts.get(what, 0) + 1

    def _commit(self, seq: int) -> None:
        """Write down what events up to number ``seq`` changed."""
        begin = time.monotonic()
        records = dict(self._engine.drain()) | self._index.drain() | self._announcer.drain()
        position = {"seq": seq, "settings": self._settings}
        self._store.commit(records, b"".join(self._lines), seq, position)
        self._lines.clear()
        self._committed = seq
        self._answers.committed(seq)
        end = time.monotonic()
        pause = PAUSE * (end - begin)
        self._next_commit, self._commit_soon = end + min(PAUSE_MAX, pause), end + min(PAUSE_SOON, pause)
        self._report()

    def _settle(self) -> None:
        """Commit all that is decided."""
        self._commit(self._follower.position)

    def _report(self) -> None:
        counts, self._counts = self._counts, {}
        report = {"at": self._committed, "counts": counts, "quality": self._quality.counts}
        report |= {"open": self._index.open, "joinable": self._engine.open_incidents()}
        self._link.send(report | {"held": self._announcer.waiting()})
        self._quality.counts = Counter()


def _what(output: Output) -> str:
    """One word for what an output line says, to be counted."""
    match output:
        case Decision():
            return str(output.reason if output.reason is Reason.BYPASSED else output.action)
        case IncidentLine():
            return str(output.event)
        case PolicyLine():
            return "policy"
        case Merged():
            return "merged"
        case Moved():
            return "moved"
        case Undone():
            return "undone"
        case Suggestion():
            return "suggestion"
        case Refused():
            return "refused"


def _open(path: Path) -> Store:
    """The store, once a forerunner that is just ending has let go of it."""
    until = time.monotonic() + OPEN_FOR
    while True:
        try:
            return Store(path, sync=False)
        except StoreError as error:
            if "in use" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.05)


def main() -> int:
    """`python -m grouping.runtimes.decider FD DIR`, started by the service; settings come first over the socket."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the other process says when to stop
    link = Blocking(socket.socket(fileno=int(sys.argv[1])))
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # as in a replay: millions of records without cycles
    try:
        messages = link.receive(None)
        try:
            first = messages[0]
            decider = Decider(Path(sys.argv[2]), Config(**first["config"]), link, careful=first["careful"])
            decider.run(messages)
            decider.close()
        except (StoreError, LogError) as error:
            link.send({"failed": str(error)})
            return 1
        except Fault as fault:
            link.send({"fault": fault.seq, "traceback": traceback.format_exc()})
            return 1
        except Unanswered as question:
            link.send({"unanswered": str(question), "traceback": traceback.format_exc()})
            return 1
    except Gone:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
