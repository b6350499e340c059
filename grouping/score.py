"""What is known of each option of a decision, as one array; and the linear score over it.

Arrays in, arrays out. Same bytes on every machine: only ``+ - * /``, comparisons and look-ups, sums down the slow
axis in fixed order at fixed shape (FEATURES, COLUMNS). With ``features.T @ weights`` a score would depend on the BLAS
kernel and on how many neighbours it has.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.layout import (
    AGE,
    BEST,
    COLUMNS,
    CROSS,
    FEATURES,
    FIRST,
    FRESH_HOUR,
    FRESH_MINUTE,
    IN_TIME,
    JOIN,
    KNOWN,
    LAST,
    LIKE,
    LIMIT,
    MARGIN,
    MATCH,
    NAMED,
    NEW_HOST,
    NEW_TITLE,
    OPEN,
    RARE,
    SAME,
    SHARE,
    SIZE,
    SIZE_NOW,
    STORM,
    TEMPLATE,
    TEXT,
    TOGETHER,
    TURN,
)

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

_RARE = 1.0 / 16.0  # per bit


class Rarity(NamedTuple):
    """How rare the features of an alert are in its scope."""

    bits: Floats  # (R, 1), 0 for a row without a feature
    totals: Floats  # (4, 1) bits of fields, text, details, all; 1 where there are none
    weights: NDArray[np.float32]  # (R, 1) bits as shares of the whole
    new_title: float  # 0 = seen all the time, towards 1 = never seen
    new_host: float


class Evidence(NamedTuple):
    """What the pair features of one alert are computed from. R rows of the alert; columns are the candidates."""

    at: float  # time of the alert, s
    late: bool  # earlier than something its scope has seen
    pace: float  # the scope's mean inter-arrival time, s
    storm: float  # pace now against the usual one, 0 to 1
    turn: int  # candidate (0-based) that last took an alert with this key, -1 for none
    count: int  # candidates
    segments: Places  # (3,) first rows of fields, text, details
    given: Floats  # (NAMED, 1) 1 where the named field is known
    rarity: Rarity
    shares: Floats  # (R, CANDIDATES) of a candidate's recent alerts that have the feature
    stats: Floats  # (STATS, CANDIDATES)
    together: list[float]  # per candidate, how often the two kinds follow each other, 0 to 1


def pair_features(seen: Evidence) -> Floats:
    """(FEATURES, COLUMNS): the rows named in layout.py, for opening (column 0) and each candidate.

    Columns beyond the candidates are zero. Values are single precision: what is stored is exactly what was scored.
    """
    out = np.zeros((FEATURES, COLUMNS))
    if seen.count:
        _joining(seen, out[:, 1:])
        out[:, 1 + seen.count :] = 0.0
        like = sorted(out[LIKE, 1:].tolist())
        out[BEST, 0] = like[-1]
        out[MARGIN, 0] = like[-1] - like[-2]
    out[OPEN, 0] = 1.0
    out[NEW_TITLE, 0] = seen.rarity.new_title
    out[NEW_HOST, 0] = seen.rarity.new_host
    out[STORM, 0] = seen.storm
    out[:] = out.astype(np.float32)
    return out


def _joining(seen: Evidence, out: Floats) -> None:
    stats, shares = seen.stats, seen.shares
    _times(seen, out[IN_TIME : AGE + 1])
    out[JOIN] = 1.0
    out[SIZE] = stats[SIZE_NOW]
    match = out[MATCH:TEMPLATE]
    np.multiply(stats[KNOWN:], stats[SHARE], out=match)
    np.subtract(shares[:NAMED], match, out=match)
    match += shares[:NAMED]
    match *= seen.given
    out[TEMPLATE] = shares[NAMED]
    bits = shares * seen.rarity.bits
    means = out[SAME : LIKE + 1]
    np.add.reduceat(bits, seen.segments, 0, out=means[:3])
    np.add.reduce(means[:3], 0, out=means[3])
    means /= seen.rarity.totals
    np.maximum.reduce(bits, 0, out=out[RARE])
    out[RARE] *= _RARE
    out[TOGETHER, : seen.count] = seen.together
    np.multiply(out[TEMPLATE - 2 : TEXT + 1], out[FRESH_MINUTE], out=out[CROSS:BEST])
    if seen.turn >= 0:
        out[TURN, seen.turn] = 1.0


def _times(seen: Evidence, out: Floats) -> None:
    """Rows IN_TIME to AGE: x / (x + y) each, by one division."""
    first, limit = seen.stats[FIRST], seen.stats[LIMIT]
    silence = seen.at - seen.stats[LAST]
    age = seen.at - first
    if seen.late:
        silence = np.maximum(np.maximum(silence, -age), 0.0)
        age = np.maximum(age, 0.0)
    below = np.empty_like(out)
    np.subtract(limit, silence, out=out[0])
    np.add(limit, silence, out=below[0])
    for row, scale in ((1, seen.pace), (2, 60.0), (3, 3600.0)):
        out[row] = scale
        np.add(silence, scale, out=below[row])
    out[4] = age
    np.add(age, 600.0, out=below[4])
    out /= below


def linear_score(weights: Floats, features: Floats) -> Floats:
    """Scores (COLUMNS,) of features (FEATURES, COLUMNS) under weights (FEATURES, 1).

    The sum runs down the rows in order, the same for every column.
    """
    return np.add.reduce(weights * features, 0)


def log2_table(size: int) -> Floats:
    """log2(1 + n) for n < size, linear between powers of two: exact arithmetic, the same everywhere."""
    mantissa, exponent = np.frexp(np.arange(1, size + 1, dtype=np.float64))
    return exponent - 1 + (2 * mantissa - 1)


assert FRESH_HOUR == IN_TIME + 3 == AGE - 1  # _times fills them as one block
