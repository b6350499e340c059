"""Where on a stream an aim is missed, and what the groups have in common in which it is lost.

    python -m benchmarks.missed [--data DIR] [--jobs N] [--only GLOB] [--json FILE]

Which streams these are, and what the default is held against there, is taken from the results of the other benchmarks.
Both are played, and told side by side for each fifth of the stream: the mean of macro-Jaccard and pairwise F1 over the
alerts of that fifth, each as it was decided when it came. A group of several alerts is lost by as much as its Jaccard
index with its best incident is below the same on the other side, times log2(1 + alerts). It is *torn* where that
incident lacks more alerts of the group than it holds of others, else *mixed*.
"""

from __future__ import annotations

import fnmatch
import json
import multiprocessing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import log2
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.progress import track

from benchmarks import quality_aims, seeds, taught_aims
from benchmarks.machine import machine
from benchmarks.players import Pair, play
from benchmarks.robustness import CASES
from benchmarks.streams import SAMPLES, Truth, sources, stream
from benchmarks.summary import DEFAULT, TAUGHT, UNTUNED
from benchmarks.tables import results
from grouping.evaluate import Match, evaluate, matches
from grouping.records import Alert, Event

PARTS = 5  # of a stream
WORST = 3  # groups that are told of
SEEDS = 10  # of a responder who errs or looks at less; the one with the heaviest loss is told of
NONE: dict[str, Any] = {"rows": []}  # where nothing was measured

Row = dict[str, Any]
Figures = Mapping[str, Any]


class Job(NamedTuple):
    """One stream. ``own`` and ``other``: a case of benchmarks/robustness.py, or a player; no other: held against 1."""

    aim: str
    name: str
    damage: str
    own: str
    other: str
    made: seeds.Job | None = None  # a simulated stream that is no file


def jobs(quality: Figures, other_seeds: Figures, robustness: Figures, hindsight: Figures) -> Iterator[Job]:
    """All streams on which an aim is missed; of those of other seeds the worst of each workload."""
    whole = [row for row in quality["rows"] if not row["capped"]]
    for name in quality_aims.short(whole):
        yield Job("without corrections", name, "", "cold", "")
    for name, damage in quality_aims.harmed(whole):
        yield Job("tuning costs", name, damage, "cold", UNTUNED)
    for row in other_seeds["rows"]:
        if row["worst"] < -quality_aims.HARM:
            made = seeds.Job(**row["worst_in"])
            yield Job("tuning costs, other seeds", made.workload, made.damage, "cold", UNTUNED, made)
    for case, name in taught_aims.spoiled(robustness["rows"]):
        yield Job(case, name, "", case, "cold" if case.endswith("looked at") else str(TAUGHT))
    for row in sorted(taught_aims.behind(hindsight["rows"]), key=lambda row: -row["behind"]):
        yield Job("the best rule in hindsight", row["stream"], row["damage"], str(TAUGHT), row["rule"])


def row(job: Job, data: Path | None) -> Row:
    """Both sides for each part of the stream, and the groups that are lost."""
    events, truth = _stream(job, data)
    played = [_sides(job, events, truth, seed) for seed in range(1, 1 + (SEEDS if job.aim in CASES else 1))]
    own, other, lost = max(played, key=lambda one: sum(loss.by for loss in one[2]))
    repository = job.made is not None or (SAMPLES / f"{job.name}.truth.csv").exists()
    titles = [event.summary for event in events if isinstance(event, Alert) and event.status == "firing"]
    return {
        "aim": job.aim,
        "stream": job.name,
        "damage": job.damage,
        "seed": job.made.seed if job.made else 1,
        "alerts": len(own),
        "own": {"player": job.own, "parts": parts(own)},
        "other": {"player": job.other, "parts": parts(other)} if other is not None else None,
        "kinds": kinds(lost),
        "worst": [_told(loss, own, titles if repository else None) for loss in lost[:WORST]],
    }


class Loss(NamedTuple):
    """A group that one side found worse. ``held``, ``strange``: alerts of it, and others, in its best incident."""

    by: float
    match: Match
    against: float  # its Jaccard index on the other side
    held: int
    strange: int

    @property
    def torn(self) -> bool:
        """Whether its best incident lacks more than it holds too much."""
        return self.match.alerts - self.held > self.strange


