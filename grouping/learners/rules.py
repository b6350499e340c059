"""The baseline: join the key's last incident while it has not been silent for too long, else open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from grouping.layout import IN_TIME, OPEN, TURN

_LIMIT = np.float32(0.5)  # IN_TIME when the silence is just what the policy allows


class Rules:
    """What Alertmanager's group_by and most tools do, with a silence that may be relative to the incident's pace."""

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """1 for the key's last incident while in time, 1/2 for opening, 0 for all others."""
        joins = (features[TURN] > 0) & (features[IN_TIME] >= _LIMIT)
        scores: NDArray[np.float32] = joins + np.float32(0.5) * features[OPEN]
        return scores
