"""grouping restore: a backup becomes a state directory of the service."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from grouping.commands.common import CONFIG, DIRECTORY, KEPT, settings
from grouping.runtimes.backup import BadBackup
from grouping.runtimes.log import LogError
from grouping.runtimes.progress import decided
from grouping.runtimes.restore import restore


@click.command()
@click.argument("saved", type=KEPT, metavar="FROM")
@click.argument("directory", type=DIRECTORY, metavar="DIR")
@click.option("--config", "config_file", type=CONFIG, help="TOML: the settings that the service will have.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(saved: Path, directory: Path, config_file: Path | None, *, quiet: bool) -> None:
    """Copy a backup FROM, checked, to DIR and decide there what it has, so that `grouping serve --state DIR` goes on.

    The backup stays as it is.
    """
    config = settings(config_file, {})
    try:
        with decided(show=not quiet and sys.stderr.isatty()) as done:
            events = restore(saved, directory, config, done)
    except (BadBackup, LogError) as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"everything up to event {events} restored to {directory}", err=True)
