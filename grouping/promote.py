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

Feedback of those who are not believed does not count here either. Where several people give feedback, nobody alone changes
what decides: without whoever gave most of it, what the others said must point the same way. And each change notes what it
stood on: when so much of that is undone, or believed no longer, that the change would not have come, it is taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping import kernel
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
CORRECTIONS = 4096  # remembered one by one; the oldest of whoever gave most are only counted then
CHANGES = 8  # of what decides, remembered with what they stand on
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
    asked: list[list[str]]  # the feedback about each of them
    actors: dict[str, str | None]  # who gave it
    roots: list[str] = field(default_factory=list)  # those looked at
    numbers: list[int] = field(default_factory=list)  # of the alerts with a known group
    groups: list[int] = field(default_factory=list)  # place of the root + 1; 0 for noise
    decided: list[int] = field(default_factory=list)  # code of the incident that each was decided into
    about: list[list[str]] = field(default_factory=list)  # feedback, per root
    tried: int = 0  # rules
    now: list[float] = field(default_factory=list)  # the Jaccard index of each group, the way it goes now
    best: list[float] = field(default_factory=list)
    rule: str = ""


class Ground(NamedTuple):
    """What a trial plays its rules on: N alerts in the order in which they came, M of which have a known group."""

    of: Trial
    asked: tuple[str, str]  # names of the policy that decides, and of the one the scope found
    at: NDArray[np.float64]  # (N,) s
    codes: NDArray[np.uint32]  # (ROWS, N)
    names: list[str]  # of the policies to try
    places: NDArray[np.intp]  # (M,)
    groups: Ints  # (M,)
    true: list[int]  # groups of two or more alerts
    weights: list[float]  # theirs
    known: dict[tuple[str, ...], Sorted]  # see play


