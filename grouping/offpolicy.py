"""What another policy would have earned, from the decisions of the one that ran and the chance each had.

Of n logged decisions it takes arrays: ``target`` (n, K), the probability with which the other policy does each action
of the decision's set, 0 beyond it; ``chosen`` (n,), the place of the action that was done; ``propensity`` (n,), its
probability in the log; ``reward`` (n,) in [0, 1].

The estimators are the usual ones (Dudik, Langford & Li, "Doubly robust policy evaluation and learning", 2011; for the
self-normalised one Swaminathan & Joachims, 2015). What can be said of them depends on overlap: where the log never did
what the other policy would do, it holds no evidence. The interval of IPS tells: it grows to [0, 1] as overlap goes.

Nothing here decides: it is off the road, and its last digits may differ from machine to machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL = 0.95  # an interval covers the truth at least this often
FEW = 30  # an effective sample below this says little
HEAVY = 0.2  # of all weight on one decision: the estimate hangs on it
BETS = 0.9 * 0.5 ** np.arange(12)  # shares of the capital that are put on every decision, from bold to timid
HUGE, TINY = 1e9, 1e-9  # weighted rewards are capped at the one; means below the other count as none
ROUNDS = 1000  # bootstrap samples
AT_ONCE = 4_000_000  # numbers of them held in memory


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean reward per decision and its interval. ``value`` is None where the log says nothing at all."""

    value: float | None
    low: float
    high: float
    interval: str  # how low and high were found: "betting" or "bootstrap"


@dataclass(frozen=True, slots=True)
class Value:
    """What another policy is worth on the logged decisions, and how far to trust it."""

    decisions: int
    logged: float | None  # mean reward of what was done
    ips: Estimate
    snips: Estimate
    dr: Estimate
    effective: float  # sample size after weighting
    overlap: float  # mean weight: near 1 where the log could have done all that the other policy does
    warnings: tuple[str, ...]


def value(target: Floats, chosen: Ints, propensity: Floats, reward: Floats, kinds: Ints | None = None) -> Value:
    """All estimates at once. ``kinds`` (n, K) sorts actions into kinds for the reward model of DR; None: one kind.

    Raises ValueError for shapes and numbers that cannot be.
    """
    weight = weights(target, chosen, propensity)
    _check_rewards(weight, reward)
    model = kind_means(np.zeros(target.shape, np.int64) if kinds is None else kinds, chosen, reward)
    return Value(
        decisions=len(weight),
        logged=float(reward.mean()) if len(reward) else None,
        ips=ips(weight, reward),
        snips=snips(weight, reward),
        dr=dr(weight, reward, *modelled(target, chosen, model)),
        effective=effective(weight),
        overlap=float(weight.mean()) if len(weight) else 0.0,
        warnings=warnings(weight),
    )


def weights(target: Floats, chosen: Ints, propensity: Floats) -> Floats:
    """(n,) how much more often the other policy would have done what was done. Raises ValueError."""
    n = len(target)
    if target.ndim != 2 or chosen.shape != (n,) or propensity.shape != (n,):
        raise ValueError(f"expected (n, K), (n,), (n,), got {target.shape}, {chosen.shape}, {propensity.shape}")
    if not n:
        return np.zeros(0)
    if not ((propensity > 0) & (propensity <= 1 + 1e-9)).all():
        raise ValueError("a propensity is not in (0, 1]: what was done had some chance of being done")
    if not ((target >= 0).all() and (target.sum(1) <= 1 + 1e-6).all()):
        raise ValueError("a row of target is no distribution: expected numbers >= 0 that sum to at most 1")
    found: Floats = target[np.arange(n), chosen] / propensity
    return found


def _check_rewards(weight: Floats, reward: Floats) -> None:
    if reward.shape != weight.shape or not ((reward >= 0) & (reward <= 1)).all():
        raise ValueError(f"expected {len(weight)} rewards in [0, 1]; bring them into that range")


