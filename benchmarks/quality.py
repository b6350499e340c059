"""How good the grouping is: players beside each other on labelled streams, each played causally from the first alert.

    python -m benchmarks.quality [--data DIR] [--seeds N] [--jobs N] [--cap N] [--only NAME=GLOB ...] [--json FILE]

Streams are the samples in data/ and, with --data, *.events.jsonl.gz with their *.truth.csv.gz; some of them are also
damaged (stress.py). Every player has one fixed configuration for all of them. What was measured is kept line by line
in --cache: a run that was stopped goes on, and only what changed in stream or source is measured again.
"""

from __future__ import annotations

import fnmatch
import json
import multiprocessing
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, pstdev
from time import perf_counter
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.players import COLD, LEARNERS, LEVELS, SLOW, code, habits, play
from benchmarks.streams import Source, digest, sources, stream
from benchmarks.stress import DAMAGES
from benchmarks.summary import DEFAULT, TAUGHT, as_json, summary
from grouping.evaluate import evaluate

STRESSED = ("demo", "two_faults", "rca_micross", "telecom_sim", "ait_ads_attackday_big")  # streams that are damaged
MEASURES = ("macro_jaccard", "log_jaccard", "precision", "recall", "f1")
FIELDS = ("stream", "damage", "policy", "corrections", "seed")
CACHE = Path(__file__).parent / "results" / "quality.cache.jsonl"

Row = dict[str, Any]


class Job(NamedTuple):
    """One play. ``damage``: "" for the stream as it is. ``cap``: events, 0 for all."""

    source: Source
    damage: str
    policy: str
    corrections: int
    seed: int
    cap: int

    def key(self) -> tuple[str, ...]:
        """What a line in the cache has to say to be this play's."""
        values = (self.source.name, self.damage, self.policy, self.corrections, self.seed, self.cap)
        return (*map(str, values), digest(self.source), code(self.policy, self.damage, self.corrections))


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Further streams: *.events.jsonl.gz with *.truth.csv.gz.",
)
@click.option("--seeds", default=10, show_default=True, help="Plays where chance has a part.")
@click.option("--jobs", default=multiprocessing.cpu_count, type=int, help="Processes; as a rule one per core.")
@click.option("--cap", default=0, help="Play slow players on that many events of a stream only; the tables say so.")
@click.option("--only", multiple=True, metavar="NAME=GLOB", help=f"Of {', '.join(FIELDS)}; of one name any may fit.")
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--cache", type=click.Path(dir_okay=False, path_type=Path), default=CACHE, help="Plays already made.")
def main(
    data: Path | None, seeds: int, jobs: int, cap: int, only: tuple[str, ...], out: Path | None, cache: Path
) -> None:
    """Measure the quality of players."""
    wanted = [job for job in _all_jobs(data, seeds, cap) if _fits(job, _filters(only))]
    if not wanted:
        raise click.UsageError("--only: fits no play; leave it out to see all names in the tables")
    rows = _rows(_measured(wanted, cache, jobs))
    if out is not None:
        out.write_text(as_json({"what": "quality", "machine": machine(), "cap": cap}, rows=rows))
    _print(rows)


def _all_jobs(data: Path | None, seeds: int, cap: int) -> Iterator[Job]:
    for source in sources(data):
        for damage in damages(source):
            for seed in range(1, 1 + seeds) if by_chance(damage) else (1,):
                for policy in COLD:
                    yield Job(source, damage, policy, 0, seed, cap if policy in SLOW else 0)
            if damage:  # what a responder looks at first is by chance, whatever the stream is
                for seed in range(1, 1 + seeds):
                    yield Job(source, damage, DEFAULT, TAUGHT, seed, 0)
        for policy in LEARNERS:
            for corrections in LEVELS:
                for seed in range(1, 1 + seeds):
                    yield Job(source, "", policy, corrections, seed, cap if policy in SLOW else 0)


def damages(source: Source) -> tuple[str, ...]:
    """How a stream is played: "" as it is, then damaged, if it is one of those."""
    return ("", *DAMAGES) if source.name in STRESSED else ("",)


def by_chance(damage: str) -> bool:
    """Whether another seed makes another stream of it."""
    return bool(damage) and DAMAGES[damage].by_chance


