"""The baseline: join the key's last incident while it has not been silent for too long, else open."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from grouping.layout import COLUMNS, IN_TIME, OPEN, TURN

_OPENING: Final = np.zeros(COLUMNS, np.float32)
_OPENING[0] = 0.5
_LIMIT: Final = 0.5  # IN_TIME when the silence is just what the policy allows


class Rules:
    """What Alertmanager's group_by and most tools do, with a silence that may be relative to the incident's pace."""

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """1 for the key's last incident while in time, 1/2 for opening, 0 for all others."""
        scores = _OPENING.copy()
        turns: list[float] = features[TURN].tolist()
        if 1.0 in turns:  # one at most has it
            turn = turns.index(1.0)
            if features.item(IN_TIME, turn) >= _LIMIT:
                scores[turn] = 1.0
        return scores

    def parts(self, option: NDArray[np.float32]) -> dict[str, float]:
        """Where the score of an option (FEATURES,) comes from; empty for 0."""
        if option.item(OPEN):
            return {"open": 0.5}
        return {"ruled": 1.0} if option.item(TURN) and option.item(IN_TIME) >= _LIMIT else {}
