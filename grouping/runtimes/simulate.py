"""Simulated streams to files: events as NDJSON, truth as CSV."""

from __future__ import annotations

import csv
import gzip
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import orjson

from grouping.simulate import simulate


def write(
    name: str, seed: int, alerts: int | None, incidents: int | None, events: Path | None, truth: Path | None
) -> int:
    """Write a workload; returns the number of events. Truth has a line for every firing event, empty for noise.

    Without a path the events go to standard output; a path that ends in .gz is packed, the same bytes every time.
    """
    count = 0
    with ExitStack() as stack:
        sink = _events(events, stack)
        rows = (
            None if truth is None else csv.writer(stack.enter_context(truth.open("w", newline="")), lineterminator="\n")
        )
        if rows is not None:
            rows.writerow(("alert", "group"))
        for event, group in simulate(name, seed, alerts=alerts, incidents=incidents):
            sink.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
            if rows is not None and event["status"] == "firing":
                rows.writerow((event["id"], group or ""))
            count += 1
    return count


def _events(path: Path | None, stack: ExitStack) -> IO[bytes] | gzip.GzipFile:
    if path is None:
        return sys.stdout.buffer
    file = stack.enter_context(path.open("wb"))
    if path.suffix == ".gz":
        packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0)
        stack.callback(packed.close)
        return packed
    return file
