"""Which kinds of alert keep to themselves: families whose alerts stand next to all others only by chance.

A scope without a field that keeps its incidents apart still has alerts that belong to no fault: a login that is
reported every few minutes, a check that fails every night. Whoever groups by time alone puts them into whatever is
open. But they are seen often, and in the end it shows that they come when nothing else comes.

A kind is what has the same named fields, severity left out; of each kind episodes count, not alerts, so a flood weighs
as much as one alert. For two kinds, ``near`` is how many episodes of the one begin within a reach of an alert of the
other, ``far`` how many would by chance: the same counted around eight places further away, as pairs.py does for single
alerts. Kinds are of one family where so many more are near than chance gives that

    near - far >= 2 standard deviations of chance   and   near - far >= near / 2:

most of their meetings are no coincidence. What has had too few episodes to be told is one kind, the rest. A family other
than that of the rest keeps to itself if at least half of its meetings with all other alerts are chance, four meetings
given to the contrary; and if it comes at times when others are away often enough to tell.

Arrays in, codes out; sums of eighths and sixteenths only, exact in any order: the same bytes everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping import kernel

Floats = NDArray[np.float64]
Codes = NDArray[np.uint32]
Places = NDArray[np.intp]

KINDS = 48  # looked at, those with most episodes
EPISODES = 8  # a kind must have had
SURE = 2.0  # standard deviations
SHARE = 0.05  # of a kind's episodes that have to meet another kind beyond chance
DOUBT = 4.0  # meetings that speak for belonging before any was seen
BUSY = 0.6  # share of the time that others may be there: more, and nothing can be told
LAGS = (5.0, 8.0, 11.0, 14.0)  # where chance is counted, before and after, in reaches
EDGE = 16.0  # reaches from the ends of what is known that episodes keep


class Ground(NamedTuple):
    """N alerts in order of time, K kinds. P episodes in order of time."""

    at: Floats  # (N,) s
    kind: Places  # (N,) 1 to K, 0 for the rest
    codes: list[int]  # (K,)
    episode: Places  # (P,) first alerts
    reach: float  # s


@dataclass(slots=True)
class Work:
    """A look at families, piece by piece: a kind each, then a family each."""

    ground: Ground
    near: list[Floats] = field(default_factory=list)  # per kind (K + 1,): episodes of each kind that meet it
    far: list[Floats] = field(default_factory=list)
    spread: list[Floats] = field(default_factory=list)  # variance of that by chance
    families: list[list[int]] | None = None  # not looked at yet; kinds
    apart: dict[int, int] = field(default_factory=dict)  # code of a kind -> code of its family


def begin(at: Floats, code: Codes, reach: float) -> Work:
    """Prepare for alerts at times ``at`` (N,) s, ascending, with the codes of their kinds (N,), 0 = of none.

    ``reach``: how near is near, s.
    """
    values, kind = np.unique(code, return_inverse=True)
    episodes = _episodes(at, kind, reach)
    often = np.bincount(kind[episodes], minlength=len(values))
    often[values == 0] = 0
    kept = np.argsort(-often, kind="stable")[:KINDS]
    kept = kept[often[kept] >= EPISODES]
    number = np.zeros(len(values), np.intp)
    number[kept] = np.arange(1, len(kept) + 1)
    kind = number[kind]
    return Work(Ground(at, kind, values[kept].tolist(), _episodes(at, kind, reach), reach))


def advance(work: Work) -> bool:
    """Do one piece. Whether that was the last: ``apart`` is complete."""
    ground = work.ground
    kinds = len(ground.codes)
    if not kinds:
        return True
    if len(work.near) <= kinds:
        _meet(work, len(work.near))
        return False
    if work.families is None:
        work.families = _families(work)
    if work.families:
        family = work.families.pop()
        if _alone(ground, family):
            first = min(ground.codes[kind - 1] for kind in family)
            work.apart |= {ground.codes[kind - 1]: first for kind in family}
    return not work.families


def _episodes(at: Floats, kind: Places, reach: float) -> Places:
    """The first alerts of episodes: none of their kind within a reach before, and enough known around them."""
    order = np.argsort(kind, kind="stable")
    begins = np.ones(len(at), bool)
    begins[1:] = (np.diff(kind[order]) != 0) | (np.diff(at[order]) > reach)
    inside = (at - EDGE * reach >= at[0]) & (at + EDGE * reach <= at[-1])
    first = np.zeros(len(at), bool)
    first[order] = begins
    found: Places = (first & inside).nonzero()[0]
    return found


def around(line: Floats, at: Floats, reach: float) -> tuple[Floats, Floats]:
    """Whether any of ``line`` (M,) lies within a reach of each of ``at`` (P,), and by chance: 0 to 1 in eighths.

    Both ascending.
    """
    lags = np.array([0.0, *LAGS, *(-lag for lag in LAGS)]) * reach
    if kernel.compiled is not None:
        near, far = np.empty((2, len(at)))
        kernel.compiled.around(near, far, line, at, lags, reach)
        return near, far
    lags = lags[:, None]
    until = np.searchsorted(line, at + (lags + reach), "right")
    there = (until > np.searchsorted(line, at + (lags - reach), "left")).astype(np.float64)
    return there[0], there[1:].sum(axis=0) / (2 * len(LAGS))


def _meet(work: Work, number: int) -> None:
    """How many episodes of every kind meet the kind of that number."""
    ground = work.ground
    at, of = ground.at[ground.episode], ground.kind[ground.episode]
    near, far = around(ground.at[ground.kind == number], at, ground.reach)
    size = len(ground.codes) + 1
    for sums, values in ((work.near, near), (work.far, far), (work.spread, far * (1.0 - far) + 1.0 / 64.0)):
        sums.append(np.bincount(of, values, size).astype(np.float64))


def _families(work: Work) -> list[list[int]]:
    """The kinds in families, by all links, but for the family of the rest."""
    ground = work.ground
    near, far, spread = (np.stack(columns, 1) for columns in (work.near, work.far, work.spread))  # [of, met]
    count = np.bincount(ground.kind[ground.episode], minlength=len(near))[:, None]
    beyond = near - far
    linked = (beyond > 0) & (beyond * beyond >= SURE * SURE * spread) & (beyond >= near / 2) & (beyond >= SHARE * count)
    together = linked | linked.T | np.eye(len(linked), dtype=bool)
    for kind in range(len(together)):  # Warshall: whoever is linked to somebody of the family is of the family
        together |= together[:, kind, None] & together[kind]
    first = together.argmax(axis=1)
    return [(first == number).nonzero()[0].tolist() for number in sorted(set(first.tolist())) if number]


def _alone(ground: Ground, family: list[int]) -> bool:
    """Whether a family meets all other alerts by chance only."""
    own = np.isin(ground.kind, family)
    if own.all():
        return False
    episodes = _episodes(ground.at, own.astype(np.intp), ground.reach)
    at = ground.at[episodes[own[episodes]]]
    near, far = around(ground.at[~own], at, ground.reach)
    return bool(len(at) and far.sum() <= BUSY * len(at) and 2.0 * far.sum() >= near.sum() + DOUBT)
