"""A linear score over the pair features, with a prior set by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from grouping.layout import FEATURE_NAMES, FEATURES
from grouping.score import linear_score

# In units of the relative silence: away from the boundary (IN_TIME far from 0) time decides, near it the evidence.
PRIOR = {
    "open": 0.0,
    "in_time": 2.0,
    "turn": 0.5,
    "match_service": 0.25,
    "match_host": 0.25,
    "match_class": 0.1,
    "text": 0.5,
    "template": 0.25,
    "details": 0.25,
    "together": 0.25,
    "rare": 0.25,
    "join": -1.0,
}


class Linear:
    """Scores are sums of weight times feature, in the order of FEATURE_NAMES."""

    def __init__(self, weights: dict[str, float] = PRIOR) -> None:
        self.weights = np.zeros((FEATURES, 1), np.float32)
        for name, weight in weights.items():
            self.weights[FEATURE_NAMES.index(name), 0] = weight

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The linear scores of all columns."""
        return linear_score(self.weights, features)
