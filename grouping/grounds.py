"""What a change of what decides stands on: the corrections of people, and whether they are reason enough for it.

A rule is better if it is worth more by 0.1 and, over 200 paired bootstrap samples of the groups (Efron, 1979), is better in
98 % of them. Corrections are too many by the conditional test of two Poisson rates (Przyborowski and Wilenski, 1940), in its
normal approximation. Where several people give feedback, nobody alone changes what decides: without whoever gave most of
it, what the others said must point the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FIRST = 10  # corrections before the first trial; then twice as many each time
GROUPS = 8  # true groups needed
GAIN, SURE, SAMPLES = 0.1, 0.98, 200
WATCHED = 8  # corrections of what a new rule decided, before it is judged; then twice as many each time
WORSE = 2.33  # standard deviations by which they have to be too many: 99 %


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


def stands(change: Change, doubted: frozenset[str | None]) -> bool:
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
    return too_many(earlier, later, change.alerts_before, change.alerts)


def too_many(earlier: list[str | None], later: list[str | None], alerts_before: int, alerts: int) -> bool:
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
    gain = worth(best, weights) - worth(now, weights)
    if gain < GAIN or certainty(now, best, weights) < SURE:
        return False
    most = _most(
        [(actor, weight) for weight, actors in zip(weights, by, strict=True) for actor in dict.fromkeys(actors)]
    )
    others = [place for place, actors in enumerate(by) if any(actor != most for actor in actors)]
    if len(others) < GROUPS // 2:
        return True
    values = [[column[place] for place in others] for column in (now, best, weights)]
    return worth(values[1], values[2]) > worth(values[0], values[2])


def _most(counted: list[tuple[str | None, float]]) -> str | None:
    """Who has most."""
    sums: dict[str | None, float] = {}
    for actor, weight in counted:
        sums[actor] = sums.get(actor, 0.0) + weight
    return max(sums, key=lambda actor: sums[actor], default=None)


def worth(values: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted mean of the groups' Jaccard indices."""
    return sum((weight * value for weight, value in zip(weights, values, strict=True)), 0.0) / sum(weights)


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
