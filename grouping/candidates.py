"""Which open incidents an alert could join: those responders told of, the latest and the most alike; at most 16."""

from __future__ import annotations

from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.config import Config
from grouping.featurise import Features
from grouping.layout import CANDIDATES, VALUES
from grouping.records import Bound, LeftOut
from grouping.scope import Incident, Scope

RECENT: Final = 4  # places for the incidents touched last, whatever they look like
HINTED: Final = 8  # and for those that lessons speak of ...
PARTNERS: Final = 32  # ... looked for by so many codes
INFINITE: Final = float("inf")


Singles = NDArray[np.float32]


class Candidates(NamedTuple):
    """``slots`` of the incidents in the arena; ``turn`` is the place of the one whose turn it is, -1 for none.

    ``turn_untold`` is the same if responders had said nothing.

    ``told``: for each, what responders said (see Memory.told); None where they said nothing of any.

    ``left_out``: the slot of the key's last incident where it cannot be joined, else -1.
    """

    incidents: list[Incident]
    slots: list[int]
    turn: int
    turn_untold: int
    told: list[tuple[int, str]] | None
    left_out: int


def window(config: Config, scope: Scope) -> float:
    """Seconds after its last alert during which an incident takes new ones: the scope's own pace, within bounds."""
    return min(max(config.window_pace * scope.pace.slow, config.window_min_s), config.window_max_s)


def candidates(
    config: Config, scope: Scope, at: float, features: Features, bits: Singles, key: str | None, open_minded: bool
) -> Candidates:
    """The incidents near an alert at time ``at``.

    ``bits``: how rare each feature is in the scope, see learn.bits. ``key``: its policy key, None where a part of it is
    unknown: then it is nobody's turn, or, if ``open_minded``, that of the nearest of all. Incidents that are full,
    too old or silent for too long are left out.
    """
    joinable = scope.joinable
    reach = window(config, scope)
    last = _last(config, scope, at, key, reach) if key is not None or open_minded else -1
    near = list(reversed(joinable)) if len(joinable) <= CANDIDATES else _near(scope, at - reach, features, bits, last)
    slots = scope.arena.fitting(near, at - reach, at + reach, at - config.age_max_s, config.size_max)
    incidents = [joinable[slot] for slot in slots]
    turn = slots.index(last) if last in slots else -1
    told, turn_untold = None, turn
    if incidents and scope.memory.partners:
        told = [scope.memory.told(features.told, at, one.seen) for one in incidents]
        if turn >= 0 and told[turn][0] < 0:
            turn = _next_turn(config, scope, at, key, slots, told)
    return Candidates(
        incidents,
        slots,
        turn,
        turn_untold,
        told if told is not None and any(said for said, _ in told) else None,
        last if turn_untold < 0 else -1,
    )


def left_out(config: Config, scope: Scope, at: float, slot: int) -> LeftOut:
    """Why the incident in that slot could not be joined at ``at``."""
    one = scope.joinable[slot]
    silence = max(at - one.last_at, one.first_at - at, 0.0)
    if one.count >= config.size_max:
        why = Bound.FULL
    elif one.first_at < at - config.age_max_s:
        why = Bound.OLD
    else:
        why = Bound.SILENT if one.last_at < at else Bound.LATER
    return LeftOut(one.id, why, silence, scope.limit.after(one.last_at - one.first_at, one.count))


def _near(scope: Scope, since: float, features: Features, bits: Singles, last: int) -> list[int]:
    """The slots to look at where there are many: touched last, ``last``, spoken of by lessons, most alike."""
    near = list(islice(reversed(scope.joinable), RECENT))
    if last >= 0 and last not in near:
        near[-1] = last
    if scope.memory.partners:
        near += [slot for slot in _hinted(scope, features.told) if slot not in near]
    near += scope.arena.alike(since, features.rows[VALUES:], features.usual, bits, CANDIDATES, near)
    return near


def _next_turn(
    config: Config, scope: Scope, at: float, key: str | None, slots: list[int], told: list[tuple[int, str]]
) -> int:
    """Not the key's last incident, responders said: then it is the turn of the nearest of which they did not."""
    turns = scope.turns.get(key, {}) if key is not None else scope.joinable
    left = [slot for slot in islice(reversed(turns), CANDIDATES) if slot in slots and told[slots.index(slot)][0] >= 0]
    nearest = _nearest(config, scope, at, left)
    if nearest < 0 and left:
        nearest = left[0]
    return slots.index(nearest) if nearest >= 0 else -1


def _hinted(scope: Scope, codes: tuple[int, int]) -> list[int]:
    """The slots that saw last what lessons pair with the codes of an alert."""
    found: dict[int, None] = {}
    for code in codes:
        for partner in scope.memory.friends(code)[:PARTNERS]:
            for slot in islice(reversed(scope.marks.get(partner, {})), HINTED):
                found[slot] = None
                if len(found) == HINTED:
                    return list(found)
    return list(found)


def _last(config: Config, scope: Scope, at: float, key: str | None, reach: float) -> int:
    """The slot whose turn it is to take an alert with this key, or any alert if that is None; -1 for none.

    That is the nearest in time. Where none is in time it is the one that took an alert last; but one that only begins
    later than it could have joined at ``at``, or ended more than ``reach`` s before that, is passed over where there is
    another.
    """
    turns = scope.joinable if key is None else scope.turns.get(key, {})
    latest = list(islice(reversed(turns), CANDIDATES))
    found = _nearest(config, scope, at, latest)
    if found >= 0:
        return found
    for slot in latest:
        one = scope.joinable[slot]
        before = one.first_at - at
        begun = before <= 0.0 or before <= (
            reach if key is None else scope.limit.after(one.last_at - one.first_at, one.count)
        )
        if begun and one.last_at >= at - reach:
            return slot
        if found < 0 and (begun or key is None):
            found = slot
    return found


def _nearest(config: Config, scope: Scope, at: float, slots: list[int]) -> int:
    """Of the slots that may take an alert of ``at`` by the rule the nearest in time, of equals the first; -1 for none.

    In a stream in order that is the one that took an alert last. After a late alert, or where clocks differ, it is not:
    the incident that took the late one must not hide that of the present. One that is full or too old takes none.
    """
    found, least, oldest = -1, INFINITE, at - config.age_max_s
    for slot in slots:
        one = scope.joinable[slot]
        before, silence = one.first_at - at, at - one.last_at
        if before > silence:
            silence = before
        if silence < 0.0:
            silence = 0.0
        full = one.count >= config.size_max or one.first_at < oldest
        if silence < least and not full and silence <= scope.limit.after(one.last_at - one.first_at, one.count):
            found, least = slot, silence
    return found
