"""From a correction to a lesson: which pairs of alerts it says belong together, and which not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from grouping.featurise import Featuriser
from grouping.lifecycle import direct_members, restored, tree
from grouping.memory import Pair, Saying, pair_of
from grouping.recent import Recent
from grouping.scope import Incident, Scope, StoredAlert
from grouping.state import State

LOOKED_AT = 24  # alerts of an incident, the first and the last so many
PARTS = 8  # incidents merged into it that are looked at
SAYINGS = 96  # of one lesson ...
KINDS = 32  # ... and of these, pairs of kinds that have a place before any further signatures
NEAREST = 8  # codes seen last on the other side that an alert is paired with
REACH = 1.5  # a silence that was told holds for one so many times as long, or as short
CHANCE = 1.0  # meetings by chance, from which on one saying is not enough
LEAST_S = 1.0  # and at least for so much more: clocks differ


class Seen(NamedTuple):
    """An alert as lessons see it: when, and its signature and kind."""

    at: float
    codes: Pair
    same: int  # code by which the recent alerts know it


def seen(scope: Scope, featurise: Featuriser, alerts: Iterable[tuple[str, StoredAlert]]) -> list[Seen]:
    """Alerts as lessons see them, by time."""
    found: list[Seen] = []
    for id, kept in alerts:
        features = featurise(restored(scope, id, kept))
        found.append(Seen(kept.at, features.told, features.same))
    return sorted(found)


def seen_in(state: State, scope: Scope, featurise: Featuriser, incident: Incident) -> list[Seen]:
    """The first and the last alerts of an incident, those of merged ones included."""
    found: dict[str, StoredAlert] = {}
    for part in islice(tree(state, scope, incident), PARTS):
        for newest_first in (False, True):
            found |= islice(direct_members(state, scope, part, newest_first), LOOKED_AT)
    return seen(scope, featurise, found.items())


def meetings(here: Sequence[Seen], there: Sequence[Seen]) -> dict[Pair, float]:
    """Pairs of codes of the two sides, at each level, and the silence between them when they first met, s."""
    found: dict[Pair, float] = {}
    last: tuple[dict[int, float], ...] = ({}, {}, {}, {})  # per side and level: code -> when it was seen last
    for at, side, codes in sorted([(one.at, 0, one.codes) for one in here] + [(one.at, 1, one.codes) for one in there]):
        for level, code in enumerate(codes):
            others = last[2 * (1 - side) + level]
            for other, when in islice(reversed(others.items()), NEAREST):
                found.setdefault(pair_of(code, other), at - when)
            own = last[2 * side + level]
            own.pop(code, None)
            own[code] = at
    return found


def together(recent: Recent, here: Sequence[Seen], there: Sequence[Seen]) -> list[Saying]:
    """The two sides belong together. What meets by chance within the time that this needs is not sure."""
    met = meetings(here, there)
    same = {one.codes[0]: one.same for side in (here, there) for one in side}
    rates = recent.rates({same[code] for pair in met if not pair[0] & 1 for code in pair})
    found: list[Saying] = []
    for pair, silence in met.items():
        until = silence * REACH + LEAST_S
        if not pair[0] & 1:
            found.append(Saying(pair, True, until, max(rates[same[code]] for code in pair) * until <= CHANCE))
        elif pair[0] != pair[1]:  # a kind says nothing about itself
            found.append(Saying(pair, True, until))
    return found


def noise(alerts: Sequence[Seen]) -> list[Saying]:
    """None of them belongs to anything: whatever was said of pairs of them before does not hold."""
    return [Saying(pair, False, -1.0) for pair in meetings(alerts, alerts) if not pair[0] & 1]


def apart(here: Sequence[Seen], there: Sequence[Seen]) -> list[Saying]:
    """The two sides do not belong together.

    What both sides have tells them apart only by a silence longer than any within a side.
    """
    usual: dict[int, float] = {}
    for side in (here, there):
        last: dict[int, float] = {}
        for at, (signature, _), _ in side:
            usual[signature] = max(usual.get(signature, 0.0), at - last.get(signature, at))
            last[signature] = at
    both = {one.codes[0] for one in here} & {one.codes[0] for one in there}
    kinds = {one.codes[1] for one in here} & {one.codes[1] for one in there}
    found: list[Saying] = []
    for (one, other), silence in meetings(here, there).items():
        if one == other:
            if not one & 1 and silence > REACH * usual[one]:
                found.append(Saying((one, other), False, silence / REACH))
        elif not {one, other} & (kinds if one & 1 else both):
            found.append(Saying((one, other), False, 0.0))
    return found


def revoked(joined: Iterable[Pair], here: Sequence[Seen], there: Sequence[Seen]) -> list[Saying]:
    """Of the pairs that were said to belong together, those that are divided between the two sides now do not.

    Whoever merges two incidents and then moves out what is wrong in them has not meant what the merge said of it.
    """
    ours = {code for one in here for code in one.codes}
    theirs = {code for one in there for code in one.codes}
    return [
        Saying((one, other), False, 0.0)
        for one, other in joined
        if (one in ours and other in theirs and one not in theirs and other not in ours)
        or (one in theirs and other in ours and one not in ours and other not in theirs)
    ]


def in_turn(first: Sequence[Saying], second: Sequence[Saying]) -> list[Saying]:
    """One of each in turn, so that where places are few neither has them all."""
    found: list[Saying] = []
    for place in range(max(len(first), len(second))):
        found += [*first[place : place + 1], *second[place : place + 1]]
    return found


def lesson(sayings: Iterable[Saying]) -> tuple[Saying, ...]:
    """What a lesson keeps: for each pair what was said last, in the order given, signatures before kinds.

    A third of the places is for kinds, if there are so many: of all that is said they alone hold for what was never seen.
    """
    latest = {saying.pair: saying for saying in sayings}
    kinds = [saying for pair, saying in latest.items() if pair[0] & 1]
    exact = [saying for pair, saying in latest.items() if not pair[0] & 1]
    places = SAYINGS - min(len(kinds), KINDS)
    return tuple((exact[:places] + kinds)[:SAYINGS])
