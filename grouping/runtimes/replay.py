"""Files of events through the engine: what `grouping replay` does, without the command line.

A replay with a state directory can be stopped at any moment and continued by the same call: what was committed is
kept, the input before it is skipped, and the output file is cut back to the last committed line.
"""

from __future__ import annotations

import gc
import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import orjson

from grouping.config import Config
from grouping.emit import emit
from grouping.engine import Engine
from grouping.parse import MAX_LINE, Malformed, parse
from grouping.records import Event, Output, Refused
from grouping.runtimes.reread import Reread
from grouping.runtimes.scratch import Scratch
from grouping.runtimes.store import Store
from grouping.runtimes.whole import put

COMMIT_LINES = 4096  # input lines between two commits
CHUNK = 256  # input lines between two writes of output, where nobody waits for an answer

Watcher = Callable[[Event | None, Sequence[Output]], None]
Ticker = Callable[[int, int, int], None]  # lines read, bytes of the present file read, open incidents


class BadInput(Exception):
    """Files that cannot be replayed; the message names place and remedy."""


@dataclass(frozen=True, slots=True)
class Source:
    """One input: its name, the stream of its lines, and how far into the file it has been read."""

    name: str
    lines: BinaryIO
    file: BinaryIO


@dataclass(slots=True)
class Result:
    """What a replay came to."""

    lines: int = 0
    refused: int = 0
    skipped: int = 0  # lines taken by an earlier run


def replay(
    paths: Sequence[str],
    out: Path | None,
    *,
    config: Config,
    state: Path | None = None,
    watch: Watcher | None = None,
    tick: Ticker | None = None,
) -> Result:
    """Run the events of ``paths`` ("-": standard input) through the engine; outputs to ``out`` or standard output.

    Raises BadInput, StoreError, OSError.
    """
    _apart(paths, out)
    if state is not None:
        _own(state)
    with ExitStack() as stack:
        store = Scratch() if state is None else Store(state)
        stack.callback(store.close)
        run = _Run(config, store, state, out, live="-" in paths, watch=watch, tick=tick)
        stack.callback(run.close)
        calm_collector(stack)
        return run.through(open_sources(paths, stack))


class _Run:
    """One replay under way."""

    def __init__(
        self,
        config: Config,
        store: Store | Scratch,
        state: Path | None,
        out: Path | None,
        *,
        live: bool,
        watch: Watcher | None,
        tick: Ticker | None,
    ) -> None:
        self._store = store
        self._state = state
        self._watch = watch
        self._tick = tick
        self._chunk = 1 if live else CHUNK
        self._engine = Engine(config, store)
        self._settings = blake2b(orjson.dumps(asdict(config)), digest_size=8).hexdigest()
        self._digest = blake2b(digest_size=16)
        self._before = store.position()
        if self._before and "written" not in self._before:  # the store alone, handed over by its own name
            raise BadInput(f"{state}: {_ANOTHERS}")
        if self._before and self._before["settings"] != self._settings:
            raise BadInput(f"{state}: built with other settings; use the same ones, or a new --state directory")
        self._written = self._before.get("written", 0)
        self._result = Result(refused=self._before.get("refused", 0))
        self._sink = sys.stdout.buffer if out is None else _continued(out, store, self._written)
        self._owned = out is not None
        self._lines: list[bytes] = []  # outputs since the last commit

    def close(self) -> None:
        """Close the output file."""
        if self._owned:
            self._sink.close()

    def through(self, sources: Iterator[Source]) -> Result:
        """Take all lines of all sources."""
        result, skip = self._result, self._before.get("lines", 0)
        before = None if self._watch is None or not skip else Reread(self._store.outputs())
        pending = 0
        for source in sources:
            for line in lines_of(source):
                result.lines += 1
                if self._store.durable:
                    self._digest.update(line)
                if result.lines <= skip:
                    result.skipped = result.lines
                    if before is not None:
                        self._watch_again(line, before.of(result.lines))
                    if result.lines == skip:
                        self._check_same()
                    continue
                self._take(result.lines, line)
                pending += 1
                if pending >= self._chunk:
                    self._flush()
                    pending = 0
                    if self._tick is not None:
                        at = source.file.tell() if source.file.seekable() else 0
                        self._tick(result.lines, at, self._engine.open_incidents())
                if result.lines % COMMIT_LINES == 0:
                    self._commit()
        if result.lines < skip:
            raise BadInput(f"{self._state}: {skip} lines were taken before, the input now has {result.lines}")
        self._commit()
        return result

    def _take(self, number: int, line: bytes) -> None:
        event: Event | None = None
        outputs: Sequence[Output]
        try:
            event = parse(line)
        except Malformed as error:
            if not line.strip():
                return
            self._result.refused += 1
            outputs = [Refused(error.scope, error.id, str(error))]
        else:
            outputs = self._engine.step(event)
            if outputs and isinstance(outputs[0], Refused):
                self._result.refused += 1
        for output in outputs:
            self._lines.append(emit(number, output))
        if self._watch is not None:
            self._watch(event, outputs)

    def _watch_again(self, line: bytes, outputs: Sequence[Output]) -> None:
        """Show what an earlier run took, and what came of it."""
        event: Event | None = None
        try:
            event = parse(line)
        except Malformed:
            if not line.strip():
                return
        if self._watch is not None:
            self._watch(event, outputs)

    def _flush(self) -> None:
        """Hand out what was decided. What is committed later is held back here, not in the file."""
        fresh = b"".join(self._lines[self._handed :])
        self._handed = len(self._lines)
        if fresh:
            put(self._sink, fresh)
            self._sink.flush()
            self._written += len(fresh)

    _handed = 0

    def _commit(self) -> None:
        self._flush()
        position = {
            "lines": self._result.lines,
            "refused": self._result.refused,
            "written": self._written,
            "settings": self._settings,
            "digest": self._digest.copy().hexdigest(),
        }
        self._store.commit(self._engine.drain(), b"".join(self._lines), self._result.lines, position)
        self._lines.clear()
        self._handed = 0

    def _check_same(self) -> None:
        if self._digest.hexdigest() != self._before["digest"]:
            lines = self._before["lines"]
            raise BadInput(f"{self._state}: built from other input (lines 1 to {lines}); use a new --state directory")


