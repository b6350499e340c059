"""grouping backtest: what another policy would have done with past traffic."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import orjson

from grouping.commands.common import CONFIG, DIRECTORY, IN_FILE, OUT_FILE, REFUSED, settings, unusable
from grouping.runtimes.backtest import backtest
from grouping.runtimes.progress import progress
from grouping.runtimes.replay import BadInput
from grouping.runtimes.store import StoreError
from grouping.runtimes.truth import read_truth


@click.command()
@click.option("--policy", "policy_name", required=True, help="The policy to try, e.g. 'service~5s'; see replay.")
@click.option("--from", "files", required=True, multiple=True, type=IN_FILE, help="The log: canonical events; repeat.")
@click.option("--config", "config_file", type=CONFIG, help="TOML: the settings the log was made with.")
@click.option("--seed", type=int, help="Of the draws, as when the log was made.")
@click.option("--truth", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="CSV: alert,group.")
@click.option("--examples", type=click.IntRange(0, 10_000), default=10, show_default=True, help="Shown, of each kind.")
@click.option("--json", "json_file", type=OUT_FILE, help="Write everything as JSON here.")
@click.option("--report", type=DIRECTORY, help="Write one HTML page into this directory.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(  # noqa: PLR0913 — one per option
    policy_name: str,
    files: tuple[str, ...],
    config_file: Path | None,
    seed: int | None,
    truth: Path | None,
    examples: int,
    json_file: Path | None,
    report: Path | None,
    *,
    quiet: bool,
) -> None:
    """Play a log again under another policy, and say what would have been different.

    The log is what `grouping log DIR` prints: alerts and feedback in order (.gz is understood; - = standard input).
    It is played with its own settings and with --policy from the first event on; what responders did tells which of
    the two was right. Nothing is changed anywhere.
    """
    config = settings(config_file, {"seed": seed})
    settings(None, {"policy": policy_name})
    try:
        told = read_truth(truth) if truth is not None else None
        with progress(files, show=not quiet and sys.stderr.isatty()) as tick:
            result = backtest(files, policy_name, config=config, truth=told, tick=tick)
        # Only now: drawing pages takes time to load.
        from grouping.runtimes.backtest_numbers import numbers  # noqa: PLC0415
        from grouping.runtimes.backtest_show import print_backtest, write_page  # noqa: PLC0415
        from grouping.runtimes.console import tables  # noqa: PLC0415

        found = numbers(result, examples)
        _check(truth, found)
        if json_file is not None:
            json_file.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        if report is not None:
            source = ", ".join(os.path.basename(name) for name in files)  # noqa: PTH119 — "-" is no path
            page = write_page(found, report, source=source, command=shlex.join(["grouping", *sys.argv[1:]]))
            click.echo(f"The page: {page}", err=True)
        print_backtest(found, tables())  # last: whoever reads it may go away, and the files are there all the same
    except (BadInput, StoreError) as error:
        raise click.UsageError(str(error)) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.UsageError(unusable(error)) from None
    if result.refused:
        hint = "were they taken when the log was made, give its settings with --config"
        click.echo(f"{result.refused} of {result.lines} lines refused, first {result.refusal}; {hint}", err=True)
        sys.exit(REFUSED)


def _check(truth: Path | None, found: Mapping[str, Any]) -> None:
    """Raises BadInput where the truth is that of another log."""
    if truth is not None and not found["truth"]["alerts"]:
        raise BadInput(f"{truth}: names none of the alerts; give the truth of this log")
