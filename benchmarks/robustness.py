"""What corrections gain, and what is left of it when some are wrong, few incidents are looked at, or more are given.

    python -m benchmarks.robustness [--data DIR] [--seeds N] [--jobs N] [--cap N] [--only GLOB] [--json FILE]

The mean of macro-Jaccard and pairwise F1 over the second half of a stream, each decision as it was made, under a
simulated responder who looks at half of the incidents five minutes after they are due; means over seeds. *Attacked*:
somebody merges everything in the first half (attacker.py). With --cap, of a longer stream only its beginning is played.
"""

from __future__ import annotations

import fnmatch
import json
import multiprocessing
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.attacker import attacked
from benchmarks.machine import machine
from benchmarks.players import DEFAULT, DELAY_S, LOOK, play
from benchmarks.streams import Source, sources, stream
from grouping.evaluate import evaluate
from grouping.responder import Habits

GIVEN = 50  # corrections
CASES = {
    "cold": Habits(budget=0),
    "20": Habits(budget=20, look=LOOK, delay=DELAY_S),
    "50": Habits(budget=GIVEN, look=LOOK, delay=DELAY_S),
    "100": Habits(budget=100, look=LOOK, delay=DELAY_S),
    "50, 10 % wrong": Habits(budget=GIVEN, look=LOOK, delay=DELAY_S, wrong=0.1),
    "50, 30 % looked at": Habits(budget=GIVEN, look=0.3, delay=DELAY_S),
    "attacked": Habits(budget=0),
    "50, attacked": Habits(budget=GIVEN, look=LOOK, delay=DELAY_S),
    "attacked, undone": Habits(budget=0),
}
ATTACKED = {"attacked": False, "50, attacked": False, "attacked, undone": True}  # and whether it is undone


class Job(NamedTuple):
    """One play."""

    source: Source
    case: str
    seed: int
    cap: int  # events of the stream; 0: all


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Further streams: *.events.jsonl.gz with *.truth.csv.gz.",
)
@click.option("--seeds", default=5, show_default=True)
@click.option("--jobs", default=multiprocessing.cpu_count, type=int, help="Processes.")
@click.option("--cap", default=0, help="Play that many events of a stream only; 0: all. The table says so.")
@click.option("--only", default="*", help="Streams whose names fit.")
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(data: Path | None, seeds: int, jobs: int, cap: int, only: str, out: Path | None) -> None:
    """Measure what corrections gain, and what spoils it."""
    wanted = [
        Job(source, case, seed, cap)
        for source in sources(data)
        if fnmatch.fnmatchcase(source.name, only)
        for case in CASES
        for seed in range(1, 1 + (seeds if CASES[case].budget else 1))
    ]
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=64) as pool:
        done = pool.imap_unordered(_play, wanted, chunksize=1)
        for job, score in track(done, "playing", total=len(wanted), console=Console(stderr=True)):
            found[job.source.name][job.case].append(score)
    streams = dict.fromkeys(job.source.name for job in wanted)
    rows = [_row(name, {case: fmean(found[name][case]) for case in CASES}) for name in streams]
    if out is not None:
        head = {"what": "robustness", "machine": machine(), "seeds": seeds, "cap": cap, "rows": rows}
        out.write_text(json.dumps(head, indent=1) + "\n")
    _show(rows)


def _play(job: Job) -> tuple[Job, float]:
    events, truth = stream(job.source, "", job.seed, job.cap)
    habits = CASES[job.case]
    if job.case in ATTACKED:
        pairs = attacked(events, truth, replace(habits, seed=job.seed), undone=ATTACKED[job.case])
    else:
        pairs = play(DEFAULT, events, truth, job.seed, habits)
    scores = evaluate(pairs, len(pairs) // 2)
    return job, (scores.macro_jaccard + scores.f1) / 2


def _row(name: str, scores: dict[str, float]) -> dict[str, Any]:
    gain = scores["50"] - scores["cold"]
    steps = [scores["cold"], scores["20"], scores["50"], scores["100"]]
    return {
        "name": name,
        "scores": {case: round(score, 4) for case, score in scores.items()},
        "kept": round((scores["50, 10 % wrong"] - scores["cold"]) / gain, 3) if gain >= 0.02 else None,
        "lost": round(max(max(steps[:more]) - steps[more] for more in range(1, len(steps))), 4),
    }


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(title="What corrections gain: second half, (macro-Jaccard + pairwise F1) / 2")
    for column in ("stream", *CASES, "gain kept", "lost by more"):
        table.add_column(column, justify="left" if column == "stream" else "right")
    for row in rows:
        kept = "" if row["kept"] is None else f"{row['kept']:.0%}"
        figures = [f"{row['scores'][case]:.3f}" for case in CASES]
        table.add_row(row["name"], *figures, kept, f"{max(row['lost'], 0):.3f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
