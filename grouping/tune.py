"""A scope finds its own shape: which field keeps its incidents apart and which silence ends one, without labels.

For every field (and for none) and every time scale, pairs.py says how many alerts stand together beyond chance (X) and
how many by chance (B). A good key holds nearly all that stand together, at a scale at which few others do:

    score = 2 X / (2 X + B + M - X),   M = the largest X of all

which is the F measure of the pairs, with X found, B false and M - X missed. No field can have more X than all alerts
together. But lone alerts at a steady pace shun each other, which lowers the X of all. So a field with next to none of the
pairs that are close by chance is measured by those alerts only that have a close one of the same value: what all pairs of
these have in excess is the most that it can have, and what it should have, too (M). Clusters may be made of clusters: alerts of
the same instant within a fault of minutes. Then the score has two peaks with a dip between them, and the longer scale is
taken where its peak is nearly as high; at the shortest scale of all, and early at the next one, there is no telling, and the scope waits. The best field and scale become the rule

    join the key's last incident while the silence <= clip(40 x its mean inter-arrival time, low, high)

with high = the scale and low = the shortest one at which X is still 70 % of that, at most two octaves less; low = high
where incidents that pause longer than their pace allows go on all the same, and not by chance (made.py). A rule is taken only if it would make
at least 5 incidents of 3 or more alerts of what was looked at, none that swallows half of it, and where most alerts stand
alone, not only pieces of what silence alone puts together. 3 such incidents are enough for a first choice that next to nothing
speaks against: with fewer than 5, one that swallows half is no reason to try the next best, but to wait.

Nights and weekends, pauses of another kind than those between incidents, would make a day the incident. They are shortened
(stretches.py), and what is found then has to make several incidents of what lies between two of them, and not of
copies; else they are left as they are.

Where no field is the key, kinds of alert that keep to themselves (kin.py) are told apart from all others: the key is then
``kin``, the family of a kind.

The work is cut into slices by counts of alerts, so that no decision waits for it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from grouping import kin, pairs
from grouping.layout import NAMED_FIELDS
from grouping.made import BURST, HALF, Cut, cut, goes_on, of, tears
from grouping.pairs import Codes, Excess, Floats
from grouping.policy import KIN, RELATIVE, Limit, policy, rule_name
from grouping.recent import KEPT, SAME, Recent
from grouping.stretches import breaks, shortened

FIRST = 128  # alerts before the first look
SLICE = 4  # alerts between two slices of one look
PROBES = 1024  # alerts whose neighbours are counted
KNOWN = 0.6  # share of alerts that must have a field for it to be a key
SPAN = 40.0  # scales longer than the time looked at / this cannot be told from chance
ENOUGH, SURE = 8.0, 6.0  # least X, in alerts and in standard deviations of chance
OVER, SLACK = 1.1, 3.0  # a field with more X than all alerts together clusters in time by itself (the hour of day)
APART = 0.05  # share of all pairs that are close by chance: a field with fewer is measured by its own alerts
LEAST = 0.6  # the lowest score that is worth a rule
CAUTION = 25.6  # alerts: this share of those looked at a score has to be above LEAST, and a field better than no field
STAY = 1.05  # what the present key's score counts for: a rule should not change for nothing
OUTER, DIP = 0.85, 0.95  # a peak at a longer scale is taken from this share of the best score on, past a dip this deep
PLATEAU, OCTAVES = 0.7, 2  # share of X that the shortest silence must keep, and how far below the longest it may be
INSTANT, EARLY = 0.125, 400  # s, alerts: while there are so few, what stands that close is taken for copies
BURSTS = 5  # incidents of 3 or more alerts that a rule has to make
FEW, CLEAR = 3, 0.9  # as many are enough from that score on
EACH = 4  # such incidents per stretch between two pauses, where pauses are shortened
COPIES = 8.0  # grains of the clock that copies of one instant span
TRIES = 12  # rules played before a look gives up
NEAR = 0.5  # of the longest silence: how near kinds have to be to meet
LABELS = 256  # kinds of which a person can be told


class Ground(NamedTuple):
    """What a look works on: the alerts before the ``end``-th, and what stands together of all of them."""

    end: int
    pairs: pairs.Background
    codes: Codes
    everything: Excess


@dataclass(slots=True)
class Look:
    """One look at the alerts before the ``end``-th, while it goes on."""

    end: int
    scales: list[float] = field(default_factory=list)  # s
    grain: float = 0.0  # of the clock, s
    fields: list[str] = field(default_factory=list)  # keys looked at, "*" first
    found: list[list[list[float]]] = field(default_factory=list)  # per key [X, B, X if sure, incidents], each per scale
    refused: list[list[Any]] = field(default_factory=list)  # [key, scale, why]
    row: int = 0  # next field
    rule: str = ""  # the one found, when only families of kinds are still looked for
    pieces: int = 0  # of that look already done
    pauses: list[float] = field(default_factory=list)  # that decided: how many, how many by chance
    most: float = 0.0  # M
    breaks: list[int] = field(default_factory=list)  # how many pauses are to be shortened, the number tried now first


@dataclass(slots=True)
class Tuning:
    """What a scope's tuning knows. ``rule`` is the name of the rule it chose last, "" for none."""

    recent: Recent = field(default_factory=Recent)
    next_at: int = FIRST
    look: Look | None = None
    rule: str = ""
    since: int = -1  # number of the first alert that it decided; -1: none, or something else decided meanwhile
    families: dict[int, int] = field(default_factory=dict)  # code of a kind that keeps to itself -> of its family
    labels: dict[int, str] = field(default_factory=dict)  # of the kinds seen last
    # Worked out again after a restore; not part of the state:
    ground: Ground | None = None
    work: kin.Work | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a look ended with: a rule's name, "" for none, the evidence, and the families that its key is made of."""

    rule: str
    evidence: dict[str, Any]
    families: dict[int, int] = field(default_factory=dict)


