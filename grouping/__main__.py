"""The command line: `grouping COMMAND ...`, also `python -m grouping`.

Exit status: 0 all taken, 3 some input refused, 2 unusable arguments or configuration, 1 a fault of our own;
`model diff` ends with 4 where the models differ. 141, as for a program that SIGPIPE ended: whoever read the output went
away (`| head`).
"""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import Any

import click

from grouping import __version__
from grouping.commands.common import unusable

COMMANDS = (
    "replay",
    "serve",
    "worker",
    "evaluate",
    "backtest",
    "simulate",
    "outputs",
    "explain",
    "model",
    "rollout",
    "unlearn",
    "log",
    "config",
    "mapping",
    "backup",
    "restore",
    "deadletters",
)  # in the order of the help
UNREAD = 141  # 128 + SIGPIPE
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Lazy(click.Group):
    """Loads a command when it is called for, so that one does not wait for what another needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 — the same
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"grouping.commands.{cmd_name}").command
        found.name = cmd_name
        return found

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line; what could not be written is told once, and not again when Python ends."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:  # by what is printed before a command is called: the version, the help
            if error.errno not in FULL:
                raise
            click.echo(f"Error: {unusable(error)}", err=True)
            sys.exit(2)
        finally:
            try:
                sys.stdout.flush()
            except OSError:
                _write_nowhere()

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; one whose reader goes away ends without a word, as others do in a pipe."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _write_nowhere()
            sys.exit(UNREAD)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise click.UsageError(unusable(error)) from None
        return result


def _write_nowhere() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=_Lazy, commands={}, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="grouping")
def main() -> None:
    """Group alerts into incidents as they stream in."""


if __name__ == "__main__":
    main(prog_name="grouping")
