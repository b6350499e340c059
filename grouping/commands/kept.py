"""The store in a state directory, for the commands that look into one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from grouping.runtimes.store import Store, StoreError, kept_in


@contextmanager
def kept(state: Path, scope: str | None = None, *, reading: bool = True) -> Iterator[Store]:
    """The store, closed in the end. Raises UsageError: there is none to read, it is in use, or it is damaged, also while it is read."""
    try:
        path = kept_in(state, scope)
        if reading and not (path / "CURRENT").exists():
            raise click.UsageError(f"{state}: holds no state; give the --state of a replay, a service or a worker")
        store = Store(path, reading=reading)
        try:
            yield store
        finally:
            store.close()
    except StoreError as error:
        raise click.UsageError(str(error)) from None
