"""What another policy is worth: right on logs whose truth is known, careful where the log says little."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from grouping import offpolicy
from grouping.offpolicy import LEVEL, dr, effective, ips, kind_means, lower_mean, snips, value, weights


class Log(NamedTuple):
    """A simulated log and the true value of the other policy on it."""

    target: np.ndarray
    chosen: np.ndarray
    propensity: np.ndarray
    reward: np.ndarray
    truth: float


def simulated(seed: int, n: int, explore: float, reach: float = 1.0, actions: int = 4) -> Log:
    """A log that takes one action but with chance ``explore`` another, and that only on a share ``reach`` of decisions.

    The other policy mostly takes the action with the highest expected reward.
    """
    chance = np.random.default_rng(seed)
    expected = chance.random((n, actions))
    usual = chance.integers(0, actions, n)
    logging = np.full((n, actions), explore / (actions - 1))
    logging[np.arange(n), usual] = 1 - explore
    alone = chance.random(n) >= reach
    logging[alone] = 0
    logging[alone, usual[alone]] = 1
    chosen = (logging.cumsum(1) > chance.random((n, 1))).argmax(1)
    target = np.full((n, actions), 0.2 / actions)
    target[np.arange(n), expected.argmax(1)] += 0.8
    reward = (chance.random(n) < expected[np.arange(n), chosen]).astype(float)
    return Log(target, chosen, logging[np.arange(n), chosen], reward, float((target * expected).sum(1).mean()))


def covered(found: offpolicy.Estimate, truth: float) -> bool:
    return found.low <= truth <= found.high


def at_least(hits: int, runs: int, level: float) -> bool:
    """Whether so many hits are what a level promises: not three standard deviations below it."""
    return hits / runs >= level - 3 * math.sqrt(level * (1 - level) / runs)


@pytest.mark.parametrize(
    ("n", "explore", "reach"), [(30, 0.5, 1.0), (300, 0.2, 1.0), (2000, 0.02, 1.0), (500, 0.3, 0.4), (300, 0.3, 0.0)]
)
def test_the_interval_of_ips_covers_the_truth(n, explore, reach):
    """As often as it claims, with few decisions, rare exploration, and where the log could do one thing only."""
    runs = 300
    logs = [simulated(seed, n, explore, reach) for seed in range(runs)]
    hits = sum(covered(ips(weights(*log[:3]), log.reward), log.truth) for log in logs)
    assert at_least(hits, runs, LEVEL)


def test_the_interval_of_ips_narrows():
    """It is no empty claim: with more decisions that overlap it closes in on the truth."""
    widths = []
    for n in (100, 1000, 10_000, 100_000):
        log = simulated(1, n, 0.5)
        found = ips(weights(*log[:3]), log.reward)
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.03


@pytest.mark.parametrize(("n", "explore"), [(600, 0.5), (1500, 0.3)])
def test_bootstrap_intervals_cover_the_truth_where_the_sample_is_large(n, explore):
    """With an effective sample above 100 they miss at most twice as often as they claim."""
    runs = 300
    values = [(value(*log[:4]), log.truth) for log in (simulated(seed, n, explore) for seed in range(runs))]
    assert min(found.effective for found, _ in values) > 100
    for name in ("snips", "dr"):
        assert at_least(sum(covered(getattr(found, name), truth) for found, truth in values), runs, 1 - 2 * (1 - LEVEL))


def test_the_estimates_find_the_truth():
    """All three, on one long log; DR and SNIPS with less scatter than IPS over many short ones."""
    log = simulated(7, 200_000, 0.5)
    found = value(*log[:4])
    for name in ("ips", "snips", "dr"):
        assert getattr(found, name).value == pytest.approx(log.truth, abs=0.01)
    assert found.overlap == pytest.approx(1, abs=0.01)
    assert found.warnings == ()
    errors = {"ips": 0.0, "snips": 0.0, "dr": 0.0}
    for seed in range(200):
        log = simulated(seed, 200, 0.3)
        found = value(*log[:4])
        for name in errors:
            errors[name] += (getattr(found, name).value - log.truth) ** 2
    assert errors["snips"] < errors["ips"]
    assert errors["dr"] < errors["ips"]


def test_a_good_model_helps():
    """DR with the true expectation is nearer to the truth than without."""
    chance, errors = np.random.default_rng(3), [0.0, 0.0]
    for _ in range(100):
        n = 200
        expected = np.array([0.1, 0.9])
        chosen = (chance.random(n) < 0.2).astype(np.int64)
        propensity = np.where(chosen == 1, 0.2, 0.8)
        reward = (chance.random(n) < expected[chosen]).astype(float)
        target = np.tile([0.1, 0.9], (n, 1))
        weight, truth = weights(target, chosen, propensity), 0.82
        known = dr(weight, reward, expected[chosen], target @ expected).value
        blind = dr(weight, reward, np.zeros(n), np.zeros(n)).value
        errors[0] += (known - truth) ** 2
        errors[1] += (blind - truth) ** 2
    assert errors[0] < errors[1] / 2


def test_small_numbers_by_hand():
    """Four decisions that one can work out."""
    target = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 1.0]])
    chosen, propensity = np.array([0, 1, 1, 0]), np.array([0.5, 0.25, 1.0, 0.5])
    reward = np.array([1.0, 0.5, 0.0, 1.0])
    weight = weights(target, chosen, propensity)
    assert weight.tolist() == [2.0, 4.0, 0.5, 0.0]
    assert ips(weight, reward).value == pytest.approx((2 + 2) / 4)
    assert snips(weight, reward).value == pytest.approx(4 / 6.5)
    assert effective(weight) == pytest.approx(6.5**2 / 20.25)
    # Kind 0 was done twice, with rewards 1 and 1; kind 1 twice, with 0.5 and 0; each is left out of its own mean.
    model = kind_means(np.array([[0, 1]] * 4), chosen, reward)
    assert model[0].tolist() == pytest.approx([(1 + 0.5) / 2, (0.5 + 0 + 0.5) / 3])
    assert model[1].tolist() == pytest.approx([(2 + 0.5) / 3, (0 + 0.5) / 2])


# -- laws

SIZES = st.integers(1, 30)
UNIT = st.floats(0, 1, allow_subnormal=False)


@st.composite
def rewards_and_weights(draw):
    n = draw(SIZES)
    weight = draw(arrays.arrays(float, n, elements=st.floats(0, 1e12)))
    return weight, draw(arrays.arrays(float, n, elements=UNIT))


@given(SIZES.flatmap(lambda n: arrays.arrays(float, n, elements=UNIT)), st.integers(1, 5), st.randoms())
def test_the_same_policy_is_worth_what_it_earned(reward, actions, chance):
    """With weights of one every estimate is the mean reward."""
    n = len(reward)
    pmf = np.array([[chance.random() + 0.01 for _ in range(actions)] for _ in range(n)])
    pmf /= pmf.sum(1, keepdims=True)
    chosen = np.array([chance.randrange(actions) for _ in range(n)])
    found = value(pmf, chosen, pmf[np.arange(n), chosen], reward)
    assert found.ips.value == found.snips.value == pytest.approx(found.logged)
    assert found.dr.value is not None
    assert found.effective == pytest.approx(n)
    assert found.overlap == pytest.approx(1)
    assert found.ips.low <= reward.mean() + 1e-9
    assert found.ips.high >= reward.mean() - 1e-9
    constant = np.full((n, actions), 0.3)
    assert dr(np.ones(n), reward, constant[:, 0], constant[:, 0]).value == pytest.approx(found.logged)


@given(rewards_and_weights())
def test_no_log_breaks_an_estimate(rows):
    """No weight at all, one that outweighs all others, very large and very small ones: numbers in their range."""
    weight, reward = rows
    for found in (ips(weight, reward), snips(weight, reward), dr(weight, reward, reward, reward)):
        assert 0 <= found.low <= found.high <= 1
        assert found.value is None or math.isfinite(found.value)
    assert 0 <= effective(weight) <= len(weight) * (1 + 1e-9)
    if weight.any():
        assert reward.min() - 1e-9 <= snips(weight, reward).value <= reward.max() + 1e-9
    else:
        assert (ips(weight, reward).value, snips(weight, reward).value) == (None, None)
        assert (ips(weight, reward).low, ips(weight, reward).high) == (0, 1)


@given(rewards_and_weights(), st.randoms())
def test_the_order_of_decisions_does_not_matter(rows, chance):
    """Shuffled rows give the same interval, drawn samples included."""
    weight, reward = rows
    order = list(range(len(weight)))
    chance.shuffle(order)
    assert ips(weight, reward).low == pytest.approx(ips(weight[order], reward[order]).low)
    first, second = snips(weight, reward), snips(weight[order], reward[order])
    assert (first.low, first.high) == (second.low, second.high)


@given(rewards_and_weights())
def test_more_reward_is_worth_more(rows):
    """The lower end never falls when a reward rises."""
    weight, reward = rows
    better = np.minimum(reward + 0.1, 1)
    assert ips(weight, better).low >= ips(weight, reward).low - 1e-9
    assert ips(weight, better).high >= ips(weight, reward).high - 1e-9


@given(arrays.arrays(float, st.integers(1, 40), elements=st.floats(0, 1e6)), st.sampled_from([0.001, 0.025, 0.2]))
def test_a_lower_bound_lies_below_the_mean_seen(x, miss):
    """Whoever bets against a mean above what was seen loses money: the bound cannot be there."""
    assert 0 <= lower_mean(x, miss) <= min(1, max(x.mean(), 0)) * (1 + 1e-6) + 1e-9


# -- what a reader is told


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (np.ones(0), "no decisions"),
        (np.zeros(50), "no overlap"),
        (np.ones(20), "effective sample of 20.0 decisions out of 20"),
        (np.append(np.ones(99), 99.0), "one decision holds 50% of all weight"),
        (np.append(np.ones(200), np.zeros(200)), "mean weight 0.5, not 1: the log could not do all"),
        (np.full(200, 1.5), "mean weight 1.5, not 1: these are not the propensities"),
    ],
)
def test_warnings(weight, said):
    """Each says what is wrong."""
    assert any(said in line for line in offpolicy.warnings(weight))


def test_no_warning_without_cause():
    assert offpolicy.warnings(np.ones(1000)) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"propensity": np.array([0.0, 1.0])}, "propensity"),
        ({"propensity": np.array([1.5, 1.0])}, "propensity"),
        ({"target": np.array([[0.7, 0.7], [1.0, 0.0]])}, "no distribution"),
        ({"target": np.array([[-0.1, 0.7], [1.0, 0.0]])}, "no distribution"),
        ({"chosen": np.array([0])}, "expected"),
        ({"reward": np.array([0.0, 2.0])}, "rewards"),
        ({"reward": np.array([0.0, math.nan])}, "rewards"),
    ],
)
def test_what_cannot_be_is_refused(change, said):
    """With a word on what was expected."""
    log = {
        "target": np.array([[1.0, 0.0], [0.0, 1.0]]),
        "chosen": np.array([0, 1]),
        "propensity": np.ones(2),
        "reward": np.ones(2),
    }
    assert value(**log).logged == 1
    with pytest.raises(ValueError, match=said):
        value(**log | change)


def test_an_empty_log_says_nothing():
    """No decision, no value, any value possible."""
    found = value(np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    assert (found.logged, found.ips.value, found.snips.value, found.dr.value) == (None, None, None, None)
    assert (found.ips.low, found.ips.high, found.effective, found.overlap) == (0, 1, 0, 0)
