"""What an evaluation came to, as a table for a terminal and as a dict for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from grouping.evaluate import Scores
from grouping.runtimes.evaluate import Played

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


def as_dict(played: Played) -> dict[str, Any]:
    """All figures of a play."""
    return {
        "whole": asdict(played.scores()),
        "second_half": asdict(played.second_half()),
        "unlabelled": played.unlabelled,
    }


def print_scores(played: Played, console: Console) -> None:
    """Print the measures over the whole stream and its second half."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("as decided", no_wrap=True)
    for heading in ("whole stream", "second half"):
        table.add_column(heading, justify="right", style="bold", no_wrap=True)
    table.add_column("", style="dim", no_wrap=True, overflow="ellipsis")
    columns = (played.scores(), played.second_half())
    for name, title, remark in MEASURES:
        table.add_row(title, *(figure(one, name) for one in columns), remark)
    console.print(table)


def figure(scores: Scores, name: str) -> str:
    """A measure in as many digits as mean something."""
    value = getattr(scores, name)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if name == "per_1000" or abs(value) >= 10 else f"{value:.3f}"
