"""Whole processes, bytes in to bytes out: alerts/s, peak memory, p50/p99/p99.9 per alert.

    python -m benchmarks.whole [--json FILE] [--data DIR] [--quick]

Throughput and memory are those of `grouping replay` as a process of its own, as the operating system accounts for it.
Latencies are of `parse`, `step` and `emit` together, in a process of their own, so that the clock costs the others
nothing. The machine's own speed is measured beside them: microseconds of one million empty loop turns.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine, usual

CROWDS = (256, 1000, 4000, 20_000)
RUNS = 2  # of each replay; the faster one counts, as noise only slows down


@dataclass(frozen=True, slots=True)
class Load:
    """A stream and the policy it is played under."""

    name: str
    path: Path
    policy: str
    state: bool = False


@click.command()
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Further streams: *.jsonl.gz."
)
@click.option("--quick", is_flag=True, help="A tenth of the alerts.")
def main(out: Path | None, data: Path | None, *, quick: bool) -> None:
    """Measure whole replays."""
    with tempfile.TemporaryDirectory() as scratch:
        rows = [_measure(load, Path(scratch)) for load in _loads(Path(scratch), data, share=0.1 if quick else 1.0)]
    if out is not None:
        out.write_text(json.dumps({"what": "whole", "machine": machine(), "rows": rows}, indent=1) + "\n")
    _show(rows)


def _loads(scratch: Path, data: Path | None, *, share: float) -> Iterator[Load]:
    repeats = _simulate(scratch, "repeats", int(200_000 * share))
    yield Load("repeats: 99 % repeats of 1,000 open alerts", repeats, "default")
    for incidents in CROWDS:
        crowd = _simulate(scratch, "crowd", int(max(20_000, 1.5 * incidents) * share), incidents)
        # By host, so that as many incidents stay open as there are faults.
        yield Load(f"crowd: {incidents:,} open incidents", crowd, "host=300s")
    yield Load("crowd: 1,000 open incidents, --state", scratch / "crowd-1000.jsonl", "host=300s", state=True)
    for path in sorted(data.glob("*.events.jsonl.gz")) if data else ():
        yield Load(path.name.partition(".")[0], path, "default")


def _simulate(scratch: Path, name: str, alerts: int, incidents: int | None = None) -> Path:
    path = scratch / f"{name}-{incidents or 0}.jsonl"
    command = [sys.executable, "-m", "grouping", "simulate", name, "--alerts", str(alerts), "--out", str(path)]
    subprocess.run(command + (["--incidents", str(incidents)] if incidents else []), check=True)
    return path


def _measure(load: Load, scratch: Path) -> dict[str, Any]:
    click.echo(f"  {load.name} ...", err=True)
    command = [sys.executable, "-m", "grouping", "replay", str(load.path), "--policy", load.policy]
    command += ["--out", str(scratch / "out"), "--quiet"]
    runs = []
    for number in range(RUNS):
        state = ["--state", str(scratch / f"state-{load.path.stem}-{number}")] if load.state else []
        begun = time.perf_counter()
        process = subprocess.Popen([*command, *state], env=usual())
        _, _, used = os.wait4(process.pid, 0)
        runs.append((time.perf_counter() - begun, used.ru_maxrss / 1024))
    probe = [sys.executable, "-m", "benchmarks.whole", "--probe", str(load.path), load.policy]
    told = json.loads(subprocess.run(probe, check=True, capture_output=True, text=True).stdout)
    seconds = min(run[0] for run in runs)
    return {
        "name": load.name,
        "policy": load.policy,
        "alerts": told["alerts"],
        "seconds": round(seconds, 2),
        "per_second": round(told["alerts"] / seconds),
        "peak_mib": round(max(run[1] for run in runs)),
        **{key: told[key] for key in ("p50_us", "p99_us", "p999_us", "open", "loop_ns")},
    }


def _probe(path: str, policy: str) -> None:
    """Latency per alert, in this process; prints JSON."""
    import gzip  # noqa: PLC0415 — only the probe needs it

    from grouping import Config, Engine, Malformed, emit, parse  # noqa: PLC0415

    store: dict[bytes, bytes] = {}
    engine = Engine(Config(policy=policy), store)
    clock = time.perf_counter_ns
    taken: list[int] = []
    most = 0
    with gzip.open(path) if path.endswith(".gz") else Path(path).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            begun = clock()
            try:
                for output in engine.step(parse(line)):
                    emit(number, output)
            except Malformed:
                continue
            taken.append(clock() - begun)
            if number % 4096 == 0:
                store |= {key: value for key, value in engine.drain().items() if value is not None and key[:1] != b"a"}
                most = max(most, engine.open_incidents())
    p50, p99, p999 = np.percentile(np.array(taken[len(taken) // 10 :]), (50, 99, 99.9)) / 1000
    figures = {"alerts": number, "p50_us": round(p50, 1), "p99_us": round(p99, 1), "p999_us": round(p999, 1)}
    print(json.dumps(figures | {"open": most, "loop_ns": _loop()}))


def _loop() -> float:
    """How fast this machine is just now: nanoseconds of an empty loop turn, the best of five."""
    best = 1e9
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(200_000):
            pass
        best = min(best, (time.perf_counter() - begun) / 200_000 * 1e9)
    return round(best, 1)


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(title="Whole replays, one core")
    for column in ("load", "alerts/s", "p50 us", "p99 us", "p99.9 us", "peak MiB", "open"):
        table.add_column(column, justify="left" if column == "load" else "right")
    for row in rows:
        figures = [row["per_second"], row["p50_us"], row["p99_us"], row["p999_us"], row["peak_mib"], row["open"]]
        table.add_row(row["name"], *(f"{figure:,}" for figure in figures))
    Console().print(table)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.argv[1:2] == ["--probe"]:
        _probe(*sys.argv[2:4])
    else:
        main()
