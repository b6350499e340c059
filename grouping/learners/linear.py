"""A linear score over the pair features, with one of two priors set by hand."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from grouping.layout import FEATURE_NAMES, FEATURES
from grouping.score import linear_score

# In units of the scope's own time: IN_TIME is 1/2 at the limit of the policy's rule, FRESH_PACE is 1/2 after one mean
# inter-arrival time of the scope, and both together have to be worth 2.6. The last incident has a small head start.
# Weights on what alerts look like helped on some streams and hurt on others: they wait until a scope learns its own.
# What responders said outweighs all else.
PACE: Final = {"join": -2.6, "turn": 0.2, "in_time": 4.0, "fresh_pace": 2.0, "told": 8.0}

# The policy's rule and nothing else: above 0, which is what opening scores, while the key's last incident is in time.
# Opening gives way at the limit itself.
RULE: Final = {"open": -1e-6, "join": -1.0, "ruled": 2.0, "told": 8.0}


class Linear:
    """Scores are sums of weight times feature, in the order of FEATURE_NAMES."""

    def __init__(self, weights: dict[str, float]) -> None:
        self.weights = np.zeros((FEATURES, 1), np.float32)
        for name, weight in weights.items():
            self.weights[FEATURE_NAMES.index(name), 0] = weight
        self.rows = self.weights[:, 0].nonzero()[0]  # those that weigh something
        self.names = [FEATURE_NAMES[row] for row in self.rows]

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The linear scores of all columns."""
        return linear_score(self.weights, features)

    def parts(self, option: NDArray[np.float32]) -> dict[str, float]:
        """What each feature of an option (FEATURES,) added to its score, in order; what added nothing is left out."""
        parts: list[float] = (self.weights[:, 0].take(self.rows) * option.take(self.rows)).tolist()
        return {name: part for name, part in zip(self.names, parts, strict=True) if part}
