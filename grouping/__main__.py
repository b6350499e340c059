"""The command line: `grouping replay | simulate | outputs`, also `python -m grouping`.

Exit status: 0 all taken, 3 some input refused, 2 unusable arguments or configuration, 1 a fault of our own.
"""

from __future__ import annotations

import os
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

from grouping import __version__
from grouping.config import BadConfig, Config
from grouping.policy import BadPolicy, policy

REFUSED = 3
UNUSABLE = 2

_IN_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)
_OUT_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)
_DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="grouping")
def main() -> None:
    """Group alerts into incidents as they stream in."""


@main.command()
@click.argument("files", nargs=-1, required=True, type=_IN_FILE, metavar="FILE...")
@click.option("--out", type=_OUT_FILE, help="Write the output lines here instead of standard output.")
@click.option("--state", type=_DIRECTORY, help="Keep the state here; the same command again continues.")
@click.option("--config", "config_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML.")
@click.option("--policy", "policy_name", help="What decides, e.g. default, '*~1s', 'service~5s', 'linear(*~1s)'.")
@click.option("--seed", type=int, help="Of the draws.")
@click.option("--summary", is_flag=True, help="Print a table at the end.")
@click.option("--report", type=_DIRECTORY, help="Write one HTML page with pictures into this directory.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def replay(  # noqa: PLR0913 — one per option
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
    the same command; the file --out then is the same as that of a run without a stop.
    """
    from grouping.runtimes.progress import progress  # noqa: PLC0415 — rich is loaded where it is used
    from grouping.runtimes.replay import BadInput  # noqa: PLC0415
    from grouping.runtimes.replay import replay as run  # noqa: PLC0415
    from grouping.runtimes.store import StoreError  # noqa: PLC0415
    from grouping.runtimes.tally import Tally  # noqa: PLC0415

    config = _config(config_file, {"policy": policy_name, "seed": seed})
    tally = Tally() if summary or report is not None else None
    if tally is not None and state is not None and state.exists() and any(state.iterdir()):
        raise click.UsageError("--summary and --report need the whole run; use a new --state directory with them")
    try:
        with progress(files, show=not quiet and sys.stderr.isatty()) as tick:
            result = run(
                files, out, config=config, state=state, watch=tally.take if tally is not None else None, tick=tick
            )
    except (BadInput, StoreError) as error:
        raise click.UsageError(str(error)) from None
    except BrokenPipeError:  # whoever read our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from None
    if tally is not None:
        _show(tally, files, summary=summary, report=report)
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


@main.command()
@click.argument("name")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, another stream.")
@click.option("--alerts", type=click.IntRange(1), help="About so many events.")
@click.option("--incidents", type=click.IntRange(1), help="So many incidents open at once (crowd).")
@click.option("--out", type=_OUT_FILE, help="Write the events here (.gz is packed) instead of standard output.")
@click.option("--truth", type=_OUT_FILE, help="Write which alert belongs to which incident, as CSV.")
def simulate(
    name: str, seed: int, alerts: int | None, incidents: int | None, out: Path | None, truth: Path | None
) -> None:
    """Make a labelled stream: the workload NAME, or `list` to see which there are."""
    from grouping.runtimes.simulate import write  # noqa: PLC0415
    from grouping.simulate import WORKLOADS  # noqa: PLC0415

    if name == "list":
        for known, workload in WORKLOADS.items():
            click.echo(f"{known:16} {workload.description}")
        return
    if name not in WORKLOADS:
        raise click.BadParameter(f"no workload {name!r}; there are {', '.join(WORKLOADS)}", param_hint="NAME")
    try:
        write(name, seed, alerts, incidents, out, truth)
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from None


@main.command()
@click.argument("state", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
def outputs(state: Path) -> None:
    """Print all output lines that were committed in the state directory DIR."""
    from grouping.runtimes.store import Store, StoreError  # noqa: PLC0415

    try:
        store = Store(state)
    except StoreError as error:
        raise click.UsageError(str(error)) from None
    for lines in store.outputs():
        sys.stdout.buffer.write(lines)
    store.close()


def _config(file: Path | None, given: dict[str, Any]) -> Config:
    """The settings of a TOML file, overruled by those given on the command line."""
    settings: dict[str, Any] = {}
    try:
        if file is not None:
            settings = tomllib.loads(file.read_text())
        config = Config.of(settings | {key: value for key, value in given.items() if value is not None})
        policy(config.policy)
    except (BadConfig, BadPolicy, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file or 'settings'}: {error}") from None
    return config


if __name__ == "__main__":
    main(prog_name="grouping")
