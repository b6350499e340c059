"""What is known of each option of a decision, as one array; and the linear score over it.

Arrays in, arrays out. Same bytes on every machine: only ``+ - * /``, comparisons and look-ups, sums down the slow
axis in fixed order at fixed shape (FEATURES, COLUMNS). With ``features.T @ weights`` a score would depend on the BLAS
kernel and on how many neighbours it has. The features end in single precision: what is stored is exactly what was
scored.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.layout import (
    BEST,
    COLUMNS,
    CROSS,
    FEATURES,
    FIRST,
    FRESH_HOUR,
    FRESH_MINUTE,
    IN_TIME,
    JOIN,
    LAST,
    LIMIT,
    MARGIN,
    MATCH,
    NEW_HOST,
    NEW_TITLE,
    OPEN,
    RARE,
    RULED,
    SAME,
    SIZE,
    SIZE_NOW,
    STORM,
    TEMPLATE,
    TEXT,
    TOGETHER,
    TOLD,
    TURN,
    VALUES,
)

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


class Rarity(NamedTuple):
    """How rare the features of an alert are in its scope. Bits are in units of 16 bits: 0 to 1."""

    each: list[float]  # R - VALUES of them, from VALUES on; 0 for a row without a feature
    bits: Singles  # (R - VALUES, 1) the same
    totals: Singles  # (3, 1) bits of fields, text, details; 1 where there are none
    segments: list[int]  # first rows of fields, text, details, counted from VALUES on
    title: float  # bits of the title's template
    host: float  # bits of the host


class Evidence(NamedTuple):
    """What the pair features of one alert are computed from. R rows of the alert; columns are the candidates."""

    at: float  # time of the alert, s
    late: bool  # earlier than something its scope has seen
    pace: float  # the scope's mean inter-arrival time, s
    storm: float  # pace now against the usual one, 0 to 1
    turn: int  # candidate (0-based) that last took an alert with this key, -1 for none
    candidates: int  # how many
    rarity: Rarity
    stats: Floats  # (STATS, CANDIDATES)
    shares: Floats  # (R, CANDIDATES) of a candidate's recent alerts that have the feature
    together: list[float]  # per candidate, how often the two kinds follow each other, 0 to 1
    told: list[int] | None  # per candidate, whether responders said that it belongs (1) or not (-1); None: never any


_BLANK = np.zeros((FEATURES, COLUMNS))
_BLANK[OPEN, 0] = 1.0
_BLANK[JOIN, 1:] = 1.0
_BLANK[FRESH_MINUTE, 1:] = 60.0
_BLANK[FRESH_HOUR, 1:] = 3600.0


def pair_features(seen: Evidence) -> Singles:
    """(FEATURES, COLUMNS): the rows named in layout.py, for opening (column 0) and each candidate.

    Columns beyond the candidates are to be ignored.
    """
    out = _BLANK.copy()
    opening = out[:, 0]
    if seen.candidates:
        rare = _joining(seen, out[:, 1:])
        opening[BEST] = rare[-1]
        if len(rare) > 1:
            opening[MARGIN] = rare[-1] - rare[-2]
    opening[NEW_TITLE] = seen.rarity.title
    opening[NEW_HOST] = seen.rarity.host
    opening[STORM] = seen.storm
    return out.astype(np.float32)


def _joining(seen: Evidence, out: Floats) -> list[float]:
    """Fill in the candidates' columns; returns row RARE, sorted."""
    stats, shares = seen.stats, seen.shares
    silence = seen.at - stats[LAST]
    if seen.late:
        silence = np.maximum(np.maximum(silence, stats[FIRST] - seen.at), 0.0)
    times = out[IN_TIME:SIZE]  # scale / (scale + silence) each, by one division
    times[0] = stats[LIMIT]
    times[1] = seen.pace
    times /= times + silence
    out[SIZE:MATCH] = stats[SIZE_NOW:]
    valued = shares[VALUES:]
    match = out[MATCH:SAME]  # share that agrees, minus share that is known and differs
    np.add(valued[:VALUES], valued[:VALUES], out=match)
    match -= shares[:VALUES]
    bits = valued * seen.rarity.bits
    means = np.add.reduceat(bits, seen.rarity.segments, 0, out=out[SAME:RARE])
    means /= seen.rarity.totals
    rare = np.maximum.reduce(bits, 0, out=out[RARE])
    out[TOGETHER, : seen.candidates] = seen.together
    np.multiply(out[TEMPLATE - 2 : TEXT + 1], times[FRESH_MINUTE - IN_TIME], out=out[CROSS:BEST])
    if seen.turn >= 0:
        out[TURN, seen.turn] = 1.0
        out[RULED, seen.turn] = times[0, seen.turn]
    if seen.told is not None:
        out[TOLD, : seen.candidates] = seen.told
    return sorted(rare[: seen.candidates].tolist())


def linear_score(weights: Singles, features: Singles) -> Singles:
    """Scores (COLUMNS,) of features (FEATURES, COLUMNS) under weights (FEATURES, 1).

    The sum runs down the rows in order, the same for every column.
    """
    scores: Singles = np.add.reduce(weights * features, 0)
    return scores


def log2_table(size: int) -> Singles:
    """log2(1 + n) for n < size, linear between powers of two: exact arithmetic, the same everywhere."""
    mantissa, exponent = np.frexp(np.arange(1, size + 1, dtype=np.float64))
    bits: Singles = (exponent - 1 + (2 * mantissa - 1)).astype(np.float32)
    return bits


# Filled as blocks.
assert FRESH_HOUR == IN_TIME + 3 == SIZE - 1
assert MATCH == SIZE + 2
assert SAME == MATCH + VALUES
