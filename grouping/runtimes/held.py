"""Who reads a whole log holds it together with others; who removes a part of it must be alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Busy(Exception):
    """Somebody reads the whole log."""


@contextmanager
def together(directory: Path) -> Iterator[None]:
    """While this lasts, nothing of the log goes. Raises OSError."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_SH)
        yield
    finally:
        os.close(opened)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """While this lasts, nobody reads the whole log. Raises Busy, OSError."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy from None
        yield
    finally:
        os.close(opened)
