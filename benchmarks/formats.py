"""What it costs to translate a foreign alert, in microseconds, from the bytes of a request to canonical events.

    python -m benchmarks.formats [--json FILE] [--seconds 1]

The payloads are those that the owners of the formats publish (tests/published.py), and for Alertmanager, whose senders
repeat all that fires, posts of 64 alerts: new ones, and the same again with a later end, as Prometheus sends them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from grouping.formats import FORMATS
from tests.published import PUBLISHED

RECEIVED = 1_770_790_000.0
BATCH = 64  # alerts of a post, as Prometheus makes them at most
FIRING = 4096  # alerts that fire at once
Post = tuple[str, bytes, dict[str, str]]  # format, body, headers


@click.command()
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--seconds", default=1.0, show_default=True, help="For each row.")
def main(out: Path | None, seconds: float) -> None:
    """Time the translators."""
    rows = [_row(name, posts, seconds) for name, posts in _loads()]
    if out is not None:
        out.write_text(json.dumps({"what": "formats", "machine": machine(), "rows": rows}, indent=1) + "\n")
    table = Table(title="Translation of one alert")
    for column in ("payload", "format", "bytes", "median us", "p99 us"):
        table.add_column(column, justify="left" if column in {"payload", "format"} else "right")
    for row in rows:
        table.add_row(row["name"], row["format"], str(row["bytes"]), f"{row['p50_us']:.1f}", f"{row['p99_us']:.1f}")
    Console().print(table)


def _loads() -> Iterator[tuple[str, Sequence[Post]]]:
    for round_, name in ((0, "posts of 64, new"), (1, "posts of 64, sent again")):
        yield name, [("alertmanager", _posted(first, round_), {}) for first in range(0, FIRING, BATCH)]
    formats = set()
    for one in PUBLISHED:
        if one.becomes and one.format not in formats:
            formats.add(one.format)
            body = one.payload if isinstance(one.payload, bytes) else orjson.dumps(one.payload)
            yield one.name, [(one.format, body, one.headers)]


def _posted(first: int, round_: int) -> bytes:
    return orjson.dumps([_alert(number, round_) for number in range(first, first + BATCH)])


def _alert(number: int, round_: int) -> dict[str, Any]:
    """Labels and annotations as of a usual rule; it started in this hour."""
    labels = {
        "alertname": f"Rule{number % 40}",
        "cluster": f"eu-{number % 3}",
        "container": f"app-{number % 200}",
        "instance": f"10.1.{number // 256}.{number % 256}:9100",
        "job": f"job-{number % 25}",
        "namespace": f"team-{number % 12}",
        "pod": f"app-{number % 200}-{number:08x}",
        "severity": ("critical", "warning", "info")[number % 3],
    }
    notes = {
        "summary": f"container app-{number % 200} has restarted {number % 9} times within ten minutes",
        "runbook_url": f"https://books.example/rules/{number % 40}",
    }
    minute, end = divmod(number, 60)[0] % 60, round_
    return {
        "labels": labels,
        "annotations": notes,
        "startsAt": f"2026-02-11T04:{minute:02}:{number % 60:02}.951Z",
        "endsAt": f"2026-02-12T04:{end:02}:00.000Z",
        "generatorURL": f"http://prom-1.example:9090/graph?g0.expr=rule_{number % 40}&g0.tab=1",
    }


def _row(name: str, posts: Sequence[Post], seconds: float) -> dict[str, Any]:
    """Rounds over the posts. Of the row of new alerts each is timed once: the second time it would not be new."""
    once = name.endswith("new")
    times: list[float] = []
    end = time.perf_counter() + seconds
    while True:
        times += [_timed(*post) for post in posts]
        if once or time.perf_counter() > end:
            break
    format, body, _ = posts[0]
    count = len(FORMATS[format](body, posts[0][2], RECEIVED))
    quantiles = {key: round(float(np.percentile(times, q)), 2) for key, q in (("p50_us", 50), ("p99_us", 99))}
    return {"name": name, "format": format, "bytes": len(body) // count, **quantiles}


def _timed(format: str, body: bytes, headers: dict[str, str]) -> float:
    """Microseconds of an event, those alone in which this thread was at work."""
    translate: Callable[..., Any] = FORMATS[format]
    begun = time.thread_time_ns()
    found = translate(body, headers, RECEIVED)
    return (time.thread_time_ns() - begun) / 1000 / len(found)


if __name__ == "__main__":
    main()
