"""The settings of the service, as its commands read them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from grouping.config import BadConfig
from grouping.runtimes.settings import Settings


def service_settings(file: Path | None, environment: Mapping[str, str], given: dict[str, Any]) -> Settings:
    """The settings of the service: of a TOML file's table, variables and the command line, the last counts."""
    try:
        whole = tomllib.loads(file.read_text()) if file is not None else {}
        found = whole.get("service", {})
        if type(found) is dict and "formats" in whole:
            found = found | {"formats": whole["formats"]}
        variables = {f"GROUPING_{key.upper()}": str(value) for key, value in given.items() if value is not None}
        return Settings.of(found, {**environment, **variables})
    except (BadConfig, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file or 'settings'}: {error}") from None
