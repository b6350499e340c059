"""Single steps of the road, in microseconds, as they are in the middle of a run.

    python -m benchmarks.steps [--json FILE] [--incidents 1000]

Each step is timed inside a running engine, not in a loop of its own: a loop finds everything in the caches and shows
a third of what a step costs. The clock's own cost is taken off.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import grouping.engine as road
from benchmarks.machine import machine
from grouping import Config, emit, parse

STEPS = {
    "featurise": (road.Engine, "_featurise"),
    "candidates": (road, "candidates"),
    "evidence": (road, "_evidence"),
    "pair features": (road, "pair_features"),
    "score and decide": (road.Engine, "_decide"),
    "apply": (road.apply, "group"),
    "write down": (road.apply, "keep"),
    "observe": (road.learn, "observe"),
}


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
    taken: dict[str, list[int]] = defaultdict(list)
    engine = road.Engine(Config(policy="host=300s"))
    engine._featurise = _timed(taken["featurise"], engine._featurise)  # type: ignore[assignment]
    for name, (owner, attribute) in STEPS.items():
        if name != "featurise":
            setattr(owner, attribute, _timed(taken[name], getattr(owner, attribute)))
    read, write, step = (
        _timed(taken["parse"], parse),
        _timed(taken["emit"], emit),
        _timed(taken["whole step"], engine.step),
    )
    for number, line in enumerate(lines, 1):
        for output in step(read(line)):
            write(number, output)
    clock = _cost_of_clock()
    return [
        {"name": name, **{key: round(float(np.percentile(times, q)) / 1000 - clock, 2) for key, q in _QUANTILES}}
        for name, times in taken.items()
    ]


_QUANTILES = (("p50_us", 50), ("p99_us", 99))


def _timed(times: list[int], function: Callable[..., Any]) -> Callable[..., Any]:
    clock, add = time.perf_counter_ns, times.append

    def wrapped(*arguments: Any) -> Any:
        begun = clock()
        answer = function(*arguments)
        add(clock() - begun)
        return answer

    return wrapped


def _cost_of_clock() -> float:
    """Microseconds that timing a step adds to it."""
    times: list[int] = []
    nothing = _timed(times, lambda: None)
    for _ in range(20_000):
        nothing()
    return float(np.median(times)) / 1000


if __name__ == "__main__":
    main()
