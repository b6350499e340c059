"""A rule may stop telling incidents apart, or start to tear them: its field is filled with one value, or with a new one each time.

Twice in so many alerts the rule is played on the latest of them, beside plain silence. If that makes several incidents and
none with half of all, the rule has failed where

- one incident swallows nearly all, floods aside: the field says the same for everybody, or teams fail together;
- nearly every alert is alone, of which silence leaves at most half alone: the field says something else each time.

Then what decided before decides again, and where the scope had found the rule itself, a look at what came after can find
another one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from grouping.made import HALF, SILENCE, play
from grouping.pairs import Codes, flood_weight
from grouping.policy import KIN, learned, policy
from grouping.recent import KEPT, SAME
from grouping.tune import BURSTS, Tuning

WATCHED = 1024  # alerts that are looked at
SWALLOWED = 0.9  # of them in one incident
SCATTERED = 0.9  # of those with a key alone
PAUSE = KEPT - WATCHED  # alerts until the next look: then none of those before are in sight


def failed(tuning: Tuning, promoted: str) -> dict[str, Any] | None:
    """The evidence that the rule which decides has failed, if it is time to look, and it has.

    ``promoted``: the name of the policy that corrections promoted, "" for none.
    """
    count = tuning.recent.count
    if count % (WATCHED // 2) or count < WATCHED:
        return None
    name = promoted or (learned(tuning.rule) if tuning.rule else "")
    if not name:
        return None
    rule = policy(name)
    at, codes = tuning.recent.window(count, WATCHED)
    weight, key = flood_weight(codes[SAME]), _key(tuning, rule.key, codes)
    made, plain = play(at, weight, key, rule.limit), play(at, weight, None, SILENCE)
    if plain.bursts < BURSTS or plain.largest > HALF:
        return None
    if made.largest > SWALLOWED and not promoted:
        return {
            "alerts": WATCHED,
            "largest": round(made.largest, 4),
            "largest_by_silence": round(plain.largest, 4),
            "incidents_by_silence": plain.bursts,
        }
    known = WATCHED if key is None else int(np.count_nonzero(key))
    if known >= HALF * WATCHED and made.alone >= SCATTERED * known and plain.alone <= HALF * WATCHED:
        return {
            "alerts": WATCHED,
            "alone": made.alone,
            "alone_by_silence": plain.alone,
            "incidents_by_silence": plain.bursts,
        }
    return None


def _key(tuning: Tuning, fields: tuple[str, ...], codes: Codes) -> Codes | None:
    """(N,) the key's values under the rule, 0 unknown; None where it has no key."""
    if not fields:
        return None
    if len(fields) == 1:
        return _values(tuning, fields[0], codes)
    rows = np.stack([_values(tuning, name, codes) for name in fields])
    _, place = np.unique(rows, axis=1, return_inverse=True)
    key: Codes = (1 + place.ravel()).astype(np.uint32)
    key[(rows == 0).any(axis=0)] = 0
    return key


def _values(tuning: Tuning, name: str, codes: Codes) -> Codes:
    """(N,) what stands in a field of the alerts, 0 for unknown; a field that was never seen is unknown to all."""
    values: Codes = np.zeros_like(codes[SAME])
    if name == KIN:
        values += 1
        for kind, family in tuning.families.items():
            values[codes[SAME] == kind] = family
    elif name in tuning.recent.fields:
        values = codes[tuning.recent.fields.index(name)]
    return values
