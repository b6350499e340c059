"""What belongs together, without labels: how many more alerts stand close to each other than chance would put there.

For a field and a time scale tau, the pairs of alerts that share the field's value and lie at most tau apart are
counted, and from them the number expected from the density of such pairs a little further away, (4 tau, 16 tau]. What
remains, X, is in alerts: each alert counts for as much as its close pairs are in excess (at most about 1, so that a
flood weighs no more than a few alerts). B is what was expected: pairs that are close by chance. This is the pair
correlation of a point process (Ripley, 1977), taken locally, so that it holds for many incidents at once, for lone
noise and for quiet and busy hours: none of them is in excess.

Arrays in, arrays out; ``+ - * /``, sqrt, comparisons, sorts and running sums only: the same bytes everywhere. A field is
looked at in arrays that the one before had: a new one is fetched from the system page by page, and that takes longer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping import kernel

Floats = NDArray[np.float64]
Codes = NDArray[np.uint32]
Places = NDArray[np.intp]

NEAR, FAR = 4.0, 16.0  # where the background of a scale is taken, in units of it
_WIDTH = FAR - NEAR
SCALES = tuple(2.0**power for power in range(-4, 14))  # s: 1/16 s to 2 h 16
FLOOD = 32  # places back within which the same alert again counts for less
BLOCK = 32  # alerts over which an excess below zero counts as none: regular noise shuns itself
CLOCKS = (1.0, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0)  # s that clocks are rounded to
ROUND = 0.25  # share of whole times that betrays a rounded clock


class Background(NamedTuple):
    """Close pairs of all probes, whatever their fields. S scales, P probes."""

    at: Floats  # (N,) times of all alerts, ascending, s
    weight: Floats  # (N,)
    probe: Places  # (P,)
    scales: Floats  # (S, 1)
    share: Floats  # (S, 1): expected close pairs per far one
    close: Floats  # (S, P) worth of one close pair of a probe
    far: Floats  # (S, P) worth of one far pair
    all: tuple[Floats, Floats]  # (S, P) weight of all close and of all far pairs
    room: Floats  # (4, S, P) that ``excess`` works in


class Excess(NamedTuple):
    """X and B of the module's text, per scale, and the standard deviation of X were there no excess.

    ``incidents``: how many "the same value, silent for at most the scale" makes of the alerts that have the field.
    """

    x: list[float]
    b: list[float]
    spread: list[float]
    incidents: list[int]


def resolution(at: Floats) -> float:
    """The grain of a clock, s: what many times are whole multiples of, or nearly the shortest time between two."""
    times = np.unique(at)
    gaps = np.diff(times)
    if not len(gaps):
        return 1.0
    place = len(gaps) // 100
    grain = float(np.partition(gaps, place)[place])
    shares: dict[float, float] = {}
    for unit in CLOCKS:
        whole = float((np.floor(times / unit) * unit == times).mean())
        chance = max((share * finer / unit for finer, share in shares.items() if unit % finer == 0.0), default=0.0)
        shares[unit] = whole
        if whole - chance >= ROUND:
            grain = max(grain, unit)
    return grain


def ranks(values: NDArray[Any]) -> NDArray[np.int64]:
    """(N,) how many other values, ascending, stand before each."""
    found: NDArray[np.int64] = np.concatenate(([0], np.cumsum(np.diff(values) != 0)))
    return found


def flood_weight(code: Codes) -> Floats:
    """(N,) 1 / (1 + how many of the ``FLOOD`` alerts before are the same)."""
    order = np.argsort(code, kind="stable")
    seen = np.empty(len(code))
    key = ranks(code[order]) * (len(code) + 2 * FLOOD) + order
    seen[order] = np.arange(len(code)) - np.searchsorted(key, key - FLOOD)
    return 1.0 / (1.0 + seen)


def background(at: Floats, weight: Floats, scales: list[float], grain: float, probes: int) -> Background:
    """The pairs of at most ``probes`` alerts, evenly spread, with all others before them."""
    every = -(-len(at) // probes)
    probe = np.arange(len(at) % every, len(at), every)
    scale = np.array(scales)[:, None]
    share = (1.0 + grain / (2.0 * scale)) / _WIDTH  # a rounded clock has pairs at 0 as well
    n, far = counts(at, np.concatenate(([0.0], np.cumsum(weight))), probe, scale[:, 0])
    room = np.empty((4, *n.shape))
    whole = np.subtract(at[probe], FAR * scale, out=room[0])
    np.multiply(whole >= at[0], weight[probe], out=whole)  # what lies before the first alert is not known
    # Each pair is weighed by what its alert has besides that pair (Mecke's formula): so chance alone gives 0.
    worth = far * share
    close = worth + n
    np.divide(whole, np.maximum(close, 1.0, out=close), out=close)
    close *= n > 0
    worth -= share
    np.maximum(worth, 0.0, out=worth)
    worth += n
    worth += 1.0
    np.divide(whole, worth, out=worth)
    return Background(at, weight, probe, scale, share, close, worth, (n, far), room)


def excess(ground: Background, code: Codes | None) -> Excess:
    """Of pairs with the same ``code`` (N,), 0 = unknown; None: of all pairs."""
    at, probe, (n, far, chance, sums) = ground.at, ground.probe, ground.room
    if code is None:
        n, far = ground.all
        line = at
    else:
        order = np.argsort(code, kind="stable")
        rank = ranks(code[order])
        apart = at[-1] - at[0] + FAR * float(ground.scales[-1, 0]) + 1.0  # puts every value on a stretch of its own
        line = rank * apart + (at - at[0])[order]
        place = np.empty(len(at), np.intp)
        place[order] = np.arange(len(at))
        running = np.concatenate(([0.0], np.cumsum(ground.weight[order])))
        counts(line, running, place[probe], ground.scales[:, 0], (n, far))
        known = code[probe] > 0
        n *= known
        far *= known
        line = line[np.searchsorted(code[order], 1) :]
    _beyond(ground, n, far)
    x = _total(sums)
    b = np.multiply(chance, n > 0, out=sums).sum(axis=1)
    np.multiply(ground.close, ground.close, out=sums)
    sums *= n
    chance *= ground.far
    chance *= ground.share
    sums += chance
    spread = np.sqrt(sums.sum(axis=1))
    incidents = 1 + (np.diff(line) > ground.scales).sum(axis=1)
    return Excess(x.tolist(), b.tolist(), spread.tolist(), incidents.tolist())


def around(ground: Background) -> list[float]:
    """X of all pairs, of those alerts only that have a close one of the same value; per scale.

    The field is the one that ``excess`` has looked at last.
    """
    n, _, _, sums = ground.room
    _beyond(ground, *ground.all)
    sums *= n > 0
    found: list[float] = _total(sums).tolist()
    return found


def _beyond(ground: Background, n: Floats, far: Floats) -> None:
    """What chance gives each probe (S, P), and how much its pairs are in excess of that: the last two arrays of the room."""
    _, _, chance, sums = ground.room
    np.multiply(far, ground.share, out=chance)
    chance *= ground.far
    np.multiply(ground.close, n, out=sums)
    sums -= chance


def _total(sums: Floats) -> Floats:
    """X (S,) of the excess (S, P) of each probe."""
    total: Floats = np.maximum(_blocks(sums), 0.0).sum(axis=1)
    return total


def counts(
    line: Floats, running: Floats, place: Places, scales: Floats, into: tuple[Floats, Floats] | None = None
) -> tuple[Floats, Floats]:
    """Weights (S, P) within a scale before each probe, and in its background; ``into`` these arrays, or new ones.

    ``line`` (N,) times, ascending; ``running`` (N + 1,) the weight before each; ``place`` (P,) of the probes in it;
    ``scales`` (S,).
    """
    # In octaves most of the three reaches of a scale are those of others too: each is looked up once.
    reach, back = np.unique(np.array([1.0, NEAR, FAR])[:, None] * scales, return_inverse=True)
    use, at = back.reshape(3, len(scales)), line[place]
    order = np.argsort(at)  # looked up in order it is faster
    n, far = into or np.empty((2, len(scales), len(place)))
    if kernel.compiled is not None:
        kernel.compiled.counts(n, far, line, running, place, order, reach, use)
        return n, far
    first = np.empty((len(reach), len(place)), np.intp)
    first[:, order] = np.searchsorted(line, (at[order] - reach[:, None]).ravel()).reshape(first.shape)
    since = running[first]
    close, near, beyond = use
    np.subtract(running[place], since[close], out=n)
    np.subtract(since[near], since[beyond], out=far)
    return n, far


def _blocks(values: Floats) -> Floats:
    """Sums (S, P / BLOCK) over neighbouring probes."""
    scales, probes = values.shape
    if probes % BLOCK:
        padded = np.zeros((scales, -(-probes // BLOCK) * BLOCK))
        padded[:, :probes] = values
        values = padded
    sums: Floats = values.reshape(scales, -1, BLOCK).sum(axis=2)
    return sums
