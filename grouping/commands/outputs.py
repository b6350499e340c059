"""grouping outputs: what a state directory holds of decisions."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from grouping.commands.common import KEPT
from grouping.commands.kept import kept
from grouping.runtimes.whole import put


@click.command()
@click.argument("state", type=KEPT, metavar="DIR")
def command(state: Path) -> None:
    """Print all output lines that were committed in the state directory DIR of a replay or of the service.

    A service may go on meanwhile: what it has committed so far is printed.
    """
    with kept(state) as store:
        if "stepped" in store.position():
            raise click.UsageError(f"{state}: the state of a worker on Kafka: its outputs are in the topic decisions")
        for lines in store.outputs():
            put(sys.stdout.buffer, lines)
        sys.stdout.buffer.flush()
