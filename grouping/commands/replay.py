"""grouping replay: files of events in, lines of outputs out."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from grouping.commands.common import CONFIG, DIRECTORY, IN_FILE, OUT_FILE, REFUSED, settings, unusable
from grouping.runtimes.progress import progress
from grouping.runtimes.replay import BadInput
from grouping.runtimes.replay import replay as run
from grouping.runtimes.store import StoreError
from grouping.runtimes.tally import Tally


@click.command()
@click.argument("files", nargs=-1, required=True, type=IN_FILE, metavar="FILE...")
@click.option("--out", type=OUT_FILE, help="Write the output lines here instead of standard output.")
@click.option("--state", type=DIRECTORY, help="Keep the state here; the same command again continues.")
@click.option("--config", "config_file", type=CONFIG, help="TOML.")
@click.option("--policy", "policy_name", help="What decides, e.g. default, '*~1s', 'service~5s', 'linear(*~1s)'.")
@click.option("--seed", type=int, help="Of the draws.")
@click.option("--summary", is_flag=True, help="Print a table at the end.")
@click.option("--report", type=DIRECTORY, help="Write one HTML page with pictures into this directory.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(  # noqa: PLR0913 — one per option
    files: tuple[str, ...],
    out: Path | None,
    state: Path | None,
    config_file: Path | None,
    policy_name: str | None,
    seed: int | None,
    *,
    summary: bool,
    report: Path | None,
    quiet: bool,
) -> None:
    """Group the alerts of FILE... (canonical events, one JSON object a line; .gz is understood; - = standard input).

    Writes the output lines to standard output or --out. With --state a replay that ended in any way is continued by
    the same command; the file --out then is the same as that of a run without a stop, and so are --summary and --report.
    """
    config = settings(config_file, {"policy": policy_name, "seed": seed})
    tally = Tally() if summary or report is not None else None
    try:
        if report is not None:
            report.mkdir(parents=True, exist_ok=True)  # before the work, not after it
        with progress(files, show=not quiet and sys.stderr.isatty()) as tick:
            result = run(
                files, out, config=config, state=state, watch=tally.take if tally is not None else None, tick=tick
            )
        if tally is not None:
            _show(tally, files, summary=summary, report=report)
    except (BadInput, StoreError) as error:
        raise click.UsageError(str(error)) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.UsageError(unusable(error)) from None
    if result.refused:
        click.echo(f"{result.refused} of {result.lines} lines refused; the output says which and why", err=True)
        sys.exit(REFUSED)


def _show(tally: Any, files: tuple[str, ...], *, summary: bool, report: Path | None) -> None:
    if summary:
        from rich.console import Console  # noqa: PLC0415

        from grouping.runtimes.summary import print_summary  # noqa: PLC0415

        print_summary(tally, Console(stderr=True))
    if report is not None:
        from grouping.runtimes.report import write_report  # noqa: PLC0415

        source = ", ".join(os.path.basename(name) for name in files)  # noqa: PTH119 — "-" is no path
        page = write_report(tally, report, source=source, command=shlex.join(["grouping", *sys.argv[1:]]))
        click.echo(f"The page with the pictures: {page}", err=True)
