"""Events on which the engine failed: noted beside the log, so that they are opened ungrouped here and in every replay.

The file ``bypassed`` holds one JSON object a line, ``{"seq":N,"why":...}``. A line of the log with such a number is read
with ``"bypass":"fault"`` in it, by the process that decides, by `grouping log` and by a backup: they all see one log.
"""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from grouping.runtimes.disk import settle
from grouping.runtimes.log import Batch, LogError

_FILE = "bypassed"


def bypassed(directory: Path) -> dict[int, str]:
    """The numbers of the events in the log ``directory`` that are bypassed, and why. Raises LogError."""
    path = directory / _FILE
    found: dict[int, str] = {}
    try:
        for line in path.read_bytes().split(b"\n")[:-1]:  # an unfinished last line was never acted upon
            row = orjson.loads(line)
            found[row["seq"]] = row["why"]
    except FileNotFoundError:
        return {}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise LogError(f"{path}: damaged; restore this file from a backup") from None
    return found


def bypass(directory: Path, seq: int, why: str) -> None:
    """Note an event; on disk when this returns. Raises LogError."""
    path = directory / _FILE
    try:
        with path.open("ab") as file:
            if file.tell() and path.read_bytes()[-1:] != b"\n":
                file.truncate(path.read_bytes().rfind(b"\n") + 1)
            file.write(orjson.dumps({"seq": seq, "why": why}) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        settle(directory)
    except OSError as error:
        raise LogError(f"{path}: {error.strerror}; look at the disk, then start again") from None


def marked(line: bytes) -> bytes:
    """The line of an event, saying that the engine failed on it."""
    raw = orjson.loads(line)
    return orjson.dumps(raw | {"bypass": "fault"})


def lines_of(batch: Batch, faults: dict[int, str]) -> list[bytes]:
    """The lines of a batch, those of bypassed events marked."""
    lines = batch.lines.split(b"\n")[:-1]
    for seq in faults.keys() & set(range(batch.first, batch.first + batch.events)):
        lines[seq - batch.first] = marked(lines[seq - batch.first])
    return lines