def observe(tuning: Tuning, at: float, same: int, codes: list[tuple[str, int]], label: str = "") -> Found | None:
    """Take an alert in; what a look found, if one ends with it. ``same``: the code of its kind, ``label`` its name."""
    recent = tuning.recent
    if not recent.take(at, same, codes):
        return None
    labels = tuning.labels
    labels.pop(same, None)
    labels[same] = label
    if len(labels) > LABELS:
        del labels[next(iter(labels))]
    count = recent.count
    if tuning.look is None:
        if count >= tuning.next_at:
            tuning.look = Look(count)
            tuning.next_at = count + min(count // 2, KEPT)
            _ground(tuning, tuning.look)  # a piece of its own, and the longest
        return None
    if (count - tuning.look.end) % SLICE:
        return None
    found = _slice(tuning, tuning.look)
    if found is not None and not found.rule and len(tuning.look.breaks) > 1:
        tuning.look = Look(tuning.look.end, grain=tuning.look.grain, breaks=tuning.look.breaks[1:])
        tuning.ground = tuning.work = None
    elif found is not None:
        tuning.look = tuning.ground = tuning.work = None
        if found.rule != tuning.rule:
            tuning.since = count if found.rule else -1
        tuning.rule, tuning.families = found.rule, found.families
    return found


def fall_back(tuning: Tuning, until: int) -> None:
    """Drop the rule, and look for another one when there have been ``until`` alerts."""
    tuning.rule, tuning.families, tuning.since = "", {}, -1
    tuning.look = tuning.ground = tuning.work = None
    tuning.next_at = until


def _slice(tuning: Tuning, look: Look) -> Found | None:
    """One piece of a look: a field, or at the end a rule to try."""
    ground = _ground(tuning, look)
    if not look.scales:
        return Found("", {"alerts": len(ground.pairs.at), "why": "too short a time"})
    if look.rule:
        return _kin(tuning, look, ground.pairs, ground.codes)
    if not look.fields:
        _note(look, "*", ground, ground.everything)
        return None
    fields = tuning.recent.fields
    while look.row < len(fields):
        code, name = ground.codes[look.row], fields[look.row]
        look.row += 1
        if _readable(name) and (code > 0).mean() >= KNOWN and code.min() != code.max():
            _note(look, name, ground, pairs.excess(ground.pairs, code))
            return None
    return _try(tuning, look, ground.pairs, ground.codes)


def _readable(name: str) -> bool:
    """Whether a policy's name can hold the field."""
    return not set(name) & set("~=+()*")


def _ground(tuning: Tuning, look: Look) -> Ground:
    known = tuning.ground
    if known is not None and known.end == look.end:
        return known
    at, codes = tuning.recent.window(look.end)
    if not look.breaks:
        look.grain, look.breaks = pairs.resolution(at), breaks(at)
    at = shortened(at, look.breaks[0])
    if not look.scales:
        longest = float(at[-1] - at[0]) / SPAN
        look.scales = [scale for scale in pairs.SCALES if look.grain <= scale <= longest]
    found = pairs.background(at, pairs.flood_weight(codes[SAME]), look.scales or [1.0], look.grain, PROBES)
    tuning.ground = Ground(look.end, found, codes, pairs.excess(found, None))
    return tuning.ground


def _note(look: Look, name: str, ground: Ground, found: Excess) -> None:
    """Take down what stands together by a key; ``everything`` by none, ``found`` was looked at last."""
    everything = ground.everything
    own = [0.0] * len(found.x)
    apart = [b <= APART * chance for b, chance in zip(found.b, everything.b, strict=True)]
    if found is not everything and any(apart):
        around = pairs.around(ground.pairs)
        own = [x if alone else 0.0 for x, alone in zip(around, apart, strict=True)]
    sure = [
        x if x >= ENOUGH and x >= SURE * sd and x <= OVER * max(total, most) + SLACK * sd else 0.0
        for x, total, sd, most in zip(found.x, everything.x, everything.spread, own, strict=True)
    ]
    look.most = max([look.most, *sure, *(most for most, x in zip(own, sure, strict=True) if x)])
    look.fields.append(name)
    look.found.append([found.x, found.b, sure, [float(count) for count in found.incidents]])


def scores(look: Look) -> list[list[float]]:
    """The score of every key looked at, at every scale; 0 where there is too little to tell it from chance."""
    return [
        [2.0 * x / (2.0 * x + b + look.most - x) if x else 0.0 for x, b in zip(sure, bs, strict=True)]
        for _, bs, sure, _ in look.found
    ]


def _best(tuning: Tuning, look: Look, table: list[list[float]]) -> tuple[float, int, int]:
    """The score, key and scale to try next: those refused left out, the present key and no key at an advantage."""
    stay = tuning.rule.partition("~")[0].replace(KIN, "*")
    found, most = (0.0, 0, 0), 0.0
    for key, (name, row) in enumerate(zip(look.fields, table, strict=True)):
        since = _refused_from(look, name)
        worth = STAY if name == stay else 1.0
        if name == "*":
            worth *= 1.0 + _caution(look)
        for place, score in enumerate(row):
            if look.scales[place] < since and score * worth > most:
                found, most = (score, key, place), score * worth
    return found


def _caution(look: Look) -> float:
    return CAUTION / min(look.end, KEPT)


def _refused_from(look: Look, name: str) -> float:
    """The shortest scale of a key that was refused, s."""
    return min((scale for refused, scale, _ in look.refused if refused == name), default=float("inf"))


def outermost(row: list[float], best: int, end: int) -> int:
    """The place of the last peak before ``end`` that is nearly as high as the one at ``best``, past a dip; else that."""
    for place in range(end - 1, best, -1):
        score = row[place]
        peak = score >= row[place - 1] and (place + 1 == len(row) or score >= row[place + 1])
        if peak and score >= OUTER * row[best] and min(row[best:place]) < DIP * score:
            return place
    return best


def _try(tuning: Tuning, look: Look, ground: pairs.Background, codes: Codes) -> Found | None:
    """Play the best rule that was not refused; the answer, or None when the next one is to be tried."""
    table = scores(look)
    score, key, scale = _best(tuning, look, table)
    if score < LEAST + _caution(look) or len(look.refused) >= TRIES:
        return Found("", _evidence(look, table))
    name, xs = look.fields[key], look.found[key][0]
    scale = outermost(table[key], scale, bisect_left(look.scales, _refused_from(look, name)))
    pauses, copies = look.breaks[0], INSTANT if len(ground.at) < EARLY else pairs.SCALES[0]
    if look.scales[scale] <= (max(copies, COPIES * look.grain) if pauses else copies):
        look.refused.append(
            [name, look.scales[scale], "copies of one instant; the fault they are part of is not seen yet"]
        )
        return Found("", _evidence(look, table))
    code = None if name == "*" else codes[tuning.recent.fields.index(name)]
    parted = _cut(look, ground.at, code, xs, scale)
    limit, made = parted.limit, of(parted, ground.weight)
    clear = not look.refused and table[key][scale] >= CLEAR and made.largest <= HALF
    needed = max(EACH * (1 + pauses) if pauses else 0, FEW if clear else BURSTS)
    if made.bursts < needed:  # and any other rule would be chosen for being worse: wait for more
        why = f"{made.bursts} incidents of {BURST} or more alerts; {needed} needed"
        look.refused.append([name, look.scales[scale], why])
        return Found("", _evidence(look, table))
    if tears(ground.at, ground.weight, code, made):
        look.refused.append([name, look.scales[scale], "pieces of the incidents that silence alone makes"])
        return Found("", _evidence(look, table))
    if made.largest > HALF:
        look.refused.append([name, look.scales[scale], f"one incident with {round(100 * made.largest)} % of all"])
        return None
    look.rule = rule_name(name, limit)
    return None if name == "*" else Found(look.rule, _evidence(look, table))


def _cut(look: Look, at: Floats, code: Codes | None, xs: list[float], scale: int) -> Cut:
    """The alerts parted by the rule of a key with X ``xs`` whose best scale that is: its shortest silence is found here."""
    low, scales = scale, look.scales
    while low and scale - low < OCTAVES and xs[low - 1] >= PLATEAU * xs[scale]:
        low -= 1
    parted = cut(at, code, Limit(RELATIVE, scales[low], scales[scale]))
    pauses = goes_on(at, parted)
    if not pauses.no_chance:
        return parted
    look.pauses = [pauses.near, round(pauses.far, 1)]
    return cut(at, code, Limit(RELATIVE, scales[scale], scales[scale]))


def _kin(tuning: Tuning, look: Look, ground: pairs.Background, codes: Codes) -> Found | None:
    """One piece of the look for kinds that keep to themselves; with the last one the look ends."""
    if tuning.work is None:
        tuning.work = kin.begin(ground.at, _kinds(tuning.recent.fields, codes), NEAR * policy(look.rule).limit.high)
        for _ in range(look.pieces):
            kin.advance(tuning.work)
    look.pieces += 1
    if not kin.advance(tuning.work):
        return None
    families, evidence = tuning.work.apart, _evidence(look, scores(look))
    if not families:
        return Found(look.rule, evidence)
    evidence[KIN] = _told(tuning.labels, families, codes[SAME])
    return Found(look.rule.replace("*", KIN, 1), evidence, families)


def _kinds(fields: list[str], codes: Codes) -> Codes:
    """(N,) the codes of the alerts' kinds; 0 for an alert that lacks a named field which most have."""
    kinds: Codes = codes[SAME].copy()
    for row, name in enumerate(fields):
        if name in NAMED_FIELDS and (codes[row] > 0).mean() >= KNOWN:
            kinds[codes[row] == 0] = 0
    return kinds


def _told(labels: dict[int, str], families: dict[int, int], same: Codes) -> list[dict[str, Any]]:
    """The families for people, the largest first."""
    told: list[dict[str, Any]] = []
    for family in sorted(set(families.values())):
        kinds = [code for code, own in families.items() if own == family]
        alerts = int(np.isin(same, np.array(kinds, same.dtype)).sum())
        told.append({"kinds": sorted(labels.get(code, f"{code:08x}") for code in kinds), "alerts": alerts})
    return sorted(told, key=lambda one: (-one["alerts"], one["kinds"]))


def _evidence(look: Look, table: list[list[float]]) -> dict[str, Any]:
    """What a person can check: per key its best score, at which silence, and what stands together there.

    ``scores`` and ``incidents`` are given at each of ``silences_s``, to be drawn.
    """
    keys: dict[str, Any] = {}
    for name, row, (xs, bs, _, incidents) in zip(look.fields, table, look.found, strict=True):
        scale = max(range(len(xs)), key=lambda s: (row[s], xs[s] - bs[s]))
        keys[name] = {
            "score": round(row[scale], 4),
            "silence_s": look.scales[scale],
            "together": round(xs[scale], 1),
            "chance": round(bs[scale], 1),
            "scores": [round(score, 3) for score in row],
            "incidents": [int(count) for count in incidents],
        }
    evidence: dict[str, Any] = {
        "alerts": min(look.end, KEPT),
        "clock_s": look.grain,
        "silences_s": look.scales,
        "keys": keys,
        "refused": [{"key": key, "silence_s": scale, "why": why} for key, scale, why in look.refused],
    }
    if look.breaks[0]:
        evidence["shortened"] = look.breaks[0]
    if look.pauses:
        evidence["pauses"] = {"went_on": int(look.pauses[0]), "chance": look.pauses[1]}
    return evidence