@dataclass(slots=True)
class Change:
    """A change of what decides by corrections: what stood before it, and the feedback that it stands on.

    ``actors``: who gave that feedback; what was undone is in it no longer. A promotion has ``groups``: the feedback about
    each true group, its weight and its Jaccard indices ``now`` and at ``best``. Otherwise people objected: by more
    ``corrections`` of the ``alerts`` since the change before than ``earlier`` ones of the ``alerts_before``.
    """

    actors: dict[str, str | None]
    corrections: list[str]
    groups: list[list[str]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    now: list[float] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)
    alerts: int = 0
    alerts_before: int = 0
    given: int = 0  # feedback that it stood on
    rule: str = ""  # of Promotion before it, as are these
    before: str = ""
    since: int = 0
    demoted: list[str] = field(default_factory=list)
    found: str = ""  # the rule that the scope had found, where that went; with its families, and since when it decided
    families: list[list[int]] = field(default_factory=list)
    found_since: int = -1


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
    wait: int = WATCHED  # corrections that count until it is judged next ...
    demoted: list[str] = field(default_factory=list)
    watched: int = 0  # ... after that many were given in all
    actors: dict[str, str | None] = field(default_factory=dict)  # who gave the feedback above
    changes: list[Change] = field(default_factory=list)  # oldest first
    gone: int = 0  # corrections that counted and are only counted by now ...
    gone_then: int = 0  # ... of those given when it was judged last
    known_from: int = 0  # number of the alert from which on all corrections are remembered
    # Follow from the rest, and from whom the scope believes; not part of the state:
    doubted: frozenset[str | None] = frozenset()  # actors whose feedback does not count
    counted: int = 0  # corrections that count
    counted_then: int = 0  # of those given when it was judged last
    ground: Ground | None = field(default=None, compare=False)  # of the trial

    def promote(self, rule: str, number: int, stands_on: Change | None = None) -> None:
        """Let a rule decide from that alert on, "" for what the scope found."""
        self._note(stands_on)
        self.before, self.rule, self.since = self.rule, rule, number
        self.watch()

    def demote(self, number: int, stands_on: Change | None = None) -> None:
        """Go back to what decided before, from that alert on."""
        self._note(stands_on)
        self.demoted = [*self.demoted, self.rule][-DEMOTED:]
        self.rule, self.before, self.since = "" if self.before in self.demoted else self.before, "", number
        self.watch()

    def drop(self, rule: str, families: Mapping[int, int], since: int, stands_on: Change) -> None:
        """Note that the rule which the scope had found goes, and what that stands on."""
        stands_on.found, stands_on.found_since = rule, since
        stands_on.families = [list(pair) for pair in families.items()]
        self._note(stands_on)

    def _note(self, change: Change | None) -> None:
        if change is None:
            return
        change.rule, change.before, change.since, change.demoted = self.rule, self.before, self.since, self.demoted
        change.given = len(change.actors)
        self.changes = [*self.changes, change][-CHANGES:]

    def fallen(self) -> Change | None:
        """The first change that what still stands would not have brought: it and all after it are taken back."""
        place = next((place for place, one in enumerate(self.changes) if not _stands(one, self.doubted)), None)
        if place is None:
            return None
        change = self.changes[place]
        del self.changes[place:]
        self.rule, self.before, self.since, self.demoted = change.rule, change.before, change.since, change.demoted
        self.watch()
        self.trial = self.ground = None
        self.next_at = FIRST  # what is left may speak for another rule: it is tried at once
        while 2 * self.next_at <= self.counted:
            self.next_at *= 2
        return change

    def watch(self) -> None:
        """What decides has changed: it is judged after some corrections more."""
        self.watch_on(WATCHED)

    def watch_on(self, wait: int) -> None:
        """It is judged after so many corrections more."""
        self.wait, self.watched, self.counted_then = wait, len(self.corrections), self.counted
        self.gone_then = self.gone

    def touch(
        self, feedback: str, incidents: Sequence[str], corrects: bool, number: int = -1, actor: str | None = None
    ) -> None:
        """A responder looked at these incidents, and may have corrected what became of the ``number``-th alert."""
        self.actors[feedback] = actor
        for id in incidents:
            self.touched[id] = [*self.touched.pop(id, []), feedback]
        while len(self.touched) > INCIDENTS:
            self._drop(self._oldest())
        if corrects:
            self.corrections[feedback] = number
            self.counted += actor not in self.doubted
            if len(self.corrections) > CORRECTIONS:
                self._only_count()
        self._tidy([feedback])

    def _only_count(self) -> None:
        """Forget the oldest correction of whoever gave most, but for that there was one."""
        actors = [self.actors[feedback] for feedback in self.corrections]
        count = Counter(actors)
        most = max(count.values())
        place = next(place for place, actor in enumerate(actors) if count[actor] == most)
        feedback = list(self.corrections)[place]
        self.known_from = max(self.known_from, self.corrections.pop(feedback) + 1)
        early = place < self.watched
        self.watched -= early
        if actors[place] not in self.doubted:
            self.gone += 1
            self.gone_then += early
        self._tidy([feedback])

    def _oldest(self) -> str:
        """The incident touched longest ago by whoever touched most of them last: nobody is crowded out."""
        last = {id: self.actors[given[-1]] for id, given in self.touched.items()}
        count: dict[str | None, int] = {}
        for actor in last.values():
            count[actor] = count.get(actor, 0) + 1
        most = max(count.values())
        return next(id for id, actor in last.items() if count[actor] == most)

    def _drop(self, incident: str) -> None:
        self._tidy(self.touched.pop(incident))

    def _tidy(self, feedback: Sequence[str]) -> None:
        """Forget who gave feedback that nothing rests on any more."""
        for one in feedback:
            if one not in self.corrections and not any(one in given for given in self.touched.values()):
                self.actors.pop(one, None)

    def untouch(self, feedback: str) -> bool:
        """As if that feedback had never been given. Whether a change of what decides stood on it."""
        stood = False
        for change in self.changes:
            if feedback in change.actors:
                del change.actors[feedback]
                stood = True
        if feedback not in self.actors:
            return stood
        if feedback in self.corrections:
            self.watched -= feedback in islice(self.corrections, self.watched)
            del self.corrections[feedback]
            self._recount()
        for id, given in list(self.touched.items()):
            if feedback in given:
                given.remove(feedback)
                if not given:
                    del self.touched[id]
        del self.actors[feedback]
        self._in_order()
        if self.trial is None or feedback in self.trial.actors or self.next_at // 2 > self.counted:
            self._begin_again()
        return stood

    def _in_order(self) -> None:
        """Put the incidents in the order in which the feedback was given that touched each last."""
        place = {feedback: number for number, feedback in enumerate(self.actors)}
        self.touched = dict(sorted(self.touched.items(), key=lambda item: place[item[1][-1]]))

    def believe(self, doubted: frozenset[str | None]) -> bool:
        """Leave the feedback of these out from now on, and that of nobody else. Whether that changes anything."""
        if doubted == self.doubted:
            return False
        self.restored(doubted)
        self._begin_again()
        return True

    def restored(self, doubted: frozenset[str | None]) -> None:
        """What follows from the rest and from whom the scope believes, after it was read or has changed."""
        self.doubted = doubted
        self._recount()

    def _recount(self) -> None:
        counts = [self.actors[feedback] not in self.doubted for feedback in self.corrections]
        self.counted, self.counted_then = self.gone + sum(counts), self.gone_then + sum(counts[: self.watched])

    def _begin_again(self) -> None:
        """What counts has changed: a trial that goes on is begun anew, and one for which too little is left is to come."""
        half = self.next_at // 2
        if self.trial is not None and FIRST <= half <= self.counted:
            self.next_at = half
        self.trial = self.ground = None
        while self.next_at > FIRST and self.next_at // 2 > self.counted:
            self.next_at //= 2

    def knows(self, feedback: str) -> bool:
        """Whether something still rests on that feedback."""
        return feedback in self.actors or any(feedback in change.actors for change in self.changes)

    def lose(self, incidents: Sequence[str]) -> bool:
        """These incidents are gone, and nothing can be said of them any more. Whether that changes anything."""
        known = [id for id in incidents if id in self.touched]
        for id in known:
            self._drop(id)
        todo = self.trial.todo if self.trial is not None else []
        asked = [id for id in incidents if id in todo]
        for id in asked:
            place = todo.index(id)
            del todo[place]
            if self.trial is not None:
                del self.trial.asked[place]
        return bool(known or asked)


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
    if not _stands(grounds, doubted):
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


