"""All benchmarks, one after the other, then the tables of README and docs: `make bench`, or `python -m benchmarks`.

    python -m benchmarks [--data DIR] [--only NAME ...] [--allow-dirty]

Results go to benchmarks/results/NAME.json.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

HERE = Path(__file__).parent
RUNS: dict[str, list[str]] = {
    "whole": ["benchmarks.whole"],
    "steps": ["benchmarks.steps"],
    "formats": ["benchmarks.formats"],
    "learning": ["benchmarks.learning"],
    "beside": ["benchmarks.beside"],
    "history": ["benchmarks.history"],
    "history-repeats": ["benchmarks.history", "--workload", "repeats"],
    "service": ["benchmarks.service"],
    "kafka": ["benchmarks.kafka"],
    "coverage": ["benchmarks.coverage"],
    "quality": ["benchmarks.quality"],
    "seeds": ["benchmarks.seeds"],
    "robustness": ["benchmarks.robustness"],
    "hindsight": ["benchmarks.hindsight"],
    "missed": ["benchmarks.missed"],  # of the results of those before
}
FURTHER = ("whole", "quality", "robustness", "hindsight", "missed")  # those that take further streams


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False), help="Further streams: *.events.jsonl.gz.")
@click.option("--only", multiple=True, type=click.Choice(list(RUNS)), help="Not all of them.")
@click.option("--allow-dirty", is_flag=True, help="Write the tables of changed sources too.")
def main(data: str | None, only: tuple[str, ...], allow_dirty: bool) -> None:
    """Run the benchmarks and write their tables."""
    (HERE / "results").mkdir(exist_ok=True)
    for name in only or RUNS:
        command = [sys.executable, "-m", *RUNS[name], "--json", str(HERE / "results" / f"{name}.json")]
        command += ["--data", data] if data and name in FURTHER else []
        subprocess.run(command, check=True)
    tables = [sys.executable, "-m", "benchmarks.tables", *(["--allow-dirty"] if allow_dirty else [])]
    sys.exit(subprocess.run(tables, check=False).returncode)


if __name__ == "__main__":
    main()
