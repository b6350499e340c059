r"""The log: every event that was accepted, in order, in files that are only ever appended to.

A directory of segments, each named by the number of its first event. A segment is batches, one after the other; a
batch is what one write and one fsync put down:

    #FIRST COUNT BYTES CRC32\n      of the events that follow; CRC32 of "FIRST COUNT BYTES " and their lines
    {"kind":"alert",...}\n          COUNT lines, BYTES long in all

So the files can be read with the eye. A batch is written only after the one before it is on disk: one that is cut off
or damaged at the very end was promised to nobody and is cut away; one with others after it was, and is an error.

The oldest segments may be removed (retention.py). The file ``removed`` has the number of the last event that went with
them: what is missing beyond it is an error.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from grouping.runtimes.disk import make, settle

SEGMENT = 64 << 20  # bytes after which a new segment is begun
REMOVED = "removed"
HEAD_MAX = 96  # bytes of a batch's first line
BATCH_MAX = 64 << 20  # bytes of a batch: a reader takes a larger one for damage, so none is ever written
_HEAD = re.compile(rb"#([0-9]{1,19}) ([0-9]{1,9}) ([0-9]{1,9}) ([0-9a-f]{8})\n")


class LogError(Exception):
    """The log cannot be used; the message names place and remedy."""


class Full(Exception):
    """There is no room for a batch. The log is as it was before."""


class Batch(NamedTuple):
    """Events that were put down together. ``lines`` end with a newline each."""

    first: int
    events: int
    lines: bytes
    size: int  # bytes in the file, its first line included


class _Damaged(Exception):
    """Bytes that are no batch, from ``offset`` on."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def encode(first: int, lines: Sequence[bytes]) -> bytes:
    """A batch as it is written. ``lines`` are without newlines."""
    body = b"\n".join(lines) + b"\n"
    head = b"%d %d %d " % (first, len(lines), len(body))
    return b"#%b%08x\n%b" % (head, crc32(body, crc32(head)), body)


def segments(directory: Path) -> list[tuple[int, Path]]:
    """The segments with the number of their first event, in order."""
    found = [(int(path.stem), path) for path in directory.glob("*.log") if path.stem.isdecimal()]
    return sorted(found)


def _filled(directory: Path) -> list[tuple[int, Path]]:
    """The segments that hold something: one that was begun for nothing may be left behind, and is none."""
    found: list[tuple[int, Path]] = []
    for first, path in segments(directory):
        with suppress(FileNotFoundError):
            if path.stat().st_size:
                found.append((first, path))
    return found


def size(directory: Path) -> int:
    """Bytes of the segments, while some may be removed."""
    found = 0
    for _, path in segments(directory):
        with suppress(FileNotFoundError):
            found += path.stat().st_size
    return found


def removed(directory: Path) -> int:
    """The number of the last event that was removed on purpose, 0 if none was. Raises LogError."""
    path = directory / REMOVED
    try:
        return int(path.read_bytes())
    except FileNotFoundError:
        return 0
    except ValueError:
        raise LogError(f"{path}: damaged; restore this file from a backup") from None


def remove(directory: Path, upto: int) -> int:
    """Remove the segments that hold no event after number ``upto``, but never the last one; how many. Raises LogError."""
    files = segments(directory)
    gone = [path for (_, path), (follows, _) in pairwise(files) if follows <= upto + 1]
    if not gone:
        return 0
    try:
        note(directory, files[len(gone)][0] - 1)
        for path in gone:
            path.unlink()
    except OSError as error:
        raise LogError(f"{directory}: {error.strerror}; look at the disk, then start again") from None
    return len(gone)


def note(directory: Path, upto: int) -> None:
    """Write down that events up to number ``upto`` are no longer in the log; on disk when this returns."""
    fresh = directory / f"{REMOVED}.new"
    with fresh.open("wb") as file:
        file.write(b"%d\n" % upto)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(directory / REMOVED)
    settle(directory)


def read(directory: Path, after: int = 0) -> Iterator[Batch]:
    """The batches that hold events after number ``after``, the first of them perhaps from before it.

    An unfinished batch at the end of the log is not there. Raises LogError where bytes are damaged or missing.
    """
    files = _filled(directory)
    expected = removed(directory) + 1
    if files and files[0][0] < expected:  # removing was interrupted
        expected = files[0][0]
    for index, (first, path) in enumerate(files):
        last = index + 1 == len(files)
        if not last and files[index + 1][0] <= after + 1:
            expected = files[index + 1][0]
            continue
        if first != expected:
            raise LogError(
                f"{directory}: events {expected} to {first - 1} are missing; restore {path.name}'s forerunner"
            )
        with path.open("rb") as file:
            end = os.fstat(file.fileno()).st_size  # a live one grows: what comes from here on may be half there
            try:
                for batch in _batches(file.fileno(), 0, expected):
                    expected = batch.first + batch.events
                    if expected > after + 1:
                        yield batch
            except _Damaged as damage:
                if not last or _goes_on(path, damage.offset, end):
                    raise _damaged(path, damage.offset) from None


