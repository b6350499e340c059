"""The estimates of another policy, from what an engine logged that explores: their intervals hold what they claim."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import orjson
import pytest

from grouping import Config, Engine, parse
from grouping.offpolicy import LEVEL, Value
from grouping.records import Alert, Decision, Event
from grouping.runtimes.asked import Asked, Odds, explored, odds, worth
from grouping.simulate import simulate

RUNS, ALERTS = 60, 700
LOGGING, OTHERS = "*=60s", ("service=300s", "linear(*~2s)")


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


def least(level: float) -> float:
    """The share of hits that a level promises: not three standard deviations below it."""
    return level - 3 * math.sqrt(level * (1 - level) / RUNS)


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize(("name", "explore"), [("two_faults", 0.3), ("storm", 0.1)])
def test_the_intervals_cover_what_the_other_policy_is_worth(name: str, explore: float, other: str) -> None:
    """IPS as often as it claims; the others, which only come close, miss at most twice as often."""
    plays = [played(seed, name, other, explore) for seed in range(RUNS)]
    assert min(play.found.effective for play in plays) > 100
    assert min(play.found.ips.high - play.found.ips.low for play in plays) < 0.5  # no empty claim
    for estimate, level in (("ips", LEVEL), ("snips", 1 - 2 * (1 - LEVEL)), ("dr", 1 - 2 * (1 - LEVEL))):
        found = [(getattr(play.found, estimate), play.truth) for play in plays]
        assert np.mean([one.low <= truth <= one.high for one, truth in found]) >= least(level), estimate
