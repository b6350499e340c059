"""Nights and weekends: pauses so long that what lies between them is no clue to what stands together in an incident.

Alerts between two of them stand together beyond chance whatever they are about, so that a night would end an incident
and nothing else. A look at a scope's shape therefore first takes such a pause for no longer than the longest other
one, and only where nothing holds then, for what it is. Pauses that a rule could bridge stay what they are: faults whose
alerts all come in one instant have such between them, and nothing within.

Arrays in, arrays out; ``-``, sums, one product by a power of two and comparisons only: the same bytes everywhere.
"""

from __future__ import annotations

import numpy as np

from grouping.pairs import SCALES, Floats

LONGER = 8.0  # times as long as any shorter pause: those are of another kind
RARE = 100  # one gap of so many may be a pause of that kind


def breaks(at: Floats) -> list[int]:
    """How many of the longest gaps between alerts (N,), ascending, s, may be such pauses: the most first, 0 for none."""
    gaps = np.diff(at)
    most = len(gaps) // RARE
    if not most:
        return [0]
    longest = np.sort(np.partition(gaps, -most - 1)[-most - 1 :])[::-1]
    apart = (longest[:-1] > SCALES[-1]) & (longest[:-1] >= LONGER * longest[1:]) & (longest[1:] > 0.0)
    return [*(1 + np.flatnonzero(apart)[::-1]).tolist(), 0]


def shortened(at: Floats, pauses: int) -> Floats:
    """The same times (N,) with so many of the longest gaps made as long as the longest other one."""
    if not pauses:
        return at
    gaps = np.diff(at)
    longest = np.partition(gaps, -pauses - 1)[-pauses - 1]
    found: Floats = at[0] + np.concatenate(([0.0], np.cumsum(np.minimum(gaps, longest))))
    return found
