"""Standard output for tables, whose reader may go away."""

from __future__ import annotations

from rich.console import Console


class Output(Console):
    """A console that leaves a reader who went away to the command, as any other output does; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        """Raise what was caught: rich calls this while it handles the BrokenPipeError."""
        raise  # noqa: PLE0704 — what is being handled
