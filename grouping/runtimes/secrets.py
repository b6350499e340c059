"""Secrets stand in files or variables, named ``file:/run/secrets/x`` or ``env:NAME``: the configuration holds none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grouping.config import BadConfig

SECRET_MAX = 8192  # bytes of a file that holds one


def secret_of(place: str, said: str, environment: Mapping[str, str]) -> str:
    """What a reference names: printable ASCII without space around it. Raises BadConfig, which never says what it is."""
    kind, _, rest = said.partition(":")
    if kind not in ("env", "file") or not rest:
        raise BadConfig(f"{place}: expected env:NAME or file:PATH; a secret does not stand in the file")
    if kind == "env":
        found = environment.get(rest, "")
    else:
        try:
            with Path(rest).open("rb") as file:
                found = file.read(SECRET_MAX).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfig(f"{place}: {said}: {error}; make it readable") from None
    found = found.strip()
    if not found or not found.isprintable() or not found.isascii():
        raise BadConfig(f"{place}: {said}: nothing readable in it; put the secret there")
    return found
