"""grouping outputs: what a state directory holds of decisions."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from grouping.commands.common import KEPT
from grouping.runtimes.store import Store, StoreError


@click.command()
@click.argument("state", type=KEPT, metavar="DIR")
def command(state: Path) -> None:
    """Print all output lines that were committed in the state directory DIR."""
    try:
        store = Store(state)
    except StoreError as error:
        raise click.UsageError(str(error)) from None
    for lines in store.outputs():
        sys.stdout.buffer.write(lines)
    store.close()
