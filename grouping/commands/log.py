"""grouping log: what the service accepted."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from grouping.commands.common import KEPT
from grouping.runtimes.bypassed import bypassed, lines_of
from grouping.runtimes.held import together
from grouping.runtimes.log import LogError, read
from grouping.runtimes.whole import put


@click.command()
@click.argument("state", type=KEPT, metavar="DIR")
def command(state: Path) -> None:
    """Print the events that the service accepted into DIR, one a line, in order; also while it runs.

    `grouping log DIR | grouping replay -` prints what `grouping outputs DIR` does, as long as nothing was removed
    (`service.keep_days`).
    """
    if not (state / "log").is_dir():
        raise click.UsageError(f"{state}: no log in it; name the --state directory of `grouping serve`")
    try:
        faults = bypassed(state / "log")
        with together(state / "log"):
            for batch in read(state / "log"):
                put(sys.stdout.buffer, b"\n".join([*lines_of(batch, faults), b""]) if faults else batch.lines)
        sys.stdout.buffer.flush()
    except LogError as error:
        raise click.UsageError(str(error)) from None
