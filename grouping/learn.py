"""What a scope learns from its stream alone, without any label: pace, what is usual, what is seen together.

Counts and means only. What responders teach is kept in memory.py and promotion.py.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from grouping import kernel
from grouping.featurise import Features
from grouping.recent import PAGE
from grouping.scope import CLOCK, COUNT_GENERATION, Doubt, Pace, Scope, Usual
from grouping.score import log2_table

REFRESH: Final = 256  # alerts between two looks at what is rare; early on they come at 1, 2, 4, 8 ... alerts
KINDS: Final = 1024  # pairs of kinds counted per generation; further ones wait for the next
FOREVER: Final = float("inf")
QUIET: Final = 31_536_000.0  # s; after a longer silence a scope begins anew: it tells nothing of the pace
_BITS: Final = log2_table(2 * COUNT_GENERATION + 2)


def tell_time(scope: Scope, at: float | None, reach: float) -> float:
    """Take the time of an alert in and return it; None stands for the scope's present.

    ``reach``: how far, s, a time may be from the scope's present before others have to agree with it.
    """
    if at is None:
        return clock(scope)
    times = scope.times
    times.append(at)
    if len(times) > CLOCK:
        del times[0]
    scope.unticked = min(scope.unticked + 1, CLOCK)
    if scope.unticked == CLOCK and _median(times) < scope.ticked - reach:
        scope.ticked = 0.0  # all alerts since the last tick were told at an earlier time: the tick was wrong
    if scope.doubts:
        _settle(scope, at, reach)
    return at


def clock(scope: Scope) -> float:
    """What time it is in a scope: the median of its last event times, but never before the last tick.

    So one wrong clock, or two, cannot move it.
    """
    times = scope.times
    return max(_median(times), scope.ticked) if times else scope.ticked


def _median(times: list[float]) -> float:
    return sorted(times)[(len(times) - 1) // 2]


def tick(scope: Scope, at: float) -> None:
    """Take in that it is now ``at``; five alerts that say it is earlier take it back, see tell_time."""
    scope.changed = True
    scope.ticked, scope.unticked = max(scope.ticked, at), 0


def _settle(scope: Scope, at: float, reach: float) -> None:
    """Believe the times ahead that the clock has followed; take back those that an alert of now does not agree with."""
    doubts, now = scope.doubts, clock(scope)
    while doubts and now >= doubts[0].at - reach:
        doubt = doubts.pop(0)
        if scope.tuning.recent.count <= CLOCK and doubt.at - doubt.pace.last_at > QUIET:  # the first ones were wrong
            _retime(scope, doubt.at - QUIET, FOREVER, doubt.at)
    rejected = False
    while doubts and now - reach <= at < doubts[-1].at - reach:
        scope.pace, rejected = doubts.pop().pace, True
    if rejected:
        _retime(scope, -FOREVER, at + reach, at)


def _retime(scope: Scope, since: float, until: float, at: float) -> None:
    """Let the recent alerts from before ``since`` and after ``until`` count as of ``at``: their times were wrong."""
    number = scope.tuning.recent.retime(since, until, at)
    if number >= 0:
        scope.tuning.ground = scope.tuning.work = scope.promotion.ground = None
        scope.pages_written = min(scope.pages_written, number // PAGE)
        scope.usual_changed = True


def bits(usual: Usual) -> NDArray[np.float32]:
    """How rare every feature is in this scope, as of the last refresh, in units of 16 bits; what is absent weighs 0.

    log2((1 + alerts) / (1 + alerts with the feature)): Sparck Jones's idf (1972), over decayed counts.
    """
    if usual.bits is None:
        usual.bits = (_BITS[usual.total] - _BITS.take(usual.seen)) * np.float32(1 / 16)
        usual.bits[0] = 0.0
    return usual.bits


def together(usual: Usual, kind: int, kinds: list[int]) -> list[float]:
    """How often alerts of ``kind`` stand next to each of ``kinds`` in the stream: of the rarer one's, the share."""
    compiled = kernel.compiled
    if compiled is not None:
        return compiled.together(*usual.together, *usual.kind, kind, kinds)
    (now, before), (all_now, all_before) = usual.together, usual.kind
    own = all_now.get(kind, 0) + (all_before.get(kind, 0) >> 1)
    shares: list[float] = []
    for other in kinds:
        pair = kind * other
        both = now.get(pair, 0) + (before.get(pair, 0) >> 1)
        if both:
            theirs = all_now.get(other, 0) + (all_before.get(other, 0) >> 1)
            shares.append(both / (4.0 + (own if own < theirs else theirs)))
        else:
            shares.append(0.0)
    return shares