def _stands(change: Change, doubted: frozenset[str | None]) -> bool:
    """Whether the feedback that stands, by those who are believed, is reason enough for a change."""
    actors = {id: actor for id, actor in change.actors.items() if actor not in doubted}
    if change.groups:
        kept = [place for place, about in enumerate(change.groups) if any(id in actors for id in about)]
        if len(kept) < GROUPS or sum(id in actors for id in change.corrections) < FIRST:
            return False
        values = [[column[place] for place in kept] for column in (change.now, change.best, change.weights)]
        by = [[actors[id] for id in change.groups[place] if id in actors] for place in kept]
        return _better(values[0], values[1], values[2], by)
    earlier, later = ([actors[id] for id in ids if id in actors] for ids in (change.earlier, change.corrections))
    return _too_many(earlier, later, change.alerts_before, change.alerts)


def _too_many(earlier: list[str | None], later: list[str | None], alerts_before: int, alerts: int) -> bool:
    """Whether ``later`` corrections, each by whom, are clearly too many; also without whoever gave most of them."""
    if len(later) < WATCHED or alerts_before <= 0:
        return False
    total, share = len(earlier) + len(later), alerts / (alerts_before + alerts)
    over = len(later) - total * share
    if over <= 0 or over * over < WORSE * WORSE * total * share * (1.0 - share):
        return False
    most = _most([(actor, 1.0) for actor in earlier + later])
    others = [actor != most for actor in later]
    total = sum(others) + sum(actor != most for actor in earlier)
    return total < WATCHED or sum(others) > total * share


def _better(now: list[float], best: list[float], weights: list[float], by: list[list[str | None]]) -> bool:
    """Whether ``best`` is worth clearly more than ``now``, and not less without whoever touched most of the groups."""
    gain = _worth(best, weights) - _worth(now, weights)
    if gain < GAIN or certainty(now, best, weights) < SURE:
        return False
    most = _most(
        [(actor, weight) for weight, actors in zip(weights, by, strict=True) for actor in dict.fromkeys(actors)]
    )
    others = [place for place, actors in enumerate(by) if any(actor != most for actor in actors)]
    if len(others) < GROUPS // 2:
        return True
    values = [[column[place] for place in others] for column in (now, best, weights)]
    return _worth(values[1], values[2]) > _worth(values[0], values[2])


