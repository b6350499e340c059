"""How far the default is, with corrections, from the rule that somebody would pick who had seen the whole stream.

    python -m benchmarks.hindsight [--data DIR] [--seeds N] [--jobs N] [--only GLOB] [--json FILE]

The rules: no field, each field that nearly all alerts of the stream have, service and class together; and for each of
these a silence, fixed or relative to an incident's pace. All of them are played over the stream, without a responder,
and the one with the best figure counts: nobody could have known it beforehand. The figure is the log-weighted Jaccard
index over the second half, each decision as it was made.
"""

from __future__ import annotations

import fnmatch
import json
import multiprocessing
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.baselines.base import grouped
from benchmarks.baselines.rules import Keyed, key_silence, relative_silence, value_of
from benchmarks.machine import machine
from benchmarks.players import habits, play
from benchmarks.quality import by_chance, damages
from benchmarks.streams import Source, sources, stream
from benchmarks.summary import DEFAULT, TAUGHT
from grouping.evaluate import evaluate
from grouping.layout import NAMED_FIELDS
from grouping.records import Alert

PRESENT = 0.9  # share of a stream's alerts that must have a field for it to be a key
SILENCES = (2, 5, 10, 30, 60, 120, 300)  # s
RELATIVE = (1, 2, 5)  # s, of 40 times the pace; 30 s at most
PAIRS = (("service", "class"),)  # keys of two fields


class Job(NamedTuple):
    """All rules, and the default, on one stream. ``damage``: "" for the stream as it is."""

    source: Source
    damage: str
    seed: int


class Played(NamedTuple):
    """The figure of the default and of each rule; no rules where they were played with the first seed: they know no chance."""

    default: float
    rules: dict[str, float]


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Further streams: *.events.jsonl.gz with *.truth.csv.gz.",
)
@click.option("--seeds", default=3, show_default=True, help="Plays where chance has a part.")
@click.option("--jobs", default=multiprocessing.cpu_count, type=int, help="Processes.")
@click.option("--only", default="*", help="Streams whose names fit.")
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(data: Path | None, seeds: int, jobs: int, only: str, out: Path | None) -> None:
    """Compare the default, corrected, with the best rule in hindsight."""
    wanted = [job for job in _jobs(data, seeds) if fnmatch.fnmatchcase(job.source.name, only)]
    found: dict[tuple[str, str], list[Played]] = defaultdict(list)
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=16) as pool:
        done = pool.imap_unordered(_play, wanted, chunksize=1)
        for job, played in track(done, "playing", total=len(wanted), console=Console(stderr=True)):
            if played is not None:
                found[job.source.name, job.damage].append(played)
    cells = dict.fromkeys((job.source.name, job.damage) for job in wanted)
    rows = [row(name, damage, found[name, damage]) for name, damage in cells if found[name, damage]]
    if out is not None:
        head = {"what": "hindsight", "machine": machine(), "corrections": TAUGHT, "seeds": seeds, "rows": rows}
        out.write_text(json.dumps(head, indent=1) + "\n")
    _show(rows)


def _jobs(data: Path | None, seeds: int) -> Iterator[Job]:
    """The default is corrected by chance, so each stream is played with every seed."""
    for source in sources(data):
        for damage in damages(source):
            for seed in range(1, 1 + seeds):
                yield Job(source, damage, seed)


def _play(job: Job) -> tuple[Job, Played | None]:
    """What was played; None where the damage changes nothing."""
    events, truth = stream(job.source, job.damage, job.seed)
    alerts = [event for event in events if isinstance(event, Alert)]
    if not alerts:
        return job, None
    known = job.seed > 1 and not by_chance(job.damage)
    rules = {} if known else dict(_rules(alerts))
    figures = {
        name: _figure([(label, truth[alert]) for alert, label in grouped(make, alerts)]) for name, make in rules.items()
    }
    default = _figure(play(DEFAULT, events, truth, job.seed, habits(TAUGHT)))
    return job, Played(default, figures)


def _figure(pairs: Sequence[tuple[str, str | None]]) -> float:
    return evaluate(pairs, len(pairs) // 2).log_jaccard


def keys(alerts: Sequence[Alert]) -> list[tuple[str, ...]]:
    """The fields by which these alerts can be kept apart: none, those that nearly all have, and pairs of these."""
    present: Counter[str] = Counter()
    for alert in alerts:
        present.update(name for name in NAMED_FIELDS if value_of(alert, name) is not None)
        present.update(f"details.{name}" for name, value in alert.details.items() if value is not None)
    known = {name for name, count in present.items() if count >= PRESENT * len(alerts)}
    return [(), *((name,) for name in sorted(known)), *(pair for pair in PAIRS if known.issuperset(pair))]


def _rules(alerts: Sequence[Alert]) -> Iterator[tuple[str, Callable[[], Keyed]]]:
    """Name -> what makes the rule."""
    for names in keys(alerts):
        key = "+".join(names) or "*"
        for silence in SILENCES:
            yield f"{key}={silence}s", partial(key_silence, *names, silence=silence)
        for low in RELATIVE:
            yield f"{key}~{low}s", partial(relative_silence, *names, low=low)


def row(name: str, damage: str, plays: Sequence[Played]) -> dict[str, Any]:
    """A stream's figures: means over the seeds. ``behind``: how far the default is from the best rule."""
    of_rules: Mapping[str, list[float]] = defaultdict(list)
    for played in plays:
        for rule, figure in played.rules.items():
            of_rules[rule].append(figure)
    means = {rule: fmean(figures) for rule, figures in of_rules.items()}
    best = max(means, key=lambda rule: means[rule])
    default = fmean(played.default for played in plays)
    figures = {"default": round(default, 5), "best": round(means[best], 5), "behind": round(means[best] - default, 5)}
    return {"stream": name, "damage": damage, "rule": best, "rules": len(means), **figures}


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"Log-weighted Jaccard, second half: default with {TAUGHT} corrections, best rule in hindsight")
    for column in ("stream", "damage", "default", "best", "behind", "rule", "rules"):
        table.add_column(column, justify="right" if column in {"default", "best", "behind", "rules"} else "left")
    for one in sorted(rows, key=lambda one: -one["behind"]):
        figures = [f"{one[name]:.3f}" for name in ("default", "best", "behind")]
        table.add_row(one["stream"], one["damage"], *figures, one["rule"], str(one["rules"]))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