def _batches(file: int, offset: int, expected: int) -> Iterator[Batch]:
    """The batches of an open segment from ``offset`` on. Raises _Damaged where they stop being any."""
    while True:
        head = os.pread(file, HEAD_MAX, offset)
        if not head:
            return
        match = _HEAD.match(head)
        if match is None:
            raise _Damaged(offset)
        first, count, size = int(match[1]), int(match[2]), int(match[3])
        if first != expected or size > BATCH_MAX:
            raise _Damaged(offset)
        lines = os.pread(file, size, offset + match.end())
        if len(lines) != size or crc32(lines, crc32(head[1 : match.end() - 9])) != int(match[4], 16):
            raise _Damaged(offset)
        yield Batch(first, count, lines, match.end() + size)
        expected += count
        offset += match.end() + size


def _goes_on(path: Path, offset: int, end: int) -> bool:
    """Whether a whole batch stands anywhere between ``offset`` and ``end``: then what is damaged there had been on disk."""
    with path.open("rb") as file:
        data = file.read(end)
    for match in _HEAD.finditer(data, offset + 1):
        body = data[match.end() : match.end() + int(match[3])]
        if len(body) == int(match[3]) and crc32(body, crc32(match[0][1:-9])) == int(match[4], 16):
            return True
    return False


def _damaged(path: Path, offset: int) -> LogError:
    return LogError(f"{path}: damaged at byte {offset}, with accepted events after it; restore this file from a backup")


class Follower:
    """Reads the log while it grows, each event once."""

    def __init__(self, directory: Path, after: int) -> None:
        """From the event after number ``after`` on. Raises LogError."""
        self._directory = directory
        self.position = after
        self._file = -1
        self._offset = 0
        self._expected = 1  # first event of the batch at _offset
        self._lines: list[bytes] = []  # of the batch before it
        self._taken = 0  # so many of these are behind position

    def upto(self, durable: int, most: int) -> list[bytes]:
        """The next lines, at most ``most`` at once, none beyond number ``durable``: that may not be on disk yet."""
        found: list[bytes] = []
        while self.position < durable and len(found) < most:
            if self._taken == len(self._lines):
                batch = self._next()
                self._lines, self._taken = batch.lines.split(b"\n")[:-1], max(0, self.position + 1 - batch.first)
            room = min(most - len(found), durable - self.position)
            some = self._lines[self._taken : self._taken + room]
            found += some
            self._taken += len(some)
            self.position += len(some)
        if self._taken == len(self._lines):
            self._lines, self._taken = [], 0
        return found

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _next(self) -> Batch:
        if self._file < 0:
            self._begin()
        while True:
            try:
                batch = next(_batches(self._file, self._offset, self._expected), None)
            except _Damaged as damage:
                raise LogError(
                    f"{self._directory}: event {self._expected} is damaged at byte {damage.offset} of its segment; "
                    "restore the segment from a backup"
                ) from None
            if batch is None:  # the segment is at its end, and there is more: in the next one
                self._begin()
                continue
            self._offset += batch.size
            self._expected = batch.first + batch.events
            if self._expected > self.position + 1:
                return batch

    def _begin(self) -> None:
        """Open the segment that holds the next event."""
        wanted = max(self._expected, self.position + 1)
        holding = [(first, path) for first, path in _filled(self._directory) if first <= wanted]
        if not holding or (self._file >= 0 and holding[-1][0] < wanted):
            raise LogError(f"{self._directory}: event {wanted} is missing; restore its segment from a backup")
        self.close()
        first, path = holding[-1]
        self._file = os.open(path, os.O_RDONLY)
        self._offset, self._expected = 0, first


