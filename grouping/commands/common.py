"""What commands share: exit statuses, kinds of path, the settings of the engine."""

from __future__ import annotations

import tomllib
from math import isnan
from pathlib import Path
from typing import Any

import click

from grouping.config import BadConfig, Config
from grouping.policy import BadPolicy, policy

REFUSED = 3  # some input was refused

IN_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)
OUT_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)
DIRECTORY = click.Path(file_okay=False, path_type=Path)
KEPT = click.Path(exists=True, file_okay=False, path_type=Path)  # a state directory that is there
CONFIG = click.Path(exists=True, dir_okay=False, path_type=Path)


class Number(click.FloatRange):
    """A number in a range; click would let NaN into any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; fails where it is none or not in the range."""
        found: float = super().convert(value, param, ctx)
        if isnan(found):
            self.fail(f"{value!r} is no number.", param, ctx)
        return found


def unusable(error: OSError) -> str:
    """Where, if the system says it, and what it said; of a disk that is full while something is written it says no place."""
    return f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror}; look at what is written to"


def settings(file: Path | None, given: dict[str, Any]) -> Config:
    """The settings of a TOML file, overruled by those given on the command line."""
    found: dict[str, Any] = {}
    try:
        if file is not None:
            found = tomllib.loads(file.read_text())
        for table in ("service", "formats", "worker"):  # for `grouping serve` and `worker`, which read them themselves
            found.pop(table, None)
        config = Config.of(found | {key: value for key, value in given.items() if value is not None})
        policy(config.policy)
    except (BadConfig, BadPolicy, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file or 'settings'}: {error}") from None
    return config
