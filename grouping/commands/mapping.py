"""grouping mapping: try formats before a tool is pointed at the service."""

from __future__ import annotations

import sys
import time
import tomllib
from pathlib import Path
from typing import Any, BinaryIO

import click
import orjson

from grouping.commands.common import CONFIG, REFUSED
from grouping.config import BadConfig
from grouping.formats import Malformed, formats_of
from grouping.parse import parse


@click.group()
def command() -> None:
    """Try how a payload is translated, by a mapping of yours or by a format that is there."""


@command.command(name="try")
@click.argument("config_file", metavar="CONFIG", type=CONFIG)
@click.argument("name")
@click.argument("payload", type=click.File("rb"))
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="As sent with it; repeat for more.")
@click.option("--at", type=float, help="Time of receipt, seconds since the epoch; now if nothing else is said.")
def try_(config_file: Path, name: str, payload: BinaryIO, headers: tuple[str, ...], at: float | None) -> None:
    """Print the events that PAYLOAD (a file, or -) becomes by the format NAME, one a line.

    NAME is a table [formats.NAME] of CONFIG, or a format that is there. What cannot be translated is told on
    standard error, with its place; then the exit status is 3.
    """
    try:
        formats = formats_of(tomllib.loads(config_file.read_text()).get("formats", {}))
    except (BadConfig, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{config_file}: {error}") from None
    if name not in formats:
        raise click.UsageError(f"{config_file}: no format is called {name!r}; there are: {', '.join(formats)}")
    pairs = [header.partition(":") for header in headers]
    sent = {key.strip().lower(): value.strip() for key, _, value in pairs}
    try:
        found = formats[name](payload.read(), sent, time.time() if at is None else at)
    except Malformed as error:
        found = [error]
    refused = [_shown(one) for one in found].count(False)
    click.echo(f"{len(found) - refused} events, {refused} refused", err=True)
    sys.exit(REFUSED if refused else 0)


def _shown(one: dict[str, Any] | Malformed) -> bool:
    """Print an event, or what is wrong with it; whether it is an event."""
    try:
        if isinstance(one, Malformed):
            raise one
        line = orjson.dumps(one)
        parse(line)
    except Malformed as error:
        click.echo(f"refused: {error}", err=True)
        return False
    click.echo(line)
    return True