class Log:
    """The end of the log, where events are appended. One process at a time holds it."""

    def __init__(self, directory: Path, reserve: int = 0, segment: int = SEGMENT, first: int = 1) -> None:
        """Open or begin the log; cut away what was not finished. ``reserve``: bytes of the disk to leave free.

        ``first``: number of the first event of a log that is begun. Raises LogError: in use, damaged, not writable.
        """
        self.directory = directory
        self.cut = 0  # bytes that were cut away
        self.reserve = reserve
        self.turn = False  # begin a new segment with the next batch
        self._first = first
        self._segment = segment
        self._file = -1
        self._broken = ""
        try:
            make(directory)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._open()
        except BlockingIOError:
            os.close(self._lock)
            raise LogError(f"{directory}: in use by another process; stop it or choose another directory") from None
        except OSError as error:
            raise LogError(f"{directory}: {error.strerror}; make it writable or choose another directory") from None
        except LogError:  # damaged: whoever has mended it can open it
            os.close(self._lock)
            raise

    @property
    def end(self) -> int:
        """The number of the last event, 0 for an empty log."""
        return self._next - 1

    def append(self, lines: Sequence[bytes]) -> int:
        """Put events down, on disk when this returns; the number of the first.

        Raises Full with nothing written, LogError when the disk fails: then no more can be written; ValueError for more
        bytes than a batch may have.
        """
        if sum(map(len, lines)) + len(lines) > BATCH_MAX:
            raise ValueError(f"{len(lines)} events of more than {BATCH_MAX} bytes; append fewer at once")
        if self._broken:
            raise LogError(f"{self.directory}: {self._broken}; look at the disk, then start again")
        lacking = self.lacking() if self.reserve else ""
        if lacking:
            raise Full(lacking)
        first, data = self._next, encode(self._next, lines)
        try:
            if self._size and (self.turn or self._size + len(data) > self._segment):
                self._begin(first)
            self._write(data)
        except OSError as error:
            self._undo(error)
        try:
            os.fdatasync(self._file)
        except OSError as error:  # whether it is on disk cannot be known any more: another fsync would say yes
            raise self._break(f"fsync: {error.strerror}") from None
        self._size += len(data)
        self._next += len(lines)
        return first

    def lacking(self) -> str:
        """Why the disk has no room for more, empty where it has. By the directory: segments change while one looks."""
        try:
            room = os.statvfs(self.directory)
        except OSError as error:
            return str(error.strerror)
        free = room.f_bavail * room.f_frsize
        if free < self.reserve:
            return f"less than {self.reserve >> 20} MiB free on the disk"
        return "" if free or not room.f_blocks else "nothing free on the disk"

    def free(self) -> int:
        """Bytes free on the disk. Raises OSError."""
        room = os.statvfs(self.directory)
        return room.f_bavail * room.f_frsize

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._file)
        os.close(self._lock)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def _undo(self, error: OSError) -> None:
        """Take back what a failed write may have left. Raises Full or LogError."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError as worse:
            raise self._break(str(worse.strerror)) from None
        raise Full(f"{error.strerror}") from None

    def _take_back(self, path: Path) -> None:
        """Remove a segment that was begun for nothing: the events to come go into the one before it."""
        try:
            path.unlink()
        except OSError as worse:
            raise self._break(str(worse.strerror)) from None

    def _break(self, why: str) -> LogError:
        self._broken = why
        return LogError(f"{self.directory}: {why}; look at the disk, then start again")

    def _open(self) -> None:
        """Find the end of the log, cut away an unfinished batch, and make sure that what is left is on disk."""
        files = segments(self.directory)
        if not files:
            self._next = max(self._first, removed(self.directory) + 1)
            if self._next > 1:
                note(self.directory, self._next - 1)
            self._begin(self._next)
            return
        while len(files) > 1 and not files[-1][1].stat().st_size:  # begun, and no batch came to it
            files.pop()[1].unlink()
        self._next, path = files[-1]
        self._file = os.open(path, os.O_RDWR | os.O_APPEND)
        self._size = 0
        found = os.fstat(self._file).st_size
        try:
            for batch in _batches(self._file, 0, self._next):
                self._next += batch.events
                self._size += batch.size
        except _Damaged as damage:
            if _goes_on(path, damage.offset, found):
                raise _damaged(path, damage.offset) from None
            os.ftruncate(self._file, self._size)
        self.cut = found - self._size
        os.fsync(self._file)

    def _begin(self, first: int) -> None:
        """Begin the segment of event ``first``. Raises OSError with the log as it was, LogError where it is not."""
        path = self.directory / f"{first:020d}.log"
        fresh = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            settle(self.directory)  # the name of the file too
        except OSError:
            os.close(fresh)
            self._take_back(path)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size, self.turn = fresh, 0, False
