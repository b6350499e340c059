"""What another policy would have done at every decision of a play, and what that is worth by the propensities.

The engine here takes its decisions from elsewhere. It is the one place outside of the core that knows how the engine
decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.candidates import Candidates
from grouping.config import Config
from grouping.decide import distribution
from grouping.engine import Engine, decided
from grouping.keyspace import Records
from grouping.offpolicy import Value, value
from grouping.policy import Policy
from grouping.records import Action, Alert, Decision, Event, Severity
from grouping.scope import Incident, Scope


class Asked:
    """Does with every alert what another engine did, and notes what its own policy would have done."""

    def __init__(self, config: Config, records: Records | None = None) -> None:
        """As an engine takes them."""
        self.engine = Engine(config, records, self._decide)
        self._done: Decision | None = None
        self._wish: Decision | None = None

    def ask(self, event: Event, done: Decision | None) -> Decision | None:
        """Take an event and do what was done; what its own policy would have done, if it was asked."""
        self._done, self._wish = done, None
        self.engine.step(event)
        return self._wish

    def _decide(
        self, config: Config, scope: Scope, alert: Alert, now: Policy, near: Candidates, features: NDArray[np.float32]
    ) -> tuple[Decision, Incident | None]:
        self._wish, joined = decided(config, scope, alert, now, near, features)
        if self._done is None:
            return self._wish, joined
        joins = self._done.action is Action.JOIN
        return self._done, self.engine.state.known_incident(scope, self._done.incident) if joins else None


class Odds(NamedTuple):
    """One decision of the log: what was done, how likely, and how likely the other policy does each action."""

    row: int
    chosen: int
    best: int
    possible: int  # actions with a chance
    propensity: float
    target: list[float]  # in the order of the log's actions


def explored(config: Config, alert: Alert) -> float:
    """The share of decisions about such alerts that is drawn against the best score."""
    return 0.0 if alert.severity is Severity.CRITICAL else config.explore


def odds(row: int, done: Decision, wish: Decision, explore: float) -> Odds:
    """One decision beside what the other policy would have done there. Both must have been scored."""
    assert done.choice is not None
    assert wish.choice is not None
    pmf, best, _ = distribution(done.choice.scores, explore)
    wanted, sure, _ = distribution(wish.choice.scores, explore)
    chances = wanted or [float(place == sure) for place in range(len(wish.choice.scores))]
    named = dict(zip(wish.choice.actions, chances, strict=True))
    chosen = done.choice.actions.index("open" if done.action is Action.OPEN else done.incident)
    target = [named.get(action, 0.0) for action in done.choice.actions]
    possible = sum(chance > 0 for chance in pmf) if pmf else 1
    return Odds(row, chosen, best, possible, done.propensity, target)


def worth(judged: Sequence[Odds], right: NDArray[np.bool_]) -> Value:
    """What the other policy is worth on these decisions. The reward is 1 for one that was ``right`` (by row)."""
    width = max((len(one.target) for one in judged), default=1)
    target, kinds = np.zeros((len(judged), width)), np.zeros((len(judged), width), np.int64)
    for number, one in enumerate(judged):
        target[number, : len(one.target)] = one.target
        kinds[number, 1:] = 1
        kinds[number, np.arange(width) != one.best] += 2  # not the log's own choice
    chosen, row = (np.array([getattr(one, name) for one in judged], np.int64) for name in ("chosen", "row"))
    propensity = np.array([one.propensity for one in judged], np.float64)
    return value(target, chosen, propensity, right[row].astype(np.float64), kinds)
