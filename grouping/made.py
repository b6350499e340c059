"""What a rule makes of the alerts that tuning looks at: all at once, and the same as one after the other.

Of every incident that its pace ended before the longest silence it can be told whether it went on: ``near`` counts those
whose next alert comes before that silence is over, ``far`` how many would by chance: the same counted at the eight
places further away of kin.py, in longest silences. Where nearly none would, these are pauses, and no ends.

Arrays in, counts out; ``+ - * /`` and comparisons only: the same bytes everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.kin import LAGS
from grouping.pairs import Codes, Floats, Places, ranks
from grouping.policy import DEFAULT, Limit, policy
from grouping.regroup import paced_by

BURST, HALF = 3, 0.5  # alerts; share of all
TEARS = 2  # times as many incidents as silence alone makes, and fewer alerts in them: they are pieces
SILENCE = policy(DEFAULT).limit  # what decides until a rule was found
ENDS = 256  # incidents looked at for pauses
CHANCE, SURE = 0.1, 2.0  # most of the pauses that chance may give; standard deviations


class Made(NamedTuple):
    """What a rule makes of alerts."""

    bursts: int  # incidents of 3 or more alerts
    largest: float  # share of the weight in the largest incident of 2 or more
    alone: int  # alerts that are an incident by themselves


class Pauses(NamedTuple):
    """Of the incidents that their pace ended: how many went on, how many would by chance, and the variance of that."""

    near: float
    far: float
    variance: float

    @property
    def no_chance(self) -> bool:
        """Whether nearly all of those that went on are no coincidence."""
        beyond = self.near - self.far
        return self.far <= CHANCE * self.near and beyond > 0 and beyond * beyond >= SURE * SURE * self.variance


class Cut(NamedTuple):
    """Alerts parted by a rule into I incidents, key by key. M alerts have the key."""

    order: Places  # (M,) where they stand among all
    at: Floats  # (M,) their times, s
    key: Codes | None  # (M,) codes, ascending
    begins: Places  # (I + 1,) first alerts of the incidents, and M
    limit: Limit


def cut(at: Floats, code: Codes | None, limit: Limit) -> Cut:
    """Part (N,) alerts in order of time by a rule, with the codes of its key; an unknown value belongs to none."""
    if code is None:
        return Cut(np.arange(len(at)), at, None, _begins(at, None, limit), limit)
    order = np.argsort(code, kind="stable")
    order = order[np.searchsorted(code[order], 1) :]
    return Cut(order, at[order], code[order], _begins(at[order], code[order], limit), limit)


def _begins(at: Floats, key: Codes | None, limit: Limit) -> Places:
    if not len(at):
        return np.zeros(1, np.intp)
    made = paced_by(at, np.ones(len(at), np.int64) if key is None else 1 + ranks(key), limit)
    return np.concatenate(([0], np.flatnonzero(np.diff(made)) + 1, [len(at)]))


def play(at: Floats, weight: Floats, code: Codes | None, limit: Limit) -> Made:
    """What a rule makes of (N,) alerts; those without its key are passed over."""
    return of(cut(at, code, limit), weight)


def of(parted: Cut, weight: Floats) -> Made:
    """What came of alerts that weigh (N,)."""
    sizes = np.diff(parted.begins)
    worth = np.diff(np.concatenate(([0.0], np.cumsum(weight[parted.order])))[parted.begins])
    largest = float(worth[sizes > 1].max(initial=0.0) / float(weight.sum()))
    return Made(int((sizes >= BURST).sum()), largest, int((sizes == 1).sum()))


def tears(at: Floats, weight: Floats, code: Codes | None, made: Made) -> bool:
    """Whether a rule tears apart what silence alone puts together: that is ``made`` of (N,) alerts with its key's codes.

    It leaves most alerts alone, and more of them than silence alone does, and yet makes twice as many incidents of 3 or
    more: these can only be pieces of those. A key that keeps apart faults which overlap makes more of them, too. But faults
    seldom overlap by chance where most alerts stand alone, so only there it is told.
    """
    known = len(at) if code is None else int(np.count_nonzero(code))
    if made.alone <= HALF * known:
        return False
    plain = play(at, weight, None, SILENCE)
    if plain.alone <= HALF * len(at) or made.alone * len(at) <= plain.alone * known:
        return False
    return made.bursts >= TEARS * plain.bursts


def goes_on(at: Floats, parted: Cut) -> Pauses:
    """Whether incidents that their pace ended go on before the longest silence is over; ``at`` (N,) of all alerts, s."""
    _, own, keys, begins, limit = parted
    if limit.low == limit.high or not len(own):
        return Pauses(0.0, 0.0, 0.0)
    last, sizes = begins[1:] - 1, np.diff(begins)
    pace = limit.pace * (own[last] - own[begins[:-1]]) / np.maximum(sizes - 1, 1)
    after = np.where(sizes < BURST, limit.low, np.clip(pace, limit.low, limit.high))
    ended = np.flatnonzero((after < limit.high) & (own[last] + limit.high <= at[-1]))
    ended = ended[:: max(1, -(-len(ended) // ENDS))]
    when, after = own[last[ended]], after[ended]
    line = own if keys is None else own + _apart(at, keys, limit.high)
    end = line[last[ended]]
    near = _comes(line, end + after, end + limit.high)
    lag = np.array([*LAGS, *(-lag for lag in LAGS)])[:, None] * limit.high
    known = (when + lag + after >= at[0]) & (when + lag + limit.high <= at[-1])
    there = _comes(line, end + lag + after, end + lag + limit.high) & known
    chance = there.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return Pauses(float(near.sum()), float(chance.sum()), float((chance * (1.0 - chance) + 1.0 / 64.0).sum()))


def _apart(at: Floats, keys: Codes, high: float) -> Floats:
    """What to add to times (M,), sorted by key, that no place where chance is counted reaches another key."""
    apart: Floats = ranks(keys).astype(np.float64) * (float(at[-1] - at[0]) + 2.0 * (max(LAGS) + 1.0) * high)
    return apart


def _comes(line: Floats, since: Floats, until: Floats) -> NDArray[np.bool_]:
    """Whether any of ``line``, ascending, lies after the one and not after the other."""
    return np.searchsorted(line, until, "right") > np.searchsorted(line, since, "right")
