"""A rule that a scope found may stop keeping anything apart: its field is filled with one value, its teams grow together.

Twice in so many alerts the rule is played on the latest of them. If one incident swallows nearly all, floods aside, where
plain silence would have made several and none with half of them, the rule has collapsed. Then what decided before the
scope had found anything decides again, until a look at what came after can find another rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grouping.pairs import Codes, flood_weight
from grouping.policy import DEFAULT, KIN, policy
from grouping.recent import KEPT, SAME
from grouping.tune import BURSTS, HALF, Tuning, play

WATCHED = 1024  # alerts that are looked at
SWALLOWED = 0.9  # of them in one incident
PAUSE = KEPT - WATCHED  # alerts until the next look: then none of those before are in sight
SILENCE = policy(DEFAULT).limit


def collapsed(tuning: Tuning) -> dict[str, Any] | None:
    """The evidence that the rule has collapsed, if it is time to look, and it has."""
    count = tuning.recent.count
    if not tuning.rule or count < WATCHED or count % (WATCHED // 2):
        return None
    at, codes = tuning.recent.window(count)
    at, codes = at[-WATCHED:], codes[:, -WATCHED:]
    weight = flood_weight(codes[SAME])
    _, largest = play(at, weight, _key(tuning, codes), policy(tuning.rule).limit)
    if largest <= SWALLOWED:
        return None
    bursts, plain = play(at, weight, None, SILENCE)
    if bursts < BURSTS or plain > HALF:
        return None
    return {
        "alerts": WATCHED,
        "largest": round(largest, 4),
        "largest_by_silence": round(plain, 4),
        "incidents_by_silence": bursts,
    }


def _key(tuning: Tuning, codes: Codes) -> Codes | None:
    """(N,) the key's values under the rule, 0 unknown; None where it has no key."""
    name = tuning.rule.partition("~")[0]
    if name == "*":
        return None
    if name != KIN:
        row: Codes = codes[tuning.recent.fields.index(name)]
        return row
    key: Codes = np.ones_like(codes[SAME])
    for kind, family in tuning.families.items():
        key[codes[SAME] == kind] = family
    return key
