"""What tuning gains and costs on streams that nobody looked at: the simulated workloads with other seeds than the samples.

    python -m benchmarks.seeds [--jobs N] [--only GLOB] [--json FILE]

Each workload as long as its sample, as it is and damaged, and at 10,000 alerts; all without corrections. The figure is the
mean of macro-Jaccard and pairwise F1 over the whole stream, each decision as it was made.
"""

from __future__ import annotations

import fnmatch
import json
import multiprocessing
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.players import play
from benchmarks.quality_aims import HARM
from benchmarks.streams import Truth, parsed
from benchmarks.stress import damaged
from benchmarks.summary import DEFAULT, UNTUNED
from grouping.evaluate import evaluate
from grouping.records import Event
from grouping.simulate import WORKLOADS, simulate

SHORT, LONG = (2, 3, 4, 5), (2, 3)  # seeds
ALERTS = 10_000  # of a long stream
DAMAGED = (
    "time x 0.1",
    "time x 0.3",
    "time x 3",
    "time x 10",
    "half lost",
    "jitter 30 s",
    "clock 60 s",
    "noise 120 s",
    "noise 30 s",
)
DAMAGED_LONG = ("clock 60 s", "noise 30 s")

Row = dict[str, Any]


class Job(NamedTuple):
    """One stream. ``alerts``: about so many, None for as many as the workload usually has."""

    workload: str
    alerts: int | None
    damage: str
    seed: int


def jobs(only: str = "*") -> Iterator[Job]:
    """All streams of the workloads whose names fit; those made for measuring speed have nothing to be found."""
    for name, workload in WORKLOADS.items():
        if workload.stream is None and fnmatch.fnmatchcase(name, only):
            for alerts, damages, seeds in ((None, DAMAGED, SHORT), (ALERTS, DAMAGED_LONG, LONG)):
                for damage in ("", *damages):
                    yield from (Job(name, alerts, damage, seed) for seed in seeds)


def played(job: Job) -> tuple[list[Event], Truth]:
    """The events of a stream, and the truth about them."""
    labelled = list(simulate(job.workload, job.seed, alerts=job.alerts))
    return parsed(damaged(job.damage, labelled, job.seed) if job.damage else labelled)


def figures(job: Job) -> tuple[Job, float, float]:
    """Of the default, and of what it is before a scope has found something."""
    events, truth = played(job)
    scores = [evaluate(play(name, events, truth)) for name in (DEFAULT, UNTUNED)]
    tuned, untuned = ((one.macro_jaccard + one.f1) / 2 for one in scores)
    return job, tuned, untuned


def rows(found: dict[Job, tuple[float, float]]) -> list[Row]:
    """Per workload: its streams, both means, how many are below the untuned default, and which is so most."""
    by: dict[str, list[Job]] = defaultdict(list)
    for job in found:
        by[job.workload].append(job)
    made = []
    for workload, own in by.items():
        tuned, untuned = (round(fmean(found[job][side] for job in own), 4) for side in (0, 1))
        gain = {job: found[job][0] - found[job][1] for job in own}
        worst = min(own, key=lambda job: gain[job])
        row = {"workload": workload, "streams": len(own), "default": tuned, "untuned": untuned}
        row["below"] = sum(gain[job] < -HARM for job in own)
        made.append(row | {"worst": round(gain[worst], 4), "worst_in": worst._asdict()})
    return made


@click.command()
@click.option("--jobs", "processes", default=multiprocessing.cpu_count, type=int, help="Processes.")
@click.option("--only", default="*", help="Workloads whose names fit.")
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(processes: int, only: str, out: Path | None) -> None:
    """Compare the default with what it is untuned, on simulated streams of other seeds."""
    wanted = list(jobs(only))
    found: dict[Job, tuple[float, float]] = dict.fromkeys(wanted, (0.0, 0.0))
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        done = pool.imap_unordered(figures, wanted)
        for job, tuned, untuned in track(done, "playing", total=len(wanted), console=Console(stderr=True)):
            found[job] = tuned, untuned
    made = rows(found)
    if out is not None:
        out.write_text(json.dumps({"what": "seeds", "machine": machine(), "rows": made}, indent=1) + "\n")
    table = Table(title="Simulated streams of other seeds: (macro-Jaccard + pairwise F1) / 2")
    for column in ("workload", "streams", "default", "untuned", f"below by {HARM}", "worst"):
        table.add_column(column, justify="left" if column == "workload" else "right")
    for row in made:
        cells = [str(row[name]) for name in ("streams", "default", "untuned", "below", "worst")]
        table.add_row(row["workload"], *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
