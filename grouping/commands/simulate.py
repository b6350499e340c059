"""grouping simulate: labelled streams."""

from __future__ import annotations

from pathlib import Path

import click

from grouping.commands.common import OUT_FILE, unusable
from grouping.runtimes.simulate import write
from grouping.simulate import WORKLOADS


@click.command()
@click.argument("name")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another stream.")
@click.option("--alerts", type=click.IntRange(1), help="About so many events.")
@click.option("--incidents", type=click.IntRange(1), help="So many incidents open at once (crowd).")
@click.option("--out", type=OUT_FILE, help="Write the events here (.gz is packed) instead of standard output.")
@click.option("--truth", type=OUT_FILE, help="Write which alert belongs to which incident, as CSV.")
def command(
    name: str, seed: int, alerts: int | None, incidents: int | None, out: Path | None, truth: Path | None
) -> None:
    """Make a labelled stream: the workload NAME, or `list` to see which there are."""
    if name == "list":
        for known, workload in WORKLOADS.items():
            click.echo(f"{known:16} {workload.description}")
        return
    if name not in WORKLOADS:
        raise click.BadParameter(f"no workload {name!r}; there are {', '.join(WORKLOADS)}", param_hint="NAME")
    try:
        write(name, seed, alerts, incidents, out, truth)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.UsageError(unusable(error)) from None
