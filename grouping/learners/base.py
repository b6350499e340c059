"""The promise every learner keeps."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Learner(Protocol):
    """Scores the options of a decision."""

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores (COLUMNS,) of features (FEATURES, COLUMNS), rows as named in layout.py; the highest should be done.

        Column 0 is opening a new incident; columns without a candidate are all zero and their scores are ignored.
        The same features give the same score for a column, whatever its neighbours.
        """
        ...
