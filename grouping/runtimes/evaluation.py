"""What an evaluation came to, as a table for a terminal and as a dict for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean, stdev
from typing import Any

from rich.console import Console
from rich.table import Table

from grouping.config import Config
from grouping.evaluate import Scores
from grouping.records import Event
from grouping.responder import Habits
from grouping.runtimes.evaluate import Played, Ticker, Truth, play

MEASURES = (  # name, what it is called, remark
    ("macro_jaccard", "macro-Jaccard", "each group once, its best incident"),
    ("log_jaccard", "log-weighted Jaccard", "large groups a little more"),
    ("f1", "pairwise F1", "of grouped alerts"),
    ("precision", "  precision", ""),
    ("recall", "  recall", ""),
    ("f1_noise", "pairwise F1, noise counted", ""),
    ("precision_noise", "  precision", ""),
    ("b3_f1", "B-cubed F1", "of grouped alerts"),
    ("b3_precision", "  precision", ""),
    ("b3_recall", "  recall", ""),
    ("b3_f1_noise", "B-cubed F1, noise counted", ""),
    ("b3_precision_noise", "  precision", ""),
    ("b3_recall_noise", "  recall", ""),
    ("rand", "adjusted Rand index", "0 is chance"),
    ("rand_noise", "  noise counted", ""),
    ("actions", "actions per group", "that would put all right"),
    ("contamination", "contamination", "foreign alerts in incidents"),
    ("hidden", "hidden second outages", "began in another's incident"),
    ("per_1000", "incidents per 1000 alerts", ""),
    ("alerts", "alerts", ""),
    ("groups", "true groups", ""),
    ("incidents", "incidents", ""),
)


@dataclass(slots=True)
class Evaluation:
    """A stream played once for each seed: without a responder and, if there is one, with."""

    policy: str
    seeds: list[int]
    responder: Habits | None = None
    without: list[Played] = field(default_factory=list)
    corrected: list[Played] = field(default_factory=list)


def evaluated(
    events: Sequence[Event],
    truth: Truth,
    config: Config,
    responder: Habits | None = None,
    seeds: int = 1,
    tick: Ticker | None = None,
) -> Evaluation:
    """Play a stream with each seed from the config's on. Raises StoreError, OSError."""
    found = Evaluation(config.policy, list(range(config.seed, config.seed + seeds)), responder)
    for seed in found.seeds:
        settings = replace(config, seed=seed)
        found.without.append(play(events, truth, settings, tick=tick))
        if responder is not None:
            found.corrected.append(play(events, truth, settings, replace(responder, seed=seed), tick=tick))
    return found


def as_dict(evaluation: Evaluation) -> dict[str, Any]:
    """All figures of all plays."""
    found: dict[str, Any] = {
        "policy": evaluation.policy,
        "responder": _habits(evaluation.responder),
        "runs": [],
    }
    for number, seed in enumerate(evaluation.seeds):
        run: dict[str, Any] = {"seed": seed, "without": _figures(evaluation.without[number])}
        if evaluation.responder is not None:
            played = evaluation.corrected[number]
            run["with"] = _figures(played) | {
                "left": asdict(played.after_corrections()),
                "corrections": len(played.spent),
                "feedback": played.responder,
            }
        found["runs"].append(run)
    return found


def _habits(responder: Habits | None) -> dict[str, Any] | None:
    """What the responder is like; the seed is that of the run."""
    return None if responder is None else {name: value for name, value in asdict(responder).items() if name != "seed"}


def _figures(played: Played) -> dict[str, Any]:
    return {
        "whole": asdict(played.scores()),
        "second_half": asdict(played.second_half()),
        "unlabelled": played.unlabelled,
        "groups": [point._asdict() for point in played.curve()],
    }


def print_scores(evaluation: Evaluation, console: Console) -> None:
    """Print the measures: whole stream and second half, without and with a responder, and what is left to do."""
    without, corrected = evaluation.without, evaluation.corrected
    columns = {"whole stream": _whole(without), "second half": [one.second_half() for one in without]}
    if corrected:
        columns |= {
            "responder:\nwhole stream": _whole(corrected),
            "responder:\nsecond half": [one.second_half() for one in corrected],
            "left at\nthe end": [one.after_corrections() for one in corrected],
        }
    table = Table(box=None, pad_edge=False, header_style="dim", show_edge=False)
    table.add_column("as decided", no_wrap=True)
    for heading in columns:
        table.add_column(heading, justify="right", style="bold", no_wrap=True)
    if not corrected:
        table.add_column("", style="dim", no_wrap=True, overflow="ellipsis")
    for name, title, remark in MEASURES:
        figures = [mean_figure(scores, name) for scores in columns.values()]
        table.add_row(title, *figures, *([] if corrected else [remark]))
    console.print(table)
    for line in spent_lines(evaluation):
        console.print(line, highlight=False)


def _whole(plays: Iterable[Played]) -> list[Scores]:
    return [one.scores() for one in plays]


def spent_lines(evaluation: Evaluation) -> list[str]:
    """What the responder did, in words."""
    plays = evaluation.corrected
    if not plays:
        return []
    spent = fmean(len(one.spent) for one in plays)
    counts = {name: fmean(one.responder.get(name, 0) for one in plays) for name in DONE}
    seeds = f", mean of {len(plays)} seeds" if len(plays) > 1 else ""
    done = ", ".join(f"{count:,.0f} {what}" for what, count in counts.items() if count)
    return [f"{spent:,.0f} corrections spent{seeds}" + (f": {done}" if done else "")]


DONE = ("reviews", "merges", "moves", "confirms", "dismisses", "wrong", "refused")


def mean_figure(scores: Sequence[Scores], name: str) -> str:
    """A measure in as many digits as mean something: one value, or mean and standard deviation over the seeds."""
    values = [getattr(one, name) for one in scores]
    digits = 0 if isinstance(values[0], int) else 1 if name == "per_1000" or max(map(abs, values)) >= 10 else 3
    if len(set(values)) == 1:
        return f"{values[0]:,.{digits}f}"
    return f"{fmean(values):,.{digits}f} ±{stdev(values):,.{digits}f}"