_ANOTHERS = "the state of a service or a worker; give the replay a directory of its own"


def _apart(paths: Sequence[str], out: Path | None) -> None:
    """Raises BadInput where an input would be written over before it is read."""
    if out is None or not out.is_file():
        return
    for path in paths:
        if path != "-" and out.samefile(path):
            raise BadInput(f"{out}: is an input; give the output another name")


def _own(state: Path) -> None:
    """Raises BadInput where a service or a worker keeps its state: a replay would be a second one beside it."""
    if (state / "log").is_dir() or (not (state / "CURRENT").exists() and any(state.glob("*[0-9]/CURRENT"))):
        raise BadInput(f"{state}: {_ANOTHERS}")


def open_sources(paths: Sequence[str], stack: ExitStack) -> Iterator[Source]:
    """Each input, opened when its turn comes."""
    for path in paths:
        if path == "-":
            yield Source("-", sys.stdin.buffer, sys.stdin.buffer)
            continue
        file = stack.enter_context(Path(path).open("rb"))
        packed = file.peek(2)[:2] == b"\x1f\x8b"
        yield Source(path, stack.enter_context(gzip.open(file)) if packed else file, file)  # type: ignore[arg-type]


def lines_of(source: Source) -> Iterator[bytes]:
    """The lines of a source; of one that is too long only so much that it is refused."""
    read = source.lines.readline
    limit = MAX_LINE + 2
    while True:
        try:
            line = read(limit)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise BadInput(f"{source.name}: damaged gzip: {error}; fetch the file again") from None
        if not line:
            return
        yield line
        while len(line) == limit and not line.endswith(b"\n"):
            line = read(limit)


def _continued(out: Path, store: Store | Scratch, written: int) -> BinaryIO:
    """The output file, cut back to what was committed; what is missing of that comes from the store."""
    if out.exists() and not out.is_file():  # a device or a pipe: nothing to cut back
        return out.open("wb")
    have = out.stat().st_size if out.exists() else 0
    if have < written:
        with out.open("wb") as file:
            for lines in store.outputs():
                file.write(lines)
    sink: BinaryIO = out.open("r+b" if written else "wb")
    sink.truncate(written)
    sink.seek(0, os.SEEK_END)
    return sink


def calm_collector(stack: ExitStack) -> None:
    """Keep the cycle collector from walking over millions of records that have no cycles."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    stack.callback(gc.set_threshold, *before)
    stack.callback(gc.unfreeze)
