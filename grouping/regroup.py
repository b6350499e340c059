"""Alerts grouped once more: what a rule would have made of a scope's recent alerts, and how well that fits known groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping import kernel
from grouping.policy import KIN, Limit, policy
from grouping.recent import KEPT, SAME
from grouping.score import log2_table

_WEIGHT = log2_table(KEPT + 1)
SMALL: Final = 2 * KEPT  # numbers of groups that need not be made smaller

Ints = NDArray[np.int64]


class Sorted(NamedTuple):
    """N alerts by key and time, once for all silences of a key."""

    order: NDArray[np.intp]  # (N,) their places in the order of arrival
    apart: NDArray[np.bool_]  # (N,) another key than the one before, or unknown
    silence: NDArray[np.float64]  # (N,) s since the one before


def play(
    at: NDArray[np.float64],
    codes: NDArray[np.uint32],
    fields: Sequence[str],
    name: str,
    kin: Mapping[int, int],
    known: dict[tuple[str, ...], Sorted],
) -> Ints:
    """The group (N,) of each alert under the rule of a policy; at (N,) s in the order of arrival, codes (ROWS, N).

    ``kin``: the families of the kinds that keep to themselves. ``known`` keeps what the rule before was played on.
    """
    rule = policy(name)
    if rule.limit.pace:
        return paced(at, _keys(rule.key, at, codes, fields, kin), rule.limit)
    found = known.get(rule.key)
    if found is None:
        known.clear()
        found = known[rule.key] = _sorted(at, _keys(rule.key, at, codes, fields, kin))
    made = np.empty(len(at), np.int64)
    made[found.order] = np.cumsum(found.apart | (found.silence > rule.limit.low))
    return made


def _keys(
    parts: tuple[str, ...],
    at: NDArray[np.float64],
    codes: NDArray[np.uint32],
    fields: Sequence[str],
    kin: Mapping[int, int],
) -> Ints:
    """The value (N,) of the key of each alert, 0 = unknown."""
    key = np.ones(len(at), np.int64)
    for part in parts:  # a field that was never seen is unknown to all
        if part == KIN:
            key = np.array([1 + kin.get(code, 0) for code in codes[SAME].tolist()], np.int64)
            continue
        key = codes[fields.index(part)].astype(np.int64) if part in fields else np.zeros(len(at), np.int64)
    return key


def _sorted(at: NDArray[np.float64], key: Ints) -> Sorted:
    order = np.lexsort((at, key))
    key, at = key[order], at[order]
    apart = np.ones(len(at), bool)
    apart[1:] = (key[1:] != key[:-1]) | (key[1:] == 0)
    silence = np.zeros(len(at))
    silence[1:] = at[1:] - at[:-1]
    return Sorted(order, apart, silence)


def paced(at: NDArray[np.float64], key: Ints, limit: Limit) -> Ints:
    """The group (N,) of each alert where a group's own pace says how long a silence it survives; key (N,), 0 = unknown."""
    dense = np.unique(np.append(key, 0), return_inverse=True)[1][:-1].astype(np.int64)  # 0 is the smallest
    return paced_by(at, dense, limit)


def paced_by(at: NDArray[np.float64], key: Ints, limit: Limit) -> Ints:
    """The same for keys from 0 to N."""
    if kernel.compiled is not None:
        out = np.empty(len(at), np.int64)
        kernel.compiled.paced(out, at, key, *limit)
        return out
    last: dict[int, list[float]] = {}  # key -> [first, last, count, group]
    made: list[int] = []
    groups = 0
    for time, code in zip(at.tolist(), key.tolist(), strict=True):
        one = last.get(code) if code else None
        if one is not None and time - one[1] <= limit.after(one[1] - one[0], int(one[2])):
            one[1] = max(time, one[1])
            one[2] += 1.0
            made.append(int(one[3]))
        else:
            groups += 1
            made.append(groups)
            if code:
                last[code] = [time, time, 1.0, groups]
    return np.array(made, np.int64)


def jaccards(made: Ints, groups: Ints, true: Sequence[int]) -> list[float]:
    """For each true group the best Jaccard index with a made one; both (N,), group 0 is noise."""
    if kernel.compiled is not None and int(made.min()) >= 0 and int(made.max()) <= SMALL:
        best = np.empty(int(groups.max()) + 1)
        kernel.compiled.jaccards(best, made, groups)
    else:
        best = _best(made, groups)
    found: list[float] = best[list(true)].tolist()
    return found


def _best(made: Ints, groups: Ints) -> NDArray[np.float64]:
    """The same for each group number; groups' numbers are small."""
    _, made = np.unique(made, return_inverse=True)
    width = int(made.max()) + 1
    sizes, all_of = np.bincount(made), np.bincount(groups)
    pairs, both = np.unique(groups * width + made, return_counts=True)
    index = both / (all_of[pairs // width] + sizes[pairs % width] - both)
    best = np.zeros(len(all_of))
    np.maximum.at(best, pairs // width, index)
    return best


def weights_of(groups: Ints, true: Sequence[int]) -> list[float]:
    """What each true group weighs, log2(1 + its alerts); groups (N,)."""
    found: list[float] = _WEIGHT[np.minimum(np.bincount(groups)[list(true)], KEPT)].tolist()
    return found
