"""Files and directories that are on disk when a function returns, with their names: what was promised survives a loss of power."""

from __future__ import annotations

import os
from pathlib import Path


def settle(path: Path) -> None:
    """Put a file, or the names in a directory, on disk. Raises OSError."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def settle_all(directory: Path) -> None:
    """Put a directory on disk with all that is in it. Raises OSError."""
    for path in directory.rglob("*"):
        settle(path)
    settle(directory)


def make(directory: Path) -> None:
    """Make a directory and those above it where they are missing. Raises OSError.

    The name of each goes to disk too: a file that is on disk in a directory that is not is lost with it.
    """
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for one in missing:
        settle(one.parent)
