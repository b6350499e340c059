"""A long run: does it slow down, does it grow?

    python -m benchmarks.history [--json FILE] [--alerts 5000000]

Plays a crowd of 1,000 open incidents through a replay with a scratch store and notes speed and memory as it goes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine

STRETCHES = 10


@click.command()
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--alerts", default=5_000_000, show_default=True)
@click.option("--workload", default="crowd", show_default=True)
def main(out: Path | None, alerts: int, workload: str) -> None:
    """Measure a long replay in ten stretches."""
    simulate = [sys.executable, "-m", "grouping", "simulate", workload, "--alerts", str(alerts)]
    simulate += ["--incidents", "1000"] if workload == "crowd" else []
    policy = "host=300s" if workload == "crowd" else "default"
    replay = [sys.executable, "-m", "grouping", "replay", "/dev/stdin", "--out", os.devnull, "--policy", policy]
    with subprocess.Popen(simulate, stdout=subprocess.PIPE) as source:
        assert source.stdout is not None
        with subprocess.Popen(replay, stdin=subprocess.PIPE) as sink:
            rows = _feed(source.stdout, sink, alerts)
    if out is not None:
        figures = {"what": "history", "workload": workload, "alerts": alerts, "machine": machine(), "rows": rows}
        out.write_text(json.dumps(figures, indent=1) + "\n")
    table = Table(title=f"{alerts:,} alerts, {workload}")
    for column in ("alerts", "alerts/s", "MiB"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(f"{row['alerts']:,}", f"{row['per_second']:,}", f"{row['mib']:,}")
    Console().print(table)


def _feed(source: Any, sink: subprocess.Popen[bytes], alerts: int) -> list[dict[str, int]]:
    """Hand the lines over and look at the clock and the memory after each stretch."""
    assert sink.stdin is not None
    rows: list[dict[str, int]] = []
    begun, stretch = time.perf_counter(), max(1, alerts // STRETCHES)
    for number, line in enumerate(source, 1):
        sink.stdin.write(line)
        if number % stretch == 0:
            sink.stdin.flush()
            now = time.perf_counter()
            rows.append({"alerts": number, "per_second": round(stretch / (now - begun)), "mib": _resident(sink.pid)})
            begun = now
    sink.stdin.close()
    return rows


def _resident(process: int) -> int:
    """Resident memory of a process, MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


if __name__ == "__main__":
    main()
