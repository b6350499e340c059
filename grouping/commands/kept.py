"""The store in a state directory, for the commands that look into one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from grouping.runtimes.store import Store, StoreError, kept_in


@contextmanager
def kept(state: Path, scope: str | None = None, *, reading: bool = True) -> Iterator[Store]:
    """The store, closed in the end. Raises UsageError: there is none, it is in use, or it is damaged, also while it is read."""
    try:
        store = Store(kept_in(state, scope), reading=reading)
        try:
            yield store
        finally:
            store.close()
    except StoreError as error:
        raise click.UsageError(str(error)) from None
