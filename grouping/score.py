"""What is known of each option of a decision, as one array; and the linear score over it.

Arrays in, arrays out. Same bytes on every machine: only ``+ - * /``, comparisons and look-ups, sums down the slow
axis in fixed order at fixed shape (FEATURES, COLUMNS). With ``features.T @ weights`` a score would depend on the BLAS
kernel and on how many neighbours it has. The features end in single precision: what is stored is exactly what was
scored.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping import kernel
from grouping.layout import (
    BEST,
    CANDIDATES,
    COLUMNS,
    COUNT,
    CROSS,
    FEATURES,
    FIRST,
    FRESH_HOUR,
    FRESH_MINUTE,
    IN_TIME,
    JOIN,
    LAST,
    LENGTH,
    LENGTH_NOW,
    LIMIT,
    MARGIN,
    MATCH,
    NEW_HOST,
    NEW_TITLE,
    OPEN,
    RARE,
    RULED,
    SAME,
    SHARE,
    SIZE,
    STORM,
    TEMPLATE,
    TEXT,
    TITLE,
    TOGETHER,
    TOLD,
    TURN,
    VALUES,
    WORDS,
)

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Places = NDArray[np.intp]


class Evidence(NamedTuple):
    """What the pair features of one alert are computed from. R rows of the alert; C candidates, at most CANDIDATES.

    _kernel.c reads it by place.
    """

    at: float  # time of the alert, s
    late: bool  # earlier than something its scope has seen
    pace: float  # the scope's mean inter-arrival time, s
    storm: float  # pace now against the usual one, 0 to 1
    turn: int  # candidate (0-based) that last took an alert with this key, -1 for none
    slots: list[int]  # (C,) columns of the candidates
    stats: Floats  # (STATS, capacity)
    profile: NDArray[np.uint8]  # (PROFILE_ROWS, capacity): how many of a slot's alerts have the feature
    rows: Places  # (R,) of the alert's features in the profile
    usual: Places  # (R - VALUES,) the same from VALUES on, in ``bits``
    bits: Singles  # how rare every feature is in the scope, in units of 16 bits: 0 to 1
    details: int  # first row of the pairs under details
    together: list[float]  # (C,) how often the two kinds follow each other, 0 to 1
    told: list[int] | None  # (C,) whether responders said that it belongs (1) or not (-1); None: never any


_BLANK: Final = np.zeros((FEATURES, COLUMNS))
_BLANK[OPEN, 0] = 1.0
_BLANK[JOIN, 1:] = 1.0
_BLANK[FRESH_MINUTE, 1:] = 60.0
_BLANK[FRESH_HOUR, 1:] = 3600.0


def pair_features(seen: Evidence) -> Singles:
    """(FEATURES, COLUMNS): the rows named in layout.py, for opening (column 0) and each candidate, then zeros."""
    compiled = kernel.compiled
    if compiled is None:
        return _by_numpy(seen)
    out = np.empty((FEATURES, COLUMNS), np.float32)
    compiled.pair_features(out, seen)
    return out


def _by_numpy(seen: Evidence) -> Singles:
    out = _BLANK.copy()
    opening, count = out[:, 0], len(seen.slots)
    rare = seen.bits.take(seen.usual)
    if count:
        most = _joining(seen, rare, out[:, 1:])
        opening[BEST] = most[-1]
        if len(most) > 1:
            opening[MARGIN] = most[-1] - most[-2]
    opening[NEW_TITLE] = rare[TITLE - VALUES]
    opening[NEW_HOST] = rare[TITLE - 1 - VALUES]
    opening[STORM] = seen.storm
    out[:, 1 + count :] = 0.0
    return out.astype(np.float32)


def _joining(seen: Evidence, rare: Singles, out: Floats) -> list[float]:
    """Fill in the candidates' columns, padded with the first's; returns row RARE, sorted."""
    count = len(seen.slots)
    slots = np.array(seen.slots + seen.slots[:1] * (CANDIDATES - count), np.intp)
    stats = seen.stats.take(slots, 1)
    shares = np.multiply(seen.profile[seen.rows[:, None], slots], stats[SHARE])
    silence = seen.at - stats[LAST]
    if seen.late:
        silence = np.maximum(np.maximum(silence, 0.0), stats[FIRST] - seen.at)
    times = out[IN_TIME:SIZE]  # scale / (scale + silence) each, by one division
    times[0] = stats[LIMIT]
    times[1] = seen.pace
    times /= times + silence
    out[SIZE] = stats[COUNT] / (stats[COUNT] + 8.0)
    out[LENGTH] = stats[LENGTH_NOW]
    valued = shares[VALUES:]
    match = out[MATCH:SAME]  # share that agrees, minus share that is known and differs
    np.add(valued[:VALUES], valued[:VALUES], out=match)
    match -= shares[:VALUES]
    parts = [0, WORDS - VALUES, seen.details - VALUES]
    bits = valued * rare[:, None]
    means = np.add.reduceat(bits, parts, 0, out=out[SAME:RARE])
    totals = np.add.reduceat(rare.astype(np.float64), parts).astype(np.float32)  # exact: few numbers of 24 bits
    means /= np.where(totals == 0.0, np.float32(1.0), totals)[:, None]
    most = np.maximum.reduce(bits, 0, out=out[RARE])
    out[TOGETHER, :count] = seen.together
    np.multiply(out[TEMPLATE - 2 : TEXT + 1], times[FRESH_MINUTE - IN_TIME], out=out[CROSS:BEST])
    if seen.turn >= 0:
        out[TURN, seen.turn] = 1.0
        out[RULED, seen.turn] = times[0, seen.turn]
    if seen.told is not None:
        out[TOLD, :count] = seen.told
    return sorted(most[:count].tolist())


def linear_score(weights: Singles, features: Singles) -> Singles:
    """Scores (COLUMNS,) of features (FEATURES, COLUMNS) under weights (FEATURES, 1).

    The sum runs down the rows in order, the same for every column.
    """
    compiled = kernel.compiled
    if compiled is None:
        summed: Singles = np.add.reduce(weights * features, 0)
        return summed
    scores = np.empty(COLUMNS, np.float32)
    compiled.linear_score(scores, weights, features)
    return scores


def log2_table(size: int) -> Singles:
    """log2(1 + n) for n < size, linear between powers of two: exact arithmetic, the same everywhere."""
    mantissa, exponent = np.frexp(np.arange(1, size + 1, dtype=np.float64))
    bits: Singles = (exponent - 1 + (2 * mantissa - 1)).astype(np.float32)
    return bits


# Filled as blocks.
assert FRESH_HOUR == IN_TIME + 3 == SIZE - 1
assert SAME == MATCH + VALUES
