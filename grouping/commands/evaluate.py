"""grouping evaluate: a stream against its known groups."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click
import orjson

from grouping.commands.common import CONFIG, DIRECTORY, IN_FILE, OUT_FILE, REFUSED, Number, settings, unusable
from grouping.records import Alert, Event
from grouping.responder import Habits
from grouping.runtimes.console import tables
from grouping.runtimes.evaluate import read_events
from grouping.runtimes.evaluation import Evaluation, as_dict, evaluated, print_scores
from grouping.runtimes.progress import counted
from grouping.runtimes.replay import BadInput
from grouping.runtimes.store import StoreError
from grouping.runtimes.truth import read_truth

TRUTH = click.Path(exists=True, dir_okay=False, path_type=Path)
SHARE = Number(0, 1)
MOST_SEEDS = 1000


@click.command()
@click.argument("files", nargs=-1, required=True, type=IN_FILE, metavar="EVENTS...")
@click.option("--truth", "truth_file", type=TRUTH, required=True, help="CSV with the header alert,group.")
@click.option("--config", "config_file", type=CONFIG, help="TOML.")
@click.option("--policy", "policy_name", help="What decides, e.g. default, '*~1s', 'service~5s'.")
@click.option("--responder", type=click.Choice(["oracle"]), help="Play it again with one who knows the groups.")
@click.option("--budget", type=click.IntRange(0), help="Corrections in all; as many as it takes if not given.")
@click.option("--look", type=SHARE, help="Share of incidents looked at.  [default: 1]")
@click.option("--wrong", type=SHARE, help="Share of corrections given wrongly.  [default: 0]")
@click.option("--delay", type=Number(0, 1e9), help="Seconds from a review to its feedback.  [default: 0]")
@click.option("--seed", type=int, help="Of the draws, the engine's and the responder's.")
@click.option("--seeds", type=click.IntRange(1, MOST_SEEDS), default=1, help="Play with so many seeds, from --seed on.")
@click.option("--json", "json_file", type=OUT_FILE, help="Write all measures here.")
@click.option("--report", type=DIRECTORY, help="Write one HTML page with learning curves into this directory.")
def command(  # noqa: PLR0913 — one per option
    files: tuple[str, ...],
    truth_file: Path,
    config_file: Path | None,
    policy_name: str | None,
    responder: str | None,
    budget: int | None,
    look: float | None,
    wrong: float | None,
    delay: float | None,
    seed: int | None,
    seeds: int,
    json_file: Path | None,
    report: Path | None,
) -> None:
    """Measure how well the alerts of EVENTS... are grouped, given the known groups in --truth.

    Plays the stream from the first event on and judges each decision as it was made. An alert with an empty group is
    noise: it belongs to no incident. Alerts that the truth does not name are in no measure.

    With --responder oracle it is played once more: an incident that has been quiet for ten minutes, or is an hour old,
    is reviewed; what belongs together is merged, what does not is moved out, noise dismissed, the rest confirmed.
    """
    config = settings(config_file, {"policy": policy_name, "seed": seed})
    character: dict[str, Any] = {"budget": budget, "look": look, "wrong": wrong, "delay": delay}
    given = {name: value for name, value in character.items() if value is not None}
    if given and responder is None:
        raise click.UsageError(f"--{next(iter(given))} says what a responder is like; add --responder oracle")
    habits = None if responder is None else Habits(**given)
    try:
        truth = read_truth(truth_file)
        events, refused = read_events(files)
        plays = seeds * (1 if habits is None else 2)
        with counted(plays * len(events), show=sys.stderr.isatty()) as tick:
            evaluation = evaluated(events, truth, config, habits, seeds, tick)
    except (BadInput, StoreError) as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(unusable(error)) from None
    if not evaluation.without[0].pairs:
        if not any(isinstance(event, Alert) for event in events):
            raise click.UsageError(
                f"{', '.join(files)}: no alert, and {refused} lines refused; give a stream of events"
            )
        raise click.UsageError(f"{truth_file}: names none of the alerts; give the truth of this stream")
    try:
        _write(evaluation, events, files, json_file, report)
    except OSError as error:
        raise click.UsageError(unusable(error)) from None
    # Last: whoever reads it may go away, and the files are there all the same.
    print_scores(evaluation, tables())
    if refused:
        click.echo(f"{refused} lines refused; `grouping replay` says which and why", err=True)
        sys.exit(REFUSED)


def _write(
    evaluation: Evaluation, events: list[Event], files: tuple[str, ...], json_file: Path | None, report: Path | None
) -> None:
    """The files that were asked for."""
    if json_file is not None:
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        json_file.write_bytes(orjson.dumps(as_dict(evaluation), option=options))
    if report is not None:
        from grouping.runtimes.evaluation_report import write_evaluation  # noqa: PLC0415 — it loads numpy and jinja2

        source, command = ", ".join(Path(name).name for name in files), shlex.join(["grouping", *sys.argv[1:]])
        page = write_evaluation(evaluation, events, report, source=source, command=command)
        click.echo(f"The page with the pictures: {page}", err=True)
