"""Single steps of the road, in microseconds, as they are in the middle of a run.

    python -m benchmarks.steps [--json FILE] [--incidents 1000]

What was compiled calls its parts by itself, so the road of an alert is walked here step by step, with the clock in
between; an engine beside it takes the same events, and both must say the same. Each step is timed in its turn, not in a
loop of its own: a loop finds everything in the caches and shows a third of what a step costs. The clock's own cost is
taken off.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.walk import STEPS, walk
from grouping import Config, Engine, emit, parse
from grouping.records import Alert

Taken = dict[str, list[int]]


@click.command()
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--incidents", default=1000, show_default=True, help="Open at once.")
@click.option("--alerts", default=20_000, show_default=True)
def main(out: Path | None, incidents: int, alerts: int) -> None:
    """Time the steps of a crowd."""
    lines = _crowd(incidents, alerts)
    rows = _time(lines)
    if out is not None:
        figures = {"what": "steps", "incidents": incidents, "machine": machine(), "rows": rows}
        out.write_text(json.dumps(figures, indent=1) + "\n")
    table = Table(title=f"Single steps at {incidents:,} open incidents")
    for column in ("step", "median us", "p99 us"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for row in rows:
        table.add_row(row["name"], f"{row['p50_us']:.1f}", f"{row['p99_us']:.1f}")
    Console().print(table)


def _crowd(incidents: int, alerts: int) -> list[bytes]:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "crowd.jsonl"
        command = [sys.executable, "-m", "grouping", "simulate", "crowd", "--out", str(path)]
        subprocess.run([*command, "--alerts", str(alerts), "--incidents", str(incidents)], check=True)
        return path.read_bytes().splitlines()


def _time(lines: list[bytes]) -> list[dict[str, Any]]:
    taken: Taken = defaultdict(list)
    config = Config(policy="host=300s")
    walked, beside = Engine(config), Engine(config)
    clock = time.perf_counter_ns
    for number, line in enumerate(lines, 1):
        begun = clock()
        event = parse(line)
        read = clock()
        assert isinstance(event, Alert)
        stepped = beside.step(event)
        done = clock()
        way = walk(walked, event)
        arrived = clock()
        written = [emit(number, output) for output in way.outputs]
        taken["emit"].append(clock() - arrived)
        for name, begun_at, done_at in zip(STEPS, way.marks, way.marks[1:], strict=False):
            taken[name].append(done_at - begun_at)
        taken["parse"].append(read - begun)
        taken["whole step"].append(done - read)
        assert written == [emit(number, output) for output in stepped]
    cost = _cost_of_clock()
    return [
        {"name": name, **{key: round(float(np.percentile(times, q)) / 1000 - cost, 2) for key, q in _QUANTILES}}
        for name, times in taken.items()
    ]


_QUANTILES = (("p50_us", 50), ("p99_us", 99))


def _cost_of_clock() -> float:
    """Microseconds between two looks at the clock."""
    clock = time.perf_counter_ns
    looks = [clock() for _ in range(20_000)]
    return float(np.median(np.diff(looks))) / 1000


if __name__ == "__main__":
    main()
