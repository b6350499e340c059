"""From scores to one action: the whole distribution first, then the draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

NEAR: Final = 0.1  # scores this close are a near tie: only there is anything explored
GAMMA: Final = 20.0  # of SquareCB: how fast the probability falls with the gap


def distribution(scores: list[float], explore: float) -> tuple[list[float] | None, int, int]:
    """The probability of each action, None where the best has all of it; which is the best, and which the next best.

    Of equals the first; the next best is -1 where there is one action only.

    SquareCB (Foster & Rakhlin, 2020) among the near ties: 1 / (K + gamma x gap) for K actions, the best takes what is
    left, all others have zero. The near ties but the best together have at most ``explore``.
    """
    best, second = _two_best(scores)
    top = scores[best]
    edge = top - NEAR
    if explore <= 0.0 or second < 0 or scores[second] < edge:
        return None, best, second
    near = [index for index, score in enumerate(scores) if score >= edge and index != best]
    pmf = [0.0] * len(scores)
    for index in near:
        pmf[index] = 1.0 / (len(near) + 1 + GAMMA * (top - scores[index]))
    scale = min(1.0, explore / sum(pmf))
    for index in near:
        pmf[index] *= scale
    pmf[best] = 1.0 - sum(pmf)
    return pmf, best, second


def _two_best(scores: list[float]) -> tuple[int, int]:
    """The best action and the next best, of equals the first; -1 for one that is not there."""
    best, second = 0, -1
    top, next_ = scores[0], -math.inf
    for index in range(1, len(scores)):
        score = scores[index]
        if score > top:
            best, top, second, next_ = index, score, best, top
        elif second < 0 or score > next_:
            second, next_ = index, score
    return best, second


def runner(scores: list[float], chosen: int) -> int:
    """The best action but the chosen one, of equals the first. There must be another one."""
    rest = scores.copy()
    rest[chosen] = -math.inf
    return rest.index(max(rest))


def pick(pmf: Sequence[float], uniform: float) -> int:
    """The action that a uniform number in [0, 1) falls on. An action without probability is never picked."""
    left = uniform
    last = 0
    for index, probability in enumerate(pmf):
        if probability > 0:
            last = index
            left -= probability
            if left < 0:
                break
    return last