# -- estimators


def ips(weight: Floats, reward: Floats, level: float = LEVEL) -> Estimate:
    """Inverse propensity score: the mean of weight x reward. Unbiased where everything overlaps, else too low.

    The interval holds without overlap too, and for weights of any size: each end is a lower bound on a mean of
    numbers that are >= 0, of the reward for the one, of what is missing to 1 for the other. Value and interval are
    for rewards in [0, 1]; the value itself may leave that range.
    """
    miss = (1 - level) / 2
    low, high = lower_mean(weight * reward, miss), 1 - lower_mean(weight * (1 - reward), miss)
    found = float((weight * reward).mean()) if weight.any() else None
    return Estimate(found, min(low, high), max(low, high), "betting")


def snips(weight: Floats, reward: Floats, level: float = LEVEL) -> Estimate:
    """Self-normalised: the mean reward, weighted. Never outside of the rewards seen; biased, less so with more data.

    The interval is never narrower than that of a share in a sample of the effective size: resampled, rewards that were
    all the same would leave no doubt at all.
    """
    total = weight.sum()
    if not total:
        return Estimate(None, 0.0, 1.0, "bootstrap")
    low, high = _bootstrap(weight * reward, weight, level)
    found = float((weight * reward).sum() / total)
    ordered = np.sort(weight)  # the same sum whatever the order of the rows
    share = float(np.sort(weight * reward).sum() / ordered.sum())
    least, most = _wilson(min(max(share, 0.0), 1.0), effective(ordered), level)
    return Estimate(found, min(low, least), max(high, most), "bootstrap")


def dr(weight: Floats, reward: Floats, at_chosen: Floats, at_target: Floats, level: float = LEVEL) -> Estimate:
    """Doubly robust: a reward model, corrected by what it got wrong about the decisions in the log.

    ``at_chosen`` (n,): the reward that the model expects of what was done; ``at_target`` (n,): of what the other policy
    would do. Right if either the propensities or the model are; the model must not know the reward of its own row.
    """
    if not len(weight):
        return Estimate(None, 0.0, 1.0, "bootstrap")
    each = at_target + weight * (reward - at_chosen)
    low, high = _bootstrap(each, np.ones(len(each)), level)
    return Estimate(float(each.mean()), low, high, "bootstrap")


def modelled(target: Floats, chosen: Ints, model: Floats) -> tuple[Floats, Floats]:
    """What a reward model (n, K) expects of what was done, and of what the other policy would do."""
    return model[np.arange(len(model)), chosen], (target * model).sum(1)


def kind_means(kinds: Ints, chosen: Ints, reward: Floats) -> Floats:
    """A simple reward model (n, K): the mean reward of the other decisions where an action of that kind was done.

    ``kinds`` (n, K) are small numbers >= 0. A kind that was never done counts 1/2, which also stands in for one
    decision of every kind. Each row is left out of its own means, so DR stays unbiased.
    """
    if not len(kinds):
        return np.zeros(kinds.shape)
    own = kinds[np.arange(len(kinds)), chosen]
    many = int(kinds.max()) + 1
    sums, counts = np.bincount(own, reward, many) + 0.5, np.bincount(own, minlength=many) + 1.0
    mine = (kinds == own[:, None]).astype(np.float64)
    found: Floats = (sums[kinds] - mine * reward[:, None]) / (counts[kinds] - mine)
    return found


# -- how far to trust it


def effective(weight: Floats) -> float:
    """Kish's effective sample size: (sum of weights)^2 / sum of squares; n where all weigh the same, 0 without any."""
    top = weight.max(initial=0.0)
    if not top:
        return 0.0
    scaled = weight / top  # the squares of very large weights would overflow, those of very small ones vanish
    return float(scaled.sum() ** 2 / (scaled * scaled).sum())


