"""grouping evaluate: a stream against its known groups."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import orjson
from rich.console import Console

from grouping.commands.common import CONFIG, IN_FILE, OUT_FILE, REFUSED, settings
from grouping.runtimes.evaluate import play, read_events, read_truth
from grouping.runtimes.evaluation import as_dict, print_scores
from grouping.runtimes.replay import BadInput
from grouping.runtimes.store import StoreError

TRUTH = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("files", nargs=-1, required=True, type=IN_FILE, metavar="EVENTS...")
@click.option("--truth", "truth_file", type=TRUTH, required=True, help="CSV with the header alert,group.")
@click.option("--config", "config_file", type=CONFIG, help="TOML.")
@click.option("--policy", "policy_name", help="What decides, e.g. default, '*~1s', 'service~5s'.")
@click.option("--seed", type=int, help="Of the draws.")
@click.option("--json", "json_file", type=OUT_FILE, help="Write all measures here.")
def command(
    files: tuple[str, ...],
    truth_file: Path,
    config_file: Path | None,
    policy_name: str | None,
    seed: int | None,
    json_file: Path | None,
) -> None:
    """Measure how well the alerts of EVENTS... are grouped, given the known groups in --truth.

    Plays the stream from the first event on and judges each decision as it was made. An alert with an empty group is
    noise: it belongs to no incident. Alerts that the truth does not name are in no measure.
    """
    config = settings(config_file, {"policy": policy_name, "seed": seed})
    try:
        truth = read_truth(truth_file)
        events, refused = read_events(files)
        played = play(events, truth, config)
    except (BadInput, StoreError) as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from None
    if not played.pairs:
        raise click.UsageError(f"{truth_file}: names none of the alerts; give the truth of this stream")
    print_scores(played, Console())
    if json_file is not None:
        json_file.write_bytes(orjson.dumps(as_dict(played), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    if refused:
        click.echo(f"{refused} lines refused; `grouping replay` says which and why", err=True)
        sys.exit(REFUSED)