def losses(own: Sequence[Pair], other: Sequence[Pair] | None) -> list[Loss]:
    """The groups of several alerts that are found worse than on the other side, the heaviest loss first."""
    cells, sizes = Counter(own), Counter(incident for incident, _ in own)
    theirs = {match.group: match.jaccard for match in matches(other)} if other is not None else {}
    found = []
    for match in matches(own):
        against = theirs.get(match.group, 1.0)
        by = log2(1 + match.alerts) * (against - match.jaccard)
        if match.alerts > 1 and by > 0:
            held = cells[match.incident, match.group]  # type: ignore[index]
            found.append(Loss(by, match, against, held, sizes[match.incident] - held))  # type: ignore[index]
    return sorted(found, key=lambda loss: (-loss.by, loss.match.first))


def kinds(lost: Sequence[Loss]) -> Row:
    """How much of the loss is of groups that are torn, and of how many groups it is."""
    whole = sum(loss.by for loss in lost)
    torn = [loss for loss in lost if loss.torn]
    share = sum(loss.by for loss in torn) / whole if whole else 0.0
    return {"groups": len(lost), "torn": len(torn), "torn_share": round(share, 3)}


def parts(pairs: Sequence[Pair]) -> list[float]:
    """The figure of each part of the stream by itself."""
    cuts = [len(pairs) * part // PARTS for part in range(PARTS + 1)]
    scores = [evaluate(pairs[begin:end]) for begin, end in pairwise(cuts)]
    return [round((one.macro_jaccard + one.f1) / 2, 3) for one in scores]


def _stream(job: Job, data: Path | None) -> tuple[list[Event], Truth]:
    if job.made is not None:
        return seeds.played(job.made)
    return stream(next(source for source in sources(data) if source.name == job.name), job.damage, 1)


def _sides(
    job: Job, events: Sequence[Event], truth: Truth, seed: int
) -> tuple[list[Pair], list[Pair] | None, list[Loss]]:
    """Both plays, and the groups that are lost."""
    own = _play(job.own, events, truth, seed)
    other = _play(job.other, events, truth, seed) if job.other else None
    return own, other, losses(own, other)


def _play(side: str, events: Sequence[Event], truth: Truth, seed: int) -> list[Pair]:
    given = CASES.get(side)
    return play(side if given is None else DEFAULT, events, truth, seed, given)


def _told(loss: Loss, own: Sequence[Pair], titles: Sequence[str] | None) -> Row:
    """A lost group for people; ``titles`` of all alerts, None where they are not ours to show."""
    match = loss.match
    found: Row = {"alerts": match.alerts, "jaccard": round(match.jaccard, 3), "against": round(loss.against, 3)}
    found |= {"spread": match.spread, "held": loss.held, "strange": loss.strange}
    if titles is not None:
        found["title"] = titles[match.first]
        strange = (place for place, pair in enumerate(own) if pair[0] == match.incident and pair[1] != match.group)
        place = next(strange, None)
        found["beside"] = None if place is None else titles[place]
    return found


def _row(job_and_data: tuple[Job, Path | None]) -> Row:
    return row(*job_and_data)


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Further streams: *.events.jsonl.gz with *.truth.csv.gz.",
)
@click.option("--jobs", "processes", default=multiprocessing.cpu_count, type=int, help="Processes.")
@click.option("--only", default="*", help="Streams whose names fit.")
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(data: Path | None, processes: int, only: str, out: Path | None) -> None:
    """Look at the streams on which an aim is missed."""
    known = {source.name for source in sources(data)}
    wanted = [
        job
        for job in jobs(*(results(name) or NONE for name in ("quality", "seeds", "robustness", "hindsight")))
        if fnmatch.fnmatchcase(job.name, only) and (job.made is not None or job.name in known)
    ]
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=8) as pool:
        done = pool.imap(_row, [(job, data) for job in wanted], chunksize=1)
        rows = list(track(done, "playing", total=len(wanted), console=Console(stderr=True)))
    if out is not None:
        out.write_text(json.dumps({"what": "missed", "machine": machine(), "rows": rows}, indent=1) + "\n")
    for one in rows:
        other = one["other"]
        click.echo(f"{one['aim']}: {one['stream']} {one['damage']}: {one['own']} {other} {one['kinds']}")


if __name__ == "__main__":
    main()
