"""Learners of others in our place: same action sets, same features, same corrections.

VowpalWabbit: contextual bandit with action-dependent features, ``--cb_explore_adf --epsilon 0.02 --cb_type mtr``
(Bietti, Agarwal, Langford 2021). It hears of the action that was taken alone: cost 0 if it was right, 1 if not.
river LogisticRegression with AdaGrad, and HoeffdingAdaptiveTree: is this action the right one? They hear of all actions
of a decision.

A correction reveals which action was right for the alerts it touches, when the responder makes it and not before.
Until that has been so for 50 alerts of a scope, the policy of the engine decides, and the learner watches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import base, linear_model, optim, tree

from grouping.candidates import Candidates
from grouping.config import Config
from grouping.decide import pick
from grouping.draw import draw
from grouping.engine import Engine, decided
from grouping.keyspace import Records
from grouping.layout import COLUMNS
from grouping.learners.river import River, options
from grouping.lifecycle import members, root
from grouping.policy import Policy
from grouping.records import Alert, Decision, Event, Feedback, Output, Refused, Verb
from grouping.scope import Incident, Scope

WATCHES = 50  # alerts about which it has heard, before it decides itself
REMEMBERED = 20_000  # decisions of a scope about which a correction may still tell something
HEARS = 64  # alerts of an incident, the newest ones, about which one correction tells something

Table = NDArray[np.float32]  # (FEATURES, n): the features of each action; opening first


class Chooser:
    """Chooses among options and hears later what was right."""

    def choose(self, table: Table, uniform: float) -> tuple[int, float]:
        """An option, and the probability with which it was chosen; ``uniform`` in [0, 1) is the chance to use."""
        raise NotImplementedError

    def learn(self, table: Table, chosen: int, probability: float, right: int | None) -> None:
        """``right`` was right; None: the chosen one was wrong, and no other is known to be right."""
        raise NotImplementedError


class VowpalWabbit(Chooser):
    """A contextual bandit."""

    def __init__(self) -> None:
        import vowpalwabbit  # noqa: PLC0415 — the other players do without

        self._workspace = vowpalwabbit.Workspace("--cb_explore_adf --epsilon 0.02 --cb_type mtr --quiet")

    def choose(self, table: Table, uniform: float) -> tuple[int, float]:
        pmf = self._workspace.predict(_lines(table))
        chosen = pick(pmf, uniform)
        return chosen, pmf[chosen]

    def learn(self, table: Table, chosen: int, probability: float, right: int | None) -> None:
        lines = _lines(table)
        lines[1 + chosen] = f"0:{0 if chosen == right else 1}:{probability:.6f} {lines[1 + chosen]}"
        self._workspace.learn(lines)


def _lines(table: Table) -> list[str]:
    features = (" ".join(f"{name}:{value:.6g}" for name, value in one.items()) for one in options(table))
    return ["shared |s b:1", *(f"|f {each}" for each in features)]


class Likeliest(Chooser):
    """The most probably right option, by a learner of grouping/learners/river.py."""

    def __init__(self, model: base.Classifier) -> None:
        self._learner = River(model)

    def choose(self, table: Table, uniform: float) -> tuple[int, float]:  # noqa: ARG002 — it leaves nothing to chance
        return int(self._learner.score(table).argmax()), 1.0

    def learn(self, table: Table, chosen: int, probability: float, right: int | None) -> None:  # noqa: ARG002
        self._learner.learn(table, right, chosen)


def logistic() -> Likeliest:
    return Likeliest(linear_model.LogisticRegression(optimizer=optim.AdaGrad(0.1)))


def hoeffding() -> Likeliest:
    return Likeliest(tree.HoeffdingAdaptiveTreeClassifier(grace_period=20, seed=1))


@dataclass(slots=True)
class _Asked:
    table: Table
    actions: list[str]
    chosen: int
    probability: float
    heard: tuple[int | None] | None = None  # what was said to be right, so that it is not said twice


class _Fixed:
    """The learner of a decision that was already made."""

    def __init__(self, chosen: int) -> None:
        self._scores = np.zeros(COLUMNS, np.float32)
        self._scores[chosen] = 1.0

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ARG002 — it is decided
        return self._scores


class Taught:
    """The engine with another learner for its scopes' decisions."""

    def __init__(self, make: Callable[[], Chooser], config: Config | None = None, records: Records | None = None):
        self.engine = Engine(config, records, self._decide)
        self._make = make
        self._choosers: dict[str, Chooser] = {}
        self._heard: dict[str, int] = {}
        self._asked: dict[str, dict[str, _Asked]] = {}

    def step(self, event: Event) -> list[Output]:
        """Take one event; what feedback says of the decisions is learned."""
        outputs = self.engine.step(event)
        if isinstance(event, Feedback):
            done = outputs and not any(isinstance(one, Refused) for one in outputs)
            if done or event.action is Verb.CONFIRM:
                self._teach(self.engine.state.scope(event.scope), event)
        return outputs

    def _decide(
        self, config: Config, scope: Scope, alert: Alert, now: Policy, near: Candidates, features: NDArray[np.float32]
    ) -> tuple[Decision, Incident | None]:
        table = features[:, : 1 + len(near.incidents)].copy()
        chosen, probability = -1, 1.0
        if self._heard.get(scope.name, 0) >= WATCHES:
            chosen, probability = self._chooser(scope).choose(table, draw(config.seed, alert.id))
            now = replace(now, learner=_Fixed(chosen))
        decision, joined = decided(config, scope, alert, now, near, features)
        actions = ["open", *(one.id for one in near.incidents)]
        if chosen < 0:
            chosen, probability = (actions.index(joined.id) if joined else 0), decision.propensity
        asked = self._asked.setdefault(scope.name, {})
        asked[alert.id] = _Asked(table, actions, chosen, probability)
        if len(asked) > REMEMBERED:
            del asked[next(iter(asked))]
        return decision, joined

    def _teach(self, scope: Scope, feedback: Feedback) -> None:
        asked = self._asked.get(scope.name, {})
        for alert in self._touched(scope, feedback):
            one = asked.get(alert)
            if one is None:
                continue
            right = 0 if feedback.action is Verb.DISMISS else self._right(scope, alert, one)
            if one.heard != (right,):
                one.heard = (right,)
                self._chooser(scope).learn(one.table, one.chosen, one.probability, right)
                self._heard[scope.name] = self._heard.get(scope.name, 0) + 1

    def _touched(self, scope: Scope, feedback: Feedback) -> Iterator[str]:
        yield from feedback.alerts
        incidents = (*feedback.incidents, *([feedback.incident] if feedback.incident else []))
        for id in incidents if feedback.action in {Verb.MERGE, Verb.CONFIRM, Verb.DISMISS} else ():
            known = self.engine.state.known_incident(scope, id)
            yield from (alert for alert, _ in islice(members(self.engine.state, scope, known), HEARS))

    def _right(self, scope: Scope, alert: str, asked: _Asked) -> int | None:
        """The action that leads where the alert is now; opening for the first of an incident; else not known."""
        kept = self.engine.state.alert(scope, alert)
        if kept is None:
            return None
        end = root(self.engine.state, scope, kept.incident)
        for number, action in enumerate(asked.actions[1:], 1):
            if root(self.engine.state, scope, action) is end:
                return number
        return 0 if kept.at <= end.first_at else None

    def _chooser(self, scope: Scope) -> Chooser:
        if scope.name not in self._choosers:
            self._choosers[scope.name] = self._make()
        return self._choosers[scope.name]


CHOOSERS: dict[str, Callable[[], Any]] = {
    "VowpalWabbit": VowpalWabbit,
    "river LogisticRegression": logistic,
    "river HoeffdingAdaptiveTree": hoeffding,
}
