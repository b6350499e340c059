"""grouping backup: a copy of a state directory of the service, taken while it runs."""

from __future__ import annotations

from pathlib import Path

import click

from grouping.commands.common import DIRECTORY, KEPT
from grouping.runtimes.backup import BadBackup, backup


@click.command()
@click.argument("state", type=KEPT, metavar="DIR")
@click.argument("to", type=DIRECTORY, metavar="TO")
def command(state: Path, to: Path) -> None:
    """Copy the log of DIR, as far as it is on disk, and its outbox to TO, also while the service runs.

    That is all that is needed: `grouping restore TO NEW` decides it anew, to the same bytes. Where the beginning of the
    log was removed (`service.keep_days`), the base that stands for it is copied, too.
    """
    try:
        events = backup(state, to)
    except BadBackup as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"everything up to event {events} copied to {to}", err=True)
