"""Standard output for tables, whose reader may go away."""

from __future__ import annotations

import os
import sys

from rich.console import Console

WIDE = 118  # columns of a table where the width of the terminal is not known


class Output(Console):
    """A console that leaves a reader who went away to the command, as any other output does; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        """Raise what was caught: rich calls this while it handles the BrokenPipeError."""
        raise  # noqa: PLE0704 — what is being handled


def tables() -> Output:
    """Standard output: as wide as the terminal or COLUMNS, or wide enough for a file or a pipe."""
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Output(width=None if known else WIDE)