def _filters(only: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for one in only:
        name, _, glob = one.partition("=")
        if name not in FIELDS:
            raise click.UsageError(f"--only {one}: expected one of {', '.join(FIELDS)}, then = and a pattern")
        found[name].append(glob)
    return found


def _fits(job: Job, filters: dict[str, list[str]]) -> bool:
    said = dict(
        zip(FIELDS, (job.source.name, job.damage, job.policy, str(job.corrections), str(job.seed)), strict=True)
    )
    return all(
        any(said[name] == glob or fnmatch.fnmatchcase(said[name], glob) for glob in globs)
        for name, globs in filters.items()
    )


# -- plays, from the cache or made now


def _measured(wanted: list[Job], cache: Path, jobs: int) -> list[tuple[Job, Row]]:
    """Every job with its figures, in order; those not in the cache are played, and written there one by one."""
    known = _read(cache)
    missing = [job for job in wanted if job.key() not in known]
    cache.parent.mkdir(parents=True, exist_ok=True)
    torn = cache.exists() and not cache.read_bytes().endswith(b"\n")
    with cache.open("a") as file, multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=64) as pool:
        file.write("\n" if torn else "")
        done = pool.imap_unordered(_play, missing, chunksize=1)
        for job, row in track(done, "playing", total=len(missing), console=Console(stderr=True)):
            known[job.key()] = row
            file.write(json.dumps([job.key(), row]) + "\n")
            file.flush()
    return [(job, known[job.key()]) for job in wanted]


def _read(cache: Path) -> dict[tuple[str, ...], Row]:
    known: dict[tuple[str, ...], Row] = {}
    for line in cache.read_text().splitlines() if cache.exists() else ():
        try:
            key, row = json.loads(line)
        except ValueError:  # the line that a run was stopped at
            continue
        known[tuple(key)] = row
    return known


def _play(job: Job) -> tuple[Job, Row]:
    events, truth = stream(job.source, job.damage, job.seed, job.cap)
    begun = perf_counter()
    pairs = play(job.policy, events, truth, job.seed, habits(job.corrections))
    row: Row = {"alerts": len(pairs), "seconds": round(perf_counter() - begun, 3)}
    row["cut"] = bool(job.cap) and len(events) == job.cap
    if pairs:
        row["whole"] = asdict(evaluate(pairs))
        row["half"] = asdict(evaluate(pairs, len(pairs) // 2))
    return job, row


def _rows(measured: list[tuple[Job, Row]]) -> list[Row]:
    """One row per stream, damage, player and corrections: means over the seeds. Damages that change nothing are left out."""
    cells: dict[tuple[str, str, str, int], list[tuple[Job, Row]]] = defaultdict(list)
    for job, row in measured:
        if row["alerts"]:
            cells[job.source.name, job.damage, job.policy, job.corrections].append((job, row))
    rows = []
    for (name, damage, policy, corrections), plays in cells.items():
        each = [row for _, row in plays]
        row = {"stream": name, "damage": damage, "policy": policy, "corrections": corrections, "runs": len(plays)}
        row["capped"] = any(one["cut"] for one in each)
        row["alerts"] = round(fmean(one["alerts"] for one in each))
        row["us"] = round(fmean(one["seconds"] / one["alerts"] for one in each) * 1e6, 1)
        for part in ("whole", "half"):
            row[part] = {measure: round(fmean(one[part][measure] for one in each), 5) for measure in MEASURES}
        row["score"] = round((row["whole"]["macro_jaccard"] + row["whole"]["f1"]) / 2, 5)
        row["spread"] = round(pstdev((one["whole"]["macro_jaccard"] + one["whole"]["f1"]) / 2 for one in each), 5)
        rows.append(row)
    return rows


def _print(rows: list[Row]) -> None:
    table = Table(title="(macro-Jaccard + pairwise F1) / 2, against default")
    for column in ("streams", "corrections", "player", "mean", "behind by", "on", "ahead by", "on", "wins", "of"):
        table.add_column(column, justify="left" if column in {"streams", "player", "on"} else "right")
    for one in summary(rows):
        behind, ahead = ("" if one[side] is None else f"{one[side]:.3f}" for side in ("behind", "ahead"))
        figures = (behind, one["behind_on"], ahead, one["ahead_on"], str(one["wins"]), str(one["cells"]))
        table.add_row(one["streams"], str(one["corrections"]), one["policy"], f"{one['mean']:.3f}", *figures)
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
