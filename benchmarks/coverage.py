"""How often the intervals of the estimates of another policy cover what it is worth, through an engine that explores.

    python -m benchmarks.coverage [--json FILE] [--runs N]

A simulated stream is decided by one policy, with draws; from what was logged another one is estimated, and as the true
groups are known, what it is worth is known as well: each run is one interval that covers that or does not.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from grouping import Config, Engine, parse
from grouping.offpolicy import LEVEL, Value
from grouping.records import Alert, Decision, Event
from grouping.runtimes.asked import Asked, Odds, explored, odds, worth
from grouping.simulate import simulate

ALERTS = 700
LOGGING, OTHERS = "*=60s", ("service=300s", "linear(*~2s)")
LOADS = (("two_faults", 0.3), ("storm", 0.1))  # and the share of decisions that may be drawn
ESTIMATES = ("ips", "snips", "dr")


class Played(NamedTuple):
    """What the log says another policy is worth, and what it is worth."""

    found: Value
    truth: float


class Judge:
    """Knows the groups: an action is right if it puts the alert where most of its group's company is."""

    def __init__(self, truth: dict[str, str | None]) -> None:
        self._truth = truth
        self._inside: dict[str, Counter[str | None]] = {}

    def right(self, alert: str, actions: list[str]) -> list[bool]:
        """Of every action; opening is right where no incident at hand is."""
        mine = self._truth[alert]
        fits = [self._inside[id].most_common(1)[0][0] == mine for id in actions[1:]]
        return [not any(fits), *fits]

    def took(self, alert: str, incident: str) -> None:
        """The alert is in the incident now."""
        self._inside.setdefault(incident, Counter())[self._truth[alert]] += 1


def played(seed: int, name: str, other: str, explore: float) -> Played:
    """One stream, logged by an engine with draws of its own, and the other policy asked at every decision."""
    rows = list(simulate(name, seed=seed, alerts=ALERTS))
    judge = Judge({str(event["id"]): group for event, group in rows})
    engine = Engine(Config(policy=LOGGING, explore=explore, seed=seed))
    asked = Asked(Config(policy=other, explore=explore, seed=seed))
    judged: list[Odds] = []
    rights: list[list[bool]] = []
    for event in (parse(orjson.dumps(event)) for event, _ in rows):
        done = _decision(engine, event)
        wish = asked.ask(event, done)
        if done is None:
            continue
        assert isinstance(event, Alert)
        if done.choice is not None and wish is not None and wish.choice is not None and explored(engine.config, event):
            judged.append(odds(len(judged), done, wish, explore))
            rights.append(judge.right(event.id, done.choice.actions))
        judge.took(event.id, done.incident)
    of_done = np.array([right[one.chosen] for one, right in zip(judged, rights, strict=True)])
    each = [float(np.dot(one.target, right)) for one, right in zip(judged, rights, strict=True)]
    return Played(worth(judged, of_done), float(np.mean(each)))


def _decision(engine: Engine, event: Event) -> Decision | None:
    lines = engine.step(event)
    return next((line for line in lines if isinstance(line, Decision) and line.repeats is None), None)


def covered(plays: list[Played], estimate: str) -> float:
    """The share of the intervals that hold what the policy is worth."""
    found = [(getattr(play.found, estimate), play.truth) for play in plays]
    return float(np.mean([one.low <= truth <= one.high for one, truth in found]))


def measured(name: str, explore: float, other: str, runs: int) -> dict[str, Any]:
    """How often each estimate covers, with the least effective sample of all runs, and how wide it is."""
    plays = [played(seed, name, other, explore) for seed in range(runs)]
    widths = {
        estimate: round(
            float(np.mean([getattr(play.found, estimate).high - getattr(play.found, estimate).low for play in plays])),
            4,
        )
        for estimate in ESTIMATES
    }
    return {
        "stream": name,
        "explore": explore,
        "policy": other,
        "runs": runs,
        "effective": round(min(play.found.effective for play in plays)),
        "covered": {estimate: round(covered(plays, estimate), 4) for estimate in ESTIMATES},
        "width": widths,
    }


@click.command()
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--runs", default=200, show_default=True, help="Seeds of each stream and policy.")
def main(out: Path | None, runs: int) -> None:
    """Measure how often the intervals cover."""
    rows = [measured(name, explore, other, runs) for name, explore in LOADS for other in OTHERS]
    if out is not None:
        head = {"what": "coverage", "machine": machine(), "logging": LOGGING, "claimed": LEVEL, "rows": rows}
        out.write_text(json.dumps(head, indent=1) + "\n")
    table = Table(title=f"Intervals that cover what the other policy is worth; claimed: {LEVEL:.0%}")
    for column in ("stream", "explore", "policy", "runs", "effective", *ESTIMATES):
        table.add_column(column, justify="left" if column in {"stream", "policy"} else "right")
    for row in rows:
        shares = (f"{row['covered'][estimate]:.1%}" for estimate in ESTIMATES)
        table.add_row(
            row["stream"], f"{row['explore']}", row["policy"], str(row["runs"]), str(row["effective"]), *shares
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
