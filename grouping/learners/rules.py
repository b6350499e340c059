"""The baseline: join the key's last incident while it has not been silent for too long, else open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from grouping.layout import IN_TIME, OPEN, TURN


class Rules:
    """What Alertmanager's group_by and most tools do, with a silence that may be relative to the incident's pace."""

    def score(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """1 for the key's last incident while in time, 1/2 for opening, 0 for all others."""
        joins = (features[TURN] > 0) & (features[IN_TIME] >= 0)
        return joins + 0.5 * features[OPEN]
