"""The road of a new alert, walked step by step: what was compiled calls its parts by itself, and lets nobody look on."""

from __future__ import annotations

from time import perf_counter_ns
from typing import NamedTuple

from grouping import Engine, apply, learn
from grouping.candidates import candidates, window
from grouping.engine import _evidence, decided
from grouping.lifecycle import policy_key
from grouping.records import Alert, Output
from grouping.score import Evidence, pair_features

STEPS = (
    "featurise",
    "candidates",
    "evidence",
    "pair features",
    "score and decide",
    "apply",
    "observe",
    "write down",
)


class Way(NamedTuple):
    """What came of it: ``marks`` are the times, ns, before the first of STEPS and after each."""

    outputs: list[Output]
    marks: list[int]
    seen: Evidence


def walk(engine: Engine, alert: Alert) -> Way:
    """What Engine.step does with a new alert under a policy that a person has set."""
    state, config, clock = engine.state, engine.config, perf_counter_ns
    scope = state.scope(alert.scope)
    reach = engine._reach(scope)
    marks = [clock()]
    engine._begin(scope)
    state.remember_id(scope, alert.id)
    at = learn.tell_time(scope, alert.at, reach)
    features = engine._featurise(alert)
    marks.append(clock())
    now = state.policy(scope)
    key = policy_key(now, alert, features.same, scope.tuning.families)
    near = candidates(config, scope, at, features, learn.bits(scope.usual), key, now.open_minded)
    marks.append(clock())
    seen = _evidence(scope, at, features, near)
    marks.append(clock())
    table = pair_features(seen)
    marks.append(clock())
    decision, joined = decided(config, scope, alert, now, near, table)
    marks.append(clock())
    outputs = apply.group(state, scope, alert, at, features, key, joined)
    outputs.append(decision)
    marks.append(clock())
    learn.observe(scope, at, features, reach)
    marks.append(clock())
    apply.keep(state, scope, alert, at, decision)
    marks.append(clock())
    if scope.events % apply.SWEEP == 0:
        apply.sweep(config, scope, window(config, scope), learn.clock(scope))
        state.trim(scope)
    return Way(outputs, marks, seen)
