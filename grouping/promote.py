"""Which rule would have made the groups that responders made: tried on the scope's own past, and promoted if it is sure.

At 10, 20, 40, 80 ... corrections the incidents that responders corrected, confirmed or dismissed are taken as the truth
about their alerts. A portfolio of rules - no field or a field that nearly all alerts have, and a silence, not below the
grain of the clock: that would make pieces of one instant - groups the recent alerts once more. So does the rule that
decides now; what was decided, lessons included, counts for it if better. For every true group of two or more alerts the
best Jaccard index with a group that a rule made, weighted by log2(1 + alerts), gives the rule's worth. The best rule is
promoted if grounds.py is sure of it. The same holds for going back to what the scope had found by itself.

One incident or one rule is looked at per recent alert: no decision waits for it.

A promoted rule is watched, and so is one that a scope found by itself. Each correction counts for the alert that it is
about, so that what was decided before the change does not speak against it. When as many alerts as that give clearly more
corrections than before, it goes; a promoted one is not tried again.

Feedback of those who are not believed does not count here either. And each change notes what it stood on: when so much of
that is undone, or believed no longer, that the change would not have come, it is taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.grounds import GROUPS, WATCHED, Change, certainty, stands, worth
from grouping.pairs import resolution
from grouping.promotion import INCIDENTS, Ground, Promotion, Trial
from grouping.recent import KEPT, Recent
from grouping.regroup import jaccards, play, weights_of
from grouping.tune import Tuning

LOOKED_AT = 128  # alerts of an incident
SILENCES = (2, 5, 10, 30, 60, 120, 300)  # s
PRESENT = 0.9  # share of alerts that must have a field for it to be a key

# incident -> its root, whether it is noise, and for each alert its number and a code of the incident it was decided into
Labelled = Callable[[str], tuple[str, bool, list[tuple[int, int]]]]


class Outcome(NamedTuple):
    """What a trial ended with: the rule to follow, None for the one that decides now, the evidence, its grounds."""

    rule: str | None
    evidence: dict[str, Any]
    stands_on: Change | None = None


class Objection(NamedTuple):
    """That what decides brought more corrections than what decided before: the evidence, and its grounds."""

    evidence: dict[str, Any]
    stands_on: Change


def due(promotion: Promotion, since: int) -> bool:
    """Whether what decides since the ``since``-th alert is to be judged by the corrections; never if that is -1."""
    return since >= 0 and promotion.counted - promotion.counted_then >= promotion.wait


def worse(promotion: Promotion, since: int, count: int) -> Objection | None:
    """Whether what decides since then brought more corrections than what decided before; None if it did not.

    ``count``: recent alerts so far. Compared are the alerts since the change, and as many before it as can be looked
    back upon, from the first corrected one on: earlier, perhaps nobody looked, or it is forgotten.
    """
    doubted, actors = promotion.doubted, promotion.actors
    given = [(number, id) for id, number in promotion.corrections.items() if number >= 0 and actors[id] not in doubted]
    known = promotion.known_from or min((number for number, _ in given), default=since)
    first = min(max(since - KEPT, known), since)
    alerts_before, alerts = since - first, count - since
    earlier = [id for number, id in given if first <= number < since]
    later = [id for number, id in given if number >= since]
    before, after = len(earlier), len(later)
    promotion.watch_on(after if after >= WATCHED else WATCHED - after)
    by = {id: actors[id] for id in earlier + later}
    grounds = Change(by, later, earlier=earlier, alerts=alerts, alerts_before=alerts_before)
    if not stands(grounds, doubted):
        return None
    evidence = {
        "corrections": after,
        "alerts": alerts,
        "rate": round(after / alerts, 4),
        "corrections_before": before,
        "alerts_before": alerts_before,
        "rate_before": round(before / alerts_before, 4),
    }
    return Objection(evidence, grounds)


def step(promotion: Promotion, tuning: Tuning, labelled: Labelled, now: str, found: str) -> Outcome | None:
    """One piece of a trial, if one is due; its outcome if it ends with it.

    ``now``: the name of the policy that decides; ``found``: of the one the scope found by itself.
    """
    trial = promotion.trial
    if trial is None:
        given = promotion.counted
        if given < promotion.next_at:
            return None
        while promotion.next_at <= given:
            promotion.next_at *= 2
        doubted, actors = promotion.doubted, promotion.actors
        asked = {id: [one for one in about if actors[one] not in doubted] for id, about in promotion.touched.items()}
        todo = [id for id, about in asked.items() if about]
        by = {one: actors[one] for id in todo for one in asked[id]}
        trial = Trial(tuning.recent.count, given, todo, [asked[id] for id in todo], by)
        promotion.trial = trial
    if trial.todo:
        _label(trial, trial.asked.pop(), *labelled(trial.todo.pop()))
        return None
    outcome = _try(trial, promotion, tuning, now, found)
    if outcome is not None:
        promotion.trial = promotion.ground = None
    return outcome


def _label(trial: Trial, about: list[str], root: str, noise: bool, alerts: list[tuple[int, int]]) -> None:
    if root in trial.roots:
        trial.about[trial.roots.index(root)] += about
        return
    trial.roots.append(root)
    trial.about.append(about)
    since = max(0, trial.end - KEPT)
    held = [(number, code) for number, code in alerts if since <= number < trial.end]
    trial.numbers += [number for number, _ in held]
    trial.decided += [code for _, code in held]
    trial.groups += [0 if noise else len(trial.roots)] * len(held)


def _try(trial: Trial, promotion: Promotion, tuning: Tuning, now: str, found: str) -> Outcome | None:
    """Play the next rule; the outcome after the last one."""
    ground = promotion.ground
    if ground is None or ground.of is not trial or ground.asked != (now, found):
        ground = promotion.ground = _ground(trial, tuning, now, found)
    true, weights = ground.true, ground.weights
    if len(true) < GROUPS:
        return Outcome(None, {})
    if trial.tried < len(ground.names):
        name = ground.names[trial.tried]
        made = play(ground.at, ground.codes, tuning.recent.fields, name, tuning.families, ground.known)
        values = jaccards(made[ground.places], ground.groups, true)
        if not trial.tried:  # with the lessons, which a rule by itself does not have
            lived = jaccards(np.array(trial.decided, np.int64), ground.groups, true)
            trial.now = trial.best = max((lived, values), key=lambda found: worth(found, weights))
        elif (name == found or name not in promotion.demoted) and worth(values, weights) > worth(trial.best, weights):
            trial.best, trial.rule = values, name
        trial.tried += 1
        return None
    better, was = worth(trial.best, weights), worth(trial.now, weights)
    share = certainty(trial.now, trial.best, weights) if trial.rule else 0.0
    evidence = {
        "corrections": trial.corrections,
        "groups": len(true),
        "alerts": len(trial.groups),
        "worth": round(better, 4),
        "was": round(was, 4),
        "better_in": share,
    }
    grounds = _grounds(trial, promotion, true, weights)
    sure = trial.rule and stands(grounds, promotion.doubted)
    return Outcome(trial.rule if sure else None, evidence, grounds)


def _ground(trial: Trial, tuning: Tuning, now: str, found: str) -> Ground:
    groups = np.array(trial.groups, np.int64)
    counts = np.bincount(groups).tolist() if trial.groups else []
    true = [group for group, count in enumerate(counts) if group and count > 1]
    at, codes, numbers = tuning.recent.numbered(trial.end)
    places = np.searchsorted(numbers, np.array(trial.numbers, np.int64))
    names = _names(tuning.recent, codes, resolution(np.sort(at)), now, found)
    weights = weights_of(groups, true) if true else []
    return Ground(trial, (now, found), at, codes, names, places, groups, true, weights, {})


def _grounds(trial: Trial, promotion: Promotion, true: list[int], weights: list[float]) -> Change:
    """What a trial's outcome stands on."""
    actors, corrections = promotion.actors, list(promotion.corrections)[-INCIDENTS:]
    by = {id: actors[id] for id in corrections} | trial.actors
    groups = [trial.about[group - 1] for group in true]
    return Change(by, corrections, groups, weights, trial.now, trial.best)


def _names(recent: Recent, codes: NDArray[np.uint32], grain: float, now: str, found: str) -> list[str]:
    """What decides now, what the scope found, and the portfolio: no silence shorter than the ``grain`` of the clock, s."""
    keys = ["*"]
    for row, name in enumerate(recent.fields):
        if (
            not set(name) & set("~=+()*")
            and (codes[row] > 0).mean() >= PRESENT
            and codes[row].min() != codes[row].max()
        ):
            keys.append(name)
    return [now, found] + [f"learned({key}={silence}s)" for key in keys for silence in SILENCES if silence >= grain]
