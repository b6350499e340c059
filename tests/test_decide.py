"""From scores to one action: probabilities are probabilities, and the draw keeps to them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.decide import GAMMA, NEAR, distribution, pick, runner

SCORE = st.floats(-1e6, 1e6) | st.floats(0, 2 * NEAR) | st.sampled_from([0.0, NEAR, -NEAR])
SCORES = st.lists(SCORE, min_size=1, max_size=17)
EXPLORE = st.floats(0, 0.5, allow_subnormal=False)


def probabilities(scores: list[float], explore: float) -> tuple[list[float], int]:
    """The whole distribution, also where the best has all of it, and the best."""
    pmf, best, _ = distribution(scores, explore)
    return ([float(index == best) for index in range(len(scores))] if pmf is None else pmf), best


# -- the distribution


@pytest.mark.parametrize(
    ("scores", "explore", "expected"),
    [
        ([1.0], 0.5, [1.0]),
        ([1.0, 3.0, 2.0], 0.5, [0.0, 1.0, 0.0]),  # none is near
        ([1.0, 1.0], 0.5, [0.5, 0.5]),
        ([1.0, 1.0], 0.02, [0.98, 0.02]),
        ([1.0, 1.0, 1.0], 0.02, [0.98, 0.01, 0.01]),
        ([1.0, 1.0, 0.0], 0.02, [0.98, 0.02, 0.0]),
        ([0.0, 0.05], 0.5, [1 / 3, 2 / 3]),  # 1 / (2 + 20 x 0.05)
        ([1.0, 1.0], 0.0, [1.0, 0.0]),
    ],
)
def test_small_distributions(scores: list[float], explore: float, expected: list[float]) -> None:
    assert probabilities(scores, explore)[0] == pytest.approx(expected)


@given(SCORES, EXPLORE)
def test_probabilities_are_a_distribution(scores: list[float], explore: float) -> None:
    """One per action, none below zero, one together."""
    pmf, _ = probabilities(scores, explore)
    assert len(pmf) == len(scores)
    assert all(0 <= probability <= 1 for probability in pmf)
    assert sum(pmf) == pytest.approx(1, abs=1e-12)


@given(SCORES, EXPLORE)
def test_the_best_is_the_first_of_the_highest_and_no_other_is_likelier(scores: list[float], explore: float) -> None:
    pmf, best = probabilities(scores, explore)
    assert best == scores.index(max(scores))
    assert pmf[best] >= max(pmf) - 1e-12


@given(SCORES, EXPLORE)
def test_the_next_best_comes_with_the_best(scores: list[float], explore: float) -> None:
    """-1 where there is nothing else to do."""
    _, best, second = distribution(scores, explore)
    assert second == (runner(scores, best) if len(scores) > 1 else -1)


@given(SCORES, EXPLORE)
def test_exploring_costs_at_most_its_share(scores: list[float], explore: float) -> None:
    """And only among scores nearly as good as the best."""
    pmf, best = probabilities(scores, explore)
    others = [
        (score, probability)
        for index, (score, probability) in enumerate(zip(scores, pmf, strict=True))
        if index != best
    ]
    assert sum(probability for _, probability in others) <= explore * (1 + 1e-12)
    assert all(score >= scores[best] - NEAR for score, probability in others if probability > 0)


@given(SCORES)
def test_without_exploring_the_best_is_certain(scores: list[float]) -> None:
    pmf, best = probabilities(scores, 0.0)
    assert pmf[best] == 1.0
    assert sum(pmf) == 1.0


@given(st.lists(st.floats(0, NEAR), min_size=2, max_size=16), st.floats(0.001, 0.5))
def test_a_better_score_is_never_less_likely(scores: list[float], explore: float) -> None:
    pmf, _ = probabilities(scores, explore)
    ranked = sorted(zip(scores, pmf, strict=True))
    assert all(low[1] <= high[1] + 1e-12 for low, high in pairwise(ranked) if low[0] < high[0])


@given(st.lists(st.floats(0, NEAR), min_size=1, max_size=16))
def test_square_cb(gaps: list[float]) -> None:
    """With room enough, each near tie has 1 / (K + gamma x gap), as Foster & Rakhlin have it."""
    scores = [1.0, *(1.0 - gap for gap in gaps)]
    near = [score for score in scores[1:] if score >= 1.0 - NEAR]
    wanted = [1 / (1 + len(near) + GAMMA * (1.0 - score)) for score in near]
    pmf, _ = probabilities(scores, 1.0)
    assert sorted(pmf[1:])[len(gaps) - len(near) :] == pytest.approx(sorted(wanted))


# -- the draw

WEIGHTS = st.lists(st.integers(0, 20), min_size=1, max_size=8).filter(any)


def normal(weights: list[int]) -> list[float]:
    return [weight / sum(weights) for weight in weights]


@given(WEIGHTS, st.floats(0, 1, exclude_max=True))
def test_what_has_no_probability_is_never_picked(weights: list[int], uniform: float) -> None:
    pmf = normal(weights)
    assert pmf[pick(pmf, uniform)] > 0


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-53])
def test_what_rounding_leaves_goes_to_the_last_that_has_any(uniform: float) -> None:
    """Ten tenths are less than one as doubles."""
    assert pick([0.1] * 10 + [0.0], uniform) == int(uniform * 10)


@given(WEIGHTS)
def test_the_draw_keeps_to_the_probabilities(weights: list[int]) -> None:
    """Over an even grid of numbers each action is picked as often as its probability says, but for the grid's edges."""
    pmf, grid = normal(weights), 1000
    picked = [pick(pmf, (step + 0.5) / grid) for step in range(grid)]
    assert all(
        abs(picked.count(action) / grid - probability) <= 1 / grid + 1e-9 for action, probability in enumerate(pmf)
    )
    assert picked == sorted(picked)


# -- the runner-up


@given(st.lists(SCORE, min_size=2, max_size=17), st.data())
def test_the_runner_up_is_the_best_of_the_others(scores: list[float], data: st.DataObject) -> None:
    """Of equals the first; the scores stay as they were."""
    chosen = data.draw(st.integers(0, len(scores) - 1))
    before = list(scores)
    others = [index for index in range(len(scores)) if index != chosen]
    assert runner(scores, chosen) == max(others, key=lambda index: (scores[index], -index))
    assert scores == before