def _most(counted: list[tuple[str | None, float]]) -> str | None:
    """Who has most."""
    sums: dict[str | None, float] = {}
    for actor, weight in counted:
        sums[actor] = sums.get(actor, 0.0) + weight
    return max(sums, key=lambda actor: sums[actor], default=None)


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
            trial.now = trial.best = max((lived, values), key=lambda found: _worth(found, weights))
        elif (name == found or name not in promotion.demoted) and _worth(values, weights) > _worth(trial.best, weights):
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
    grounds = _grounds(trial, promotion, true, weights)
    sure = trial.rule and _stands(grounds, promotion.doubted)
    return Outcome(trial.rule if sure else None, evidence, grounds)


def _ground(trial: Trial, tuning: Tuning, now: str, found: str) -> Ground:
    groups = np.array(trial.groups, np.int64)
    counts = np.bincount(groups).tolist() if trial.groups else []
    true = [group for group, count in enumerate(counts) if group and count > 1]
    at, codes, numbers = tuning.recent.numbered(trial.end)
    places = np.searchsorted(numbers, np.array(trial.numbers, np.int64))
    names = _names(tuning.recent, codes, now, found)
    weights = _weights(groups, true) if true else []
    return Ground(trial, (now, found), at, codes, names, places, groups, true, weights, {})


def _grounds(trial: Trial, promotion: Promotion, true: list[int], weights: list[float]) -> Change:
    """What a trial's outcome stands on."""
    actors, corrections = promotion.actors, list(promotion.corrections)[-INCIDENTS:]
    by = {id: actors[id] for id in corrections} | trial.actors
    groups = [trial.about[group - 1] for group in true]
    return Change(by, corrections, groups, weights, trial.now, trial.best)


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


class Sorted(NamedTuple):
    """N alerts by key and time, once for all silences of a key."""

    order: NDArray[np.intp]  # (N,) their places in the order of arrival
    apart: NDArray[np.bool_]  # (N,) another key than the one before, or unknown
    silence: NDArray[np.float64]  # (N,) s since the one before


def play(
    at: NDArray[np.float64],
    codes: NDArray[np.uint32],
    fields: Sequence[str],
    name: str,
    kin: Mapping[int, int],
    known: dict[tuple[str, ...], Sorted],
) -> Ints:
    """The group (N,) of each alert under the rule of a policy; at (N,) s in the order of arrival, codes (ROWS, N).

    ``kin``: the families of the kinds that keep to themselves. ``known`` keeps what the rule before was played on.
    """
    rule = policy(name)
    if rule.limit.pace:
        return paced(at, _keys(rule.key, at, codes, fields, kin), rule.limit)
    found = known.get(rule.key)
    if found is None:
        known.clear()
        found = known[rule.key] = _sorted(at, _keys(rule.key, at, codes, fields, kin))
    made = np.empty(len(at), np.int64)
    made[found.order] = np.cumsum(found.apart | (found.silence > rule.limit.low))
    return made


def _keys(
    parts: tuple[str, ...],
    at: NDArray[np.float64],
    codes: NDArray[np.uint32],
    fields: Sequence[str],
    kin: Mapping[int, int],
) -> Ints:
    """The value (N,) of the key of each alert, 0 = unknown."""
    key = np.ones(len(at), np.int64)
    for part in parts:  # a field that was never seen is unknown to all
        if part == KIN:
            key = np.array([1 + kin.get(code, 0) for code in codes[SAME].tolist()], np.int64)
            continue
        key = codes[fields.index(part)].astype(np.int64) if part in fields else np.zeros(len(at), np.int64)
    return key


def _sorted(at: NDArray[np.float64], key: Ints) -> Sorted:
    order = np.lexsort((at, key))
    key, at = key[order], at[order]
    apart = np.ones(len(at), bool)
    apart[1:] = (key[1:] != key[:-1]) | (key[1:] == 0)
    silence = np.zeros(len(at))
    silence[1:] = at[1:] - at[:-1]
    return Sorted(order, apart, silence)


def paced(at: NDArray[np.float64], key: Ints, limit: Limit) -> Ints:
    """The group (N,) of each alert where a group's own pace says how long a silence it survives; key (N,), 0 = unknown."""
    if kernel.compiled is not None:
        dense = np.unique(np.append(key, 0), return_inverse=True)[1][:-1].astype(np.int64)  # 0 is the smallest
        out = np.empty(len(at), np.int64)
        kernel.compiled.paced(out, at, dense, *limit)
        return out
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
