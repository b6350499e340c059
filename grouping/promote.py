"""Which rule would have made the groups that responders made: tried on the scope's own past, and promoted if it is sure.

At 10, 20, 40, 80 ... corrections the incidents that responders corrected, confirmed or dismissed are taken as the truth
about their alerts. A portfolio of rules - no field or a field that nearly all alerts have, and a silence - groups the
recent alerts once more. So does the rule that decides now; what was decided, lessons included, counts for it if better. For every true group of two or more alerts the best Jaccard index
with a group that a rule made, weighted by log2(1 + alerts), gives the rule's worth.

The best rule is promoted if it is worth more by 0.1 and, over 200 paired bootstrap samples of the groups (Efron, 1979),
is better in 98 % of them. The same holds for going back to what the scope had found by itself.

One incident or one rule is looked at per recent alert: no decision waits for it.

A promoted rule is watched, and so is one that a scope found by itself. Each correction counts for the alert that it is
about, so that what was decided before the change does not speak against it. When as many alerts as that give clearly more
corrections than before (the conditional test of two Poisson rates, Przyborowski and Wilenski, 1940, in its normal
approximation), it goes; a promoted one is not tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.policy import KIN, Limit, policy
from grouping.recent import KEPT, SAME, Recent
from grouping.score import log2_table
from grouping.tune import Tuning

FIRST = 10  # corrections before the first trial; then twice as many each time
INCIDENTS = 256  # touched last, that are the truth
LOOKED_AT = 128  # alerts of an incident
SILENCES = (2, 5, 10, 30, 60, 120, 300)  # s
PRESENT = 0.9  # share of alerts that must have a field for it to be a key
GROUPS = 8  # true groups needed
GAIN, SURE, SAMPLES = 0.1, 0.98, 200
WATCHED = 8  # corrections of what a new rule decided, before it is judged; then twice as many each time
WORSE = 2.33  # standard deviations by which they have to be too many: 99 %
DEMOTED = 16  # rules remembered as demoted
_WEIGHT = log2_table(KEPT + 1)

Ints = NDArray[np.int64]
# incident -> its root, whether it is noise, and for each alert its number and a code of the incident it was decided into
Labelled = Callable[[str], tuple[str, bool, list[tuple[int, int]]]]


@dataclass(slots=True)
class Trial:
    """One trial of the portfolio on the alerts before the ``end``-th, while it goes on."""

    end: int
    corrections: int
    todo: list[str]  # incidents not looked at yet
    roots: list[str] = field(default_factory=list)  # those looked at
    numbers: list[int] = field(default_factory=list)  # of the alerts with a known group
    groups: list[int] = field(default_factory=list)  # place of the root + 1; 0 for noise
    decided: list[int] = field(default_factory=list)  # code of the incident that each was decided into
    tried: int = 0  # rules
    now: list[float] = field(default_factory=list)  # the Jaccard index of each group, the way it goes now
    best: list[float] = field(default_factory=list)
    rule: str = ""


@dataclass(slots=True)
class Promotion:
    """``touched``: incident -> the feedback about it. ``rule``: the one promoted last, "" for none."""

    touched: dict[str, list[str]] = field(default_factory=dict)
    corrections: dict[str, int] = field(default_factory=dict)  # merges and moves that stand -> number of the alert
    next_at: int = FIRST
    rule: str = ""
    trial: Trial | None = None
    before: str = ""  # the rule promoted before
    since: int = 0  # number of the first alert that the rule decided
    watch_at: int = 0  # corrections at which it is judged next
    demoted: list[str] = field(default_factory=list)

    def promote(self, rule: str, number: int) -> None:
        """Let a rule decide from that alert on, "" for what the scope found."""
        self.before, self.rule, self.since = self.rule, rule, number
        self.watch()

    def demote(self, number: int) -> None:
        """Go back to what decided before, from that alert on."""
        self.demoted = [*self.demoted, self.rule][-DEMOTED:]
        self.rule, self.before, self.since = "" if self.before in self.demoted else self.before, "", number
        self.watch()

    def watch(self) -> None:
        """What decides has changed: it is judged after some corrections more."""
        self.watch_at = len(self.corrections) + WATCHED

    def touch(self, feedback: str, incidents: Sequence[str], corrects: bool, number: int = -1) -> None:
        """A responder looked at these incidents, and may have corrected what became of the ``number``-th alert."""
        for id in incidents:
            self.touched[id] = [*self.touched.pop(id, []), feedback]
        while len(self.touched) > INCIDENTS:
            del self.touched[next(iter(self.touched))]
        if corrects:
            self.corrections[feedback] = number

    def untouch(self, feedback: str) -> None:
        """As if that feedback had never been given."""
        self.corrections.pop(feedback, None)
        for id, given in list(self.touched.items()):
            if feedback in given:
                given.remove(feedback)
                if not given:
                    del self.touched[id]

    def knows(self, feedback: str) -> bool:
        """Whether something still rests on that feedback."""
        return feedback in self.corrections or any(feedback in given for given in self.touched.values())

    def lose(self, incidents: Sequence[str]) -> bool:
        """These incidents are gone, and nothing can be said of them any more. Whether that changes anything."""
        known = [id for id in incidents if id in self.touched]
        for id in known:
            del self.touched[id]
        todo = self.trial.todo if self.trial is not None else []
        asked = [id for id in incidents if id in todo]
        for id in asked:
            todo.remove(id)
        return bool(known or asked)


class Outcome(NamedTuple):
    """What a trial ended with: the rule to follow, None for the one that decides now, and the evidence."""

    rule: str | None
    evidence: dict[str, Any]


def due(promotion: Promotion, since: int) -> bool:
    """Whether what decides since the ``since``-th alert is to be judged by the corrections; never if that is -1."""
    return since >= 0 and len(promotion.corrections) >= promotion.watch_at


def worse(promotion: Promotion, since: int, count: int) -> dict[str, Any] | None:
    """The evidence that what decides since then brought more corrections than what decided before; None if it did not.

    ``count``: recent alerts so far. Compared are the alerts since the change, and as many before it as can be looked
    back upon, from the first corrected one on: earlier, perhaps nobody looked.
    """
    start, numbers = since, [number for number in promotion.corrections.values() if number >= 0]
    first = max(start - KEPT, min(numbers, default=start))
    alerts_before, alerts = start - first, count - start
    before, after = sum(first <= number < start for number in numbers), sum(number >= start for number in numbers)
    promotion.watch_at = len(promotion.corrections) + (after if after >= WATCHED else WATCHED - after)
    if after < WATCHED or alerts_before <= 0:
        return None
    total, share = before + after, alerts / (alerts_before + alerts)
    over = after - total * share
    if over <= 0 or over * over < WORSE * WORSE * total * share * (1.0 - share):
        return None
    return {
        "corrections": after,
        "alerts": alerts,
        "rate": round(after / alerts, 4),
        "corrections_before": before,
        "alerts_before": alerts_before,
        "rate_before": round(before / alerts_before, 4),
    }


def step(promotion: Promotion, tuning: Tuning, labelled: Labelled, now: str, found: str) -> Outcome | None:
    """One piece of a trial, if one is due; its outcome if it ends with it.

    ``now``: the name of the policy that decides; ``found``: of the one the scope found by itself.
    """
    trial = promotion.trial
    if trial is None:
        given = len(promotion.corrections)
        if given < promotion.next_at:
            return None
        while promotion.next_at <= given:
            promotion.next_at *= 2
        trial = promotion.trial = Trial(tuning.recent.count, given, list(promotion.touched))
    if trial.todo:
        _label(trial, *labelled(trial.todo.pop()))
        return None
    outcome = _try(trial, tuning, now, found, promotion.demoted)
    if outcome is not None:
        promotion.trial = None
    return outcome


def _label(trial: Trial, root: str, noise: bool, alerts: list[tuple[int, int]]) -> None:
    if root in trial.roots:
        return
    trial.roots.append(root)
    since = max(0, trial.end - KEPT)
    held = [(number, code) for number, code in alerts if since <= number < trial.end]
    trial.numbers += [number for number, _ in held]
    trial.decided += [code for _, code in held]
    trial.groups += [0 if noise else len(trial.roots)] * len(held)


def _try(trial: Trial, tuning: Tuning, now: str, found: str, demoted: Sequence[str]) -> Outcome | None:
    """Play the next rule; the outcome after the last one."""
    groups = np.array(trial.groups, np.int64)
    true = (
        [group for group, count in enumerate(np.bincount(groups).tolist()) if group and count > 1]
        if trial.groups
        else []
    )
    if len(true) < GROUPS:
        return Outcome(None, {})
    weights = _weights(groups, true)
    at, codes, numbers = tuning.recent.numbered(trial.end)
    names = _names(tuning.recent, codes, now, found)
    if trial.tried < len(names):
        name = names[trial.tried]
        made = play(at, codes, tuning.recent.fields, name, tuning.families)
        places = np.searchsorted(numbers, np.array(trial.numbers, np.int64))
        values = jaccards(made[places], groups, true)
        if not trial.tried:  # with the lessons, which a rule by itself does not have
            lived = jaccards(np.array(trial.decided, np.int64), groups, true)
            trial.now = trial.best = max((lived, values), key=lambda found: _worth(found, weights))
        elif (name == found or name not in demoted) and _worth(values, weights) > _worth(trial.best, weights):
            trial.best, trial.rule = values, name
        trial.tried += 1
        return None
    better, was = _worth(trial.best, weights), _worth(trial.now, weights)
    share = certainty(trial.now, trial.best, weights) if trial.rule else 0.0
    evidence = {
        "corrections": trial.corrections,
        "groups": len(true),
        "alerts": len(trial.groups),
        "worth": round(better, 4),
        "was": round(was, 4),
        "better_in": share,
    }
    sure = trial.rule and better - was >= GAIN and share >= SURE
    return Outcome(trial.rule if sure else None, evidence)


def _names(recent: Recent, codes: NDArray[np.uint32], now: str, found: str) -> list[str]:
    """What decides now, what the scope found, and the portfolio."""
    keys = ["*"]
    for row, name in enumerate(recent.fields):
        if (
            not set(name) & set("~=+()*")
            and (codes[row] > 0).mean() >= PRESENT
            and codes[row].min() != codes[row].max()
        ):
            keys.append(name)
    return [now, found] + [f"learned({key}={silence}s)" for key in keys for silence in SILENCES]


def play(
    at: NDArray[np.float64], codes: NDArray[np.uint32], fields: Sequence[str], name: str, kin: Mapping[int, int]
) -> Ints:
    """The group (N,) of each alert under the rule of a policy; at (N,) s in the order of arrival, codes (ROWS, N).

    ``kin``: the families of the kinds that keep to themselves.
    """
    rule = policy(name)
    key = np.ones(len(at), np.int64)
    for part in rule.key:  # a field that was never seen is unknown to all
        if part == KIN:
            key = np.array([1 + kin.get(code, 0) for code in codes[SAME].tolist()], np.int64)
            continue
        key = codes[fields.index(part)].astype(np.int64) if part in fields else np.zeros(len(at), np.int64)
    if rule.limit.pace:
        return _relative(at, key, rule.limit)
    order = np.lexsort((at, key))
    sorted_key, sorted_at = key[order], at[order]
    begins = np.ones(len(at), bool)
    begins[1:] = (sorted_key[1:] != sorted_key[:-1]) | (sorted_at[1:] - sorted_at[:-1] > rule.limit.low)
    begins |= sorted_key == 0
    made = np.empty(len(at), np.int64)
    made[order] = np.cumsum(begins)
    return made


def _relative(at: NDArray[np.float64], key: Ints, limit: Limit) -> Ints:
    last: dict[int, list[float]] = {}  # key -> [first, last, count, group]
    made: list[int] = []
    groups = 0
    for time, code in zip(at.tolist(), key.tolist(), strict=True):
        one = last.get(code) if code else None
        if one is not None and time - one[1] <= limit.after(one[1] - one[0], int(one[2])):
            one[1] = max(time, one[1])
            one[2] += 1.0
            made.append(int(one[3]))
        else:
            groups += 1
            made.append(groups)
            if code:
                last[code] = [time, time, 1.0, groups]
    return np.array(made, np.int64)


def jaccards(made: Ints, groups: Ints, true: Sequence[int]) -> list[float]:
    """For each true group the best Jaccard index with a made one; both (N,), group 0 is noise."""
    _, made = np.unique(made, return_inverse=True)
    width = int(made.max()) + 1
    sizes, all_of = np.bincount(made), np.bincount(groups)
    pairs, both = np.unique(groups * width + made, return_counts=True)
    index = both / (all_of[pairs // width] + sizes[pairs % width] - both)
    best = np.zeros(len(all_of))
    np.maximum.at(best, pairs // width, index)
    found: list[float] = best[list(true)].tolist()
    return found


def _weights(groups: Ints, true: Sequence[int]) -> list[float]:
    found: list[float] = _WEIGHT[np.minimum(np.bincount(groups)[list(true)], KEPT)].tolist()
    return found


def _worth(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)


def certainty(now: Sequence[float], new: Sequence[float], weights: Sequence[float]) -> float:
    """The share of paired bootstrap samples of the groups in which ``new`` is worth more than ``now``."""
    count = len(weights)
    gains = np.array(weights) * (np.array(new) - np.array(now))
    draws = _mixed(np.arange(1, count * SAMPLES + 1, dtype=np.uint64)) % np.uint64(count)
    sums = np.add.reduce(gains[draws.astype(np.intp).reshape(count, SAMPLES)], 0)
    return int(np.count_nonzero(sums > 0)) / SAMPLES


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea and Flood, 2014): the same numbers everywhere."""
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
