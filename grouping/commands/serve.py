"""grouping serve: the live service."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from grouping.commands.common import CONFIG, DIRECTORY, settings
from grouping.commands.serving import service_settings
from grouping.config import BadConfig, Config
from grouping.runtimes.log import LogError
from grouping.runtimes.settings import Settings


@click.command()
@click.option(
    "--state",
    type=DIRECTORY,
    default=Path("state"),
    envvar="GROUPING_STATE",
    show_default=True,
    help="Keep the log and all that was decided here.",
)
@click.option("--listen", help="HOST:PORT; 127.0.0.1:8080 if nothing else is said.")
@click.option("--config", "config_file", type=CONFIG, envvar="GROUPING_CONFIG", help="TOML.")
def command(state: Path, listen: str | None, config_file: Path | None) -> None:
    """Take alerts over HTTP, decide them, and answer what was decided, until SIGTERM.

    An event is answered with 202 when it is on disk; whatever happens then, it is decided once. Settings come from
    --config, those of the service from its table [service] and from variables like GROUPING_LISTEN; SIGHUP reads
    them again.
    """
    from grouping.runtimes.serve import Failed, serve  # noqa: PLC0415 — after the settings are known to be good

    def read() -> tuple[Config, Settings]:
        return settings(config_file, {}), service_settings(config_file, dict(os.environ), {"listen": listen})

    def again() -> tuple[Config, Settings]:
        try:
            return read()
        except (click.UsageError, OSError) as error:
            raise BadConfig(str(error)) from None

    config, service = read()
    try:
        serve(state, config, service, again)
    except (BadConfig, LogError) as error:
        raise click.UsageError(str(error)) from None
    except Failed as failed:
        click.echo(f"Error: {failed}", err=True)
        sys.exit(1)