def warnings(weight: Floats) -> tuple[str, ...]:
    """What a reader must know before trusting an estimate; empty when there is nothing."""
    if not weight.any():
        return ("no overlap: the log never did what the other policy would do",) if len(weight) else ("no decisions",)
    found, size = list[str](), effective(weight)
    if size < FEW:
        found.append(f"effective sample of {size:.1f} decisions out of {len(weight)}: too few to tell")
    if weight.max() > HEAVY * weight.sum() and len(weight) > 1 / HEAVY:
        found.append(f"one decision holds {weight.max() / weight.sum():.0%} of all weight")
    mean, error = float(weight.mean()), float(weight.std() / np.sqrt(len(weight)))
    if mean < 1 - 3 * error - 1e-9:
        found.append(f"mean weight {mean:.4g}, not 1: the log could not do all that the other policy would do")
    elif mean > 1 + 3 * error + 1e-9:
        found.append(f"mean weight {mean:.4g}, not 1: these are not the propensities of this log")
    return tuple(found)


# -- intervals


def lower_mean(x: Floats, miss: float) -> float:
    """A number in [0, 1] that the mean of x (n,), all >= 0, is at least, but with probability ``miss``. x may be huge.

    By betting (Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", 2024; for weighted
    rewards Karampatziakis, Mineiro & Ramdas, "Off-policy confidence sequences", 2021). Were the mean m, then whoever
    puts a share f of his capital on every row multiplies it by 1 + f (x / m - 1), which is fair: by Markov it exceeds
    1 / miss with probability miss at most. Fixed shares, averaged over a grid, keep this true for independent rows
    whose means differ (the logarithm is concave) and make it the same in any order. The capital falls as m grows: the
    bound is where it passes 1 / miss.
    """
    worth, count = np.unique(np.minimum(x, HUGE), return_counts=True)  # lower numbers, lower bound: it holds
    low, high = 0.0, min(1.0, float(worth[-1]) if len(worth) else 0.0)
    enough = -float(np.log(miss))
    if high < TINY or _capital(worth, count, high) >= enough:
        return 0.0 if high < TINY else high
    for _ in range(40):
        middle = max((low + high) / 2, TINY)
        if _capital(worth, count, middle) >= enough:
            low = middle
        else:
            high = middle
    return low


def _capital(worth: Floats, count: Ints, mean: float) -> float:
    """The logarithm of the capital that betting against ``mean`` has come to, averaged over the shares."""
    logs = np.log1p(BETS[:, None] * (worth / mean - 1)) @ count
    top = logs.max()
    return float(top + np.log(np.exp(logs - top).mean()))


def _wilson(mean: float, size: float, level: float) -> tuple[float, float]:
    """Of a share that is ``mean`` in a sample of ``size`` (Wilson, "Probable inference", 1927), within [0, 1]."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (mean + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * sqrt(mean * (1 - mean) / size + z * z / (4 * size * size))
    return max(0.0, middle - half), min(1.0, middle + half)


def _bootstrap(above: Floats, below: Floats, level: float) -> tuple[float, float]:
    """Percentiles of sum(above) / sum(below) over resampled rows (Efron, 1979), within [0, 1].

    An approximation: it knows no tail that it has not seen. The generator's seed is a hash of the rows, so the same
    rows give the same interval, in any order.
    """
    rows, count = np.unique(np.stack([above, below]), axis=1, return_counts=True)  # equal rows are drawn together
    n = len(above)
    digest = blake2b(rows.tobytes() + count.tobytes(), digest_size=8).digest()
    chance = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))
    found = list[Floats]()
    left, step = ROUNDS, max(1, AT_ONCE // len(count))
    while left:
        many = min(step, left)
        tops, sums = (chance.multinomial(n, count / n, many) @ rows.T).T
        found.append(tops[sums > 0] / sums[sums > 0])
        left -= many
    ends = np.quantile(np.concatenate(found), [(1 - level) / 2, (1 + level) / 2])
    low, high = np.clip(ends, 0.0, 1.0).tolist()
    return low, high
