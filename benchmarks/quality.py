"""How good the grouping is: policies beside each other on labelled streams, each played causally from the first alert.

    python -m benchmarks.quality [--json FILE] [--data DIR]

Streams are the samples in data/ and, with --data, *.events.jsonl.gz with their *.truth.csv.gz. Every policy is one fixed
configuration for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from grouping import Config
from grouping.runtimes.evaluate import play, read_events, read_truth

SAMPLES = Path(__file__).parent.parent / "data"
POLICIES = ("default", "*~2s", "*=30s", "*=300s", "service~1s", "class=300s")


@dataclass(frozen=True, slots=True)
class Stream:
    """A labelled stream."""

    name: str
    events: Path
    truth: Path


@click.command()
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Real streams.")
def main(out: Path | None, data: Path | None) -> None:
    """Measure the quality of policies."""
    jobs = [(stream, policy) for stream in _streams(data) for policy in POLICIES]
    with Pool() as pool:
        rows = pool.starmap(_play, jobs, chunksize=1)
    if out is not None:
        out.write_text(json.dumps({"what": "quality", "machine": machine(), "rows": rows}, indent=1) + "\n")
    table = Table(title="macro-Jaccard / pairwise F1")
    table.add_column("stream")
    for policy in POLICIES:
        table.add_column(policy, justify="right")
    for stream in dict.fromkeys(row["stream"] for row in rows):
        mine = [row for row in rows if row["stream"] == stream]
        table.add_row(stream, *(f"{row['macro_jaccard']:.3f} / {row['f1']:.3f}" for row in mine))
    Console(width=160).print(table)


def _streams(data: Path | None) -> Iterator[Stream]:
    for truth in sorted(SAMPLES.glob("*.truth.csv")):
        name = truth.name.removesuffix(".truth.csv")
        yield Stream(name, next(SAMPLES.glob(f"{name}.jsonl*")), truth)
    for truth in sorted(data.glob("*.truth.csv.gz")) if data else ():
        name = truth.name.removesuffix(".truth.csv.gz")
        yield Stream(name, truth.with_name(f"{name}.events.jsonl.gz"), truth)


def _play(stream: Stream, policy: str) -> dict[str, Any]:
    events, _ = read_events([str(stream.events)])
    played = play(events, read_truth(stream.truth), Config(policy=policy))
    return {"stream": stream.name, "policy": policy, **asdict(played.scores())}


if __name__ == "__main__":
    main()