def meetings(usual: Usual, kind: int, other: int) -> tuple[int, int]:
    """How often alerts of two kinds stood next to each other, and how often the rarer of them was seen."""
    (now, before), (all_now, all_before) = usual.together, usual.kind
    pair = kind * other
    seen = [all_now.get(one, 0) + (all_before.get(one, 0) >> 1) for one in (kind, other)]
    return now.get(pair, 0) + (before.get(pair, 0) >> 1), min(seen)


def observe(scope: Scope, at: float, features: Features, reach: float) -> float:
    """Count one new alert; the time at which it counts.

    That is its own, or the scope's present where its own is more than ``reach`` s behind that. One that is so far ahead
    counts until an alert after it says that it is earlier.
    """
    now, pace = clock(scope), scope.pace
    if at < now - reach:
        at = now
    elif pace.last_at > at + reach:  # the clock was wrong, and has gone back
        pace.last_at = at
        _retime(scope, -FOREVER, at + reach, at)
    else:
        if at > now + reach:
            scope.doubts.append(Doubt(at, Pace(pace.count, pace.fast, pace.mean, pace.slow, pace.last_at)))
        _pace(pace, at)
    _count_features(scope, features)
    return at


def _count_features(scope: Scope, features: Features) -> None:
    usual = scope.usual
    alerts = usual.alerts
    if alerts[0] >= COUNT_GENERATION:
        _turn(usual)
    alerts[0] += 1
    usual.uncounted.append(features.usual)
    if alerts[0] % REFRESH == 0 or (not alerts[1] and alerts[0] & (alerts[0] - 1) == 0):
        _refresh(usual)
    kind, last = features.kind, usual.last_kind
    _count(usual.kind[0], kind)
    if last and last != kind:
        _count(usual.together[0], kind * last)
    usual.last_kind = kind
    scope.usual_changed = True


def _count(counts: dict[int, int], key: int) -> None:
    known = counts.get(key)
    if known is not None or len(counts) < KINDS:
        counts[key] = (known or 0) + 1


def _turn(usual: Usual) -> None:
    """A generation is full: it becomes the past."""
    count_up(usual)
    usual.alerts[:] = 0, usual.alerts[0]
    usual.feature[1] = usual.feature[0]
    usual.feature[0] = 0
    usual.kind = [{}, usual.kind[0]]
    usual.together = [{}, usual.together[0]]


def count_up(usual: Usual) -> None:
    """Count the features of the alerts since the last time: many at once is cheaper, and the sum is the same."""
    if usual.uncounted:
        fresh = np.bincount(np.concatenate(usual.uncounted), minlength=len(usual.seen))
        fresh[0] = 0  # stands for what an alert does not have
        usual.feature[0] = np.minimum(usual.feature[0] + fresh, COUNT_GENERATION)
        usual.uncounted = []


def _refresh(usual: Usual) -> None:
    count_up(usual)
    usual.seen = usual.feature[0] + (usual.feature[1] >> 1)
    usual.total = usual.alerts[0] + (usual.alerts[1] >> 1)
    usual.bits = None


def _pace(pace: Pace, at: float) -> None:
    count, gap = pace.count, at - pace.last_at
    if gap > QUIET and count:
        pace.last_at = at
        return
    if count:
        if gap < 0.0:
            gap = 0.0
        pace.fast += (gap - pace.fast) / (count if count < 16 else 16)
        pace.mean += (gap - pace.mean) / (count if count < 64 else 64)
        pace.slow += (gap - pace.slow) / (count if count < 1024 else 1024)
    pace.count = count + 1
    if at > pace.last_at:
        pace.last_at = at
