"""Why a decision came out as it did: what each feature added to the score, and the same in words.

A score is the sum of weight times feature, in single precision, in the order of FEATURE_NAMES; under a plain rule it is
one number. Added up in that order, in single precision, the contributions give the score to the last bit.

The words are made of numbers that were logged, and must agree with the action: a silence that is allowed is named for
a rule, which allows one; for a score by time, the silence at which it turns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.layout import (
    FRESH_MINUTE,
    FRESH_PACE,
    IN_TIME,
    MATCH,
    NAMED_FIELDS,
    TEMPLATE,
    TOLD,
    TURN,
)
from grouping.learners.linear import Linear
from grouping.learners.rules import Rules
from grouping.policy import KIN, Policy, policy
from grouping.records import Action, Bound, Decision, LeftOut, Reason

_SINGLE = np.dtype("<f4")
ALIKE = 0.5  # from here on a match is worth a word

Option = NDArray[np.float32]  # (FEATURES,)


class Case(NamedTuple):
    """A decision as it was logged, as far as words need it.

    ``near``: the features of the incident that was joined, or of the one that was nearest to it; None if there was none.
    ``values``: the alert's named fields. ``unknown``: fields of the policy's key that it does not have. ``opening``:
    the score of opening an incident. ``runner_up``: the next best action, and how far the one taken is ahead of it.
    ``told``: what responders said, a sentence each. ``kept_out``: whether they kept it out of one of those compared.
    """

    action: Action
    reason: Reason
    policy: str
    near: Option | None
    values: Mapping[str, str]
    unknown: Sequence[str]
    opening: float
    runner_up: tuple[str | None, float] | None
    told: Sequence[str]
    kept_out: bool
    left_out: LeftOut | None
    together: tuple[int, int] | None


def contributions(name: str, option: Option) -> dict[str, float]:
    """What each feature of an option added to its score under the policy of that name; what added nothing is left out."""
    learner = policy(name).learner
    return learner.parts(option) if isinstance(learner, (Linear, Rules)) else {}


def why(decision: Decision) -> dict[str, float]:
    """The contributions to the score of what was done."""
    choice = decision.choice
    if choice is None or not choice.columns:
        return {}
    option = np.frombuffer(choice.features, _SINGLE)[int(decision.action is Action.JOIN) :: len(choice.columns)]
    return contributions(choice.policy, option)


def nearest(table: NDArray[np.float32], action: Action, reason: Reason) -> Option | None:
    """The incident to speak of: the one joined; else the one that responders ruled out, the key's last, the next best.

    ``table``: (FEATURES, n) of opening and the incidents compared, as in records.Choice. None if there was no incident.
    """
    if table.shape[1] < 2:
        return None
    wanted = (table[TOLD] < 0) if reason is Reason.TOLD else (table[TURN] > 0)
    found = wanted[1:].nonzero()[0]
    return table[:, 1 + int(found[0]) if action is Action.OPEN and len(found) else 1]


def silence(near: Option) -> float:
    """Seconds between the alert and the incident: after its last alert, or before its first."""
    fresh = float(near[FRESH_MINUTE])
    return 60.0 * (1.0 - fresh) / fresh if fresh else 0.0


def limit(case: Case) -> float | None:
    """The longest silence, s, at which the incident would have been joined; None where it cannot be told from the log.

    Of a rule what it allows the key's last incident. Of a score by time where it falls to that of opening.
    """
    near = case.near
    if near is None or case.reason in (Reason.TOLD, Reason.EXPLORED) or near[TOLD]:
        return None
    learner = policy(case.policy).learner
    if by_rule(learner):
        found = _allowed(near, IN_TIME) if near[TURN] else None
    else:
        found = _turning(learner, near, case.opening) if isinstance(learner, Linear) else None
    if found is None or (silence(near) <= found) != (case.action is Action.JOIN):
        return None
    return found


def by_rule(learner: object) -> bool:
    """Whether the policy's key and silence decide alone, as long as responders say nothing."""
    return isinstance(learner, Rules) or (isinstance(learner, Linear) and "ruled" in learner.names)


def _allowed(near: Option, row: int) -> float | None:
    """The time t of a feature t / (t + silence), s; None where there was no silence, and it cannot be told."""
    share = float(near[row])
    return silence(near) * share / (1.0 - share) if 0.0 < share < 1.0 else None


def _turning(learner: Linear, near: Option, opening: float) -> float | None:
    """The silence s at which a / (1 + s/l) + b / (1 + s/p) + rest falls to the score of opening."""
    low, pace = _allowed(near, IN_TIME), _allowed(near, FRESH_PACE)
    if low is None or pace is None:
        return None
    parts = learner.parts(near)
    rest = sum(part for name, part in parts.items() if name not in ("in_time", "fresh_pace")) - opening
    first, second = float(learner.weights[IN_TIME, 0]), float(learner.weights[FRESH_PACE, 0])
    if rest >= 0.0 or first + second + rest <= 0.0:
        return None  # joined after any silence, or after none
    # rest (l + s) (p + s) + a l (p + s) + b p (l + s) = 0
    linear = rest * (low + pace) + first * low + second * pace
    constant = (first + second + rest) * low * pace
    return (-linear - math.sqrt(linear * linear - 4.0 * rest * constant)) / (2.0 * rest)


def ruled(case: Case) -> str:
    """What settled it.

    ``lesson``, ``lot``, ``rule``, ``score``, ``cap`` (the incident is full, or too old), ``window`` (its last alert is
    too far away), ``no choice`` or ``bypass``.
    """
    settled = _SETTLED.get(case.reason)
    if settled is not None:
        return settled
    rule, left = by_rule(policy(case.policy).learner), case.left_out
    if case.action is Action.OPEN and left is not None and (not rule or left.silence <= left.limit):
        return "cap" if left.why in (Bound.FULL, Bound.OLD) else "window"
    if case.near is None:
        return "no choice"
    return "rule" if rule else "score"


_SETTLED = {Reason.BYPASSED: "bypass", Reason.TOLD: "lesson", Reason.EXPLORED: "lot", Reason.DUPLICATE: "repeat"}


def in_words(case: Case) -> str:
    """Why an alert joined or opened, for a person who is tired."""
    if case.reason is Reason.BYPASSED:
        return "The engine was late or could not decide: opened ungrouped, so that nobody waits."
    now, near = policy(case.policy), case.near
    said = list(case.told) if case.reason is Reason.TOLD else []
    if case.left_out is not None and case.reason is not Reason.TOLD:
        said.append(_left_out(now, case.left_out))
    if near is not None:
        said += _alike(near, case.values)
        if case.together is not None:
            both, rarer = case.together
            said.append(f"usually seen together (next to each other {both} times; the rarer was seen {rarer} times)")
        said += _turn(case, now, near)
    elif case.left_out is None:
        said.append("no open incident was near enough to be looked at")
    if case.runner_up is not None and not by_rule(now.learner):
        said.append(_margin(*case.runner_up))
    if case.reason is Reason.EXPLORED:
        said.append("drawn by lot among near ties, to learn from it")
    if case.reason is not Reason.TOLD:
        said += case.told
    return "; ".join(said)


def _alike(features: Option, values: Mapping[str, str]) -> list[str]:
    """What the alert shares with the incident's alerts, and what not."""
    same = [name for place, name in enumerate(NAMED_FIELDS) if features[MATCH + place] >= ALIKE and name in values]
    differ = [name for place, name in enumerate(NAMED_FIELDS) if features[MATCH + place] <= -ALIKE and name in values]
    if features[TEMPLATE] >= ALIKE:
        same.append("kind of title")
    found = [f"same {_listed(same)}"] if same else []
    return found + ([f"another {_listed(differ)}"] if differ else [])


def _turn(case: Case, now: Policy, near: Option) -> list[str]:
    """Which incident it is to the policy, the silence before the alert, and how long one may be."""
    rule, unknown = by_rule(now.learner), [f"its {_listed(case.unknown)} is unknown"] if case.unknown else []
    if case.action is Action.OPEN and rule and not near[TURN] and not near[TOLD]:
        if case.left_out is not None:
            return unknown
        return [f"{'; '.join(unknown) or f'no open incident {_of(now)} could take it'} ({now.name})"]
    gap, most = silence(near), limit(case)
    after = f"{_seconds(gap)} after its last alert" if gap else "no silence since its last alert"
    if near[TOLD] < 0:  # it may have been the latest: then it was passed over for what responders said
        return [*unknown, f"{after} ({now.name})"]
    which = "of all" if case.unknown else _of(now)
    if case.kept_out:  # that may have been the latest: the turn passes to the next one
        which += ", but for what people kept it out of"
    place = f"the latest incident {which}" if near[TURN] else f"not the latest incident {which}"
    if most is None:
        told = ""
    elif rule:
        told = f", {_seconds(most)} allowed"
    else:
        told = f", the score takes alerts up to {_seconds(most)}"
    return [*unknown, f"{place}, {after}{told} ({now.name})"]


def _margin(incident: str | None, ahead: float) -> str:
    other = "opening a new incident" if incident is None else f"joining {incident}"
    return f"{ahead:.2f} ahead of {other}" if ahead >= 0 else f"{-ahead:.2f} behind {other}"


def _of(now: Policy) -> str:
    return "of all" if not now.key else "of its kin" if now.key == (KIN,) else f"with the same {_listed(now.key)}"


def _left_out(now: Policy, left: LeftOut) -> str:
    reasons = {
        Bound.FULL: "is full (size_max)",
        Bound.OLD: "began too long ago (age_max_s)",
        Bound.SILENT: "had its last alert too long ago to be looked at",
        Bound.LATER: "begins too much later",
    }
    return f"{left.incident}, the latest {_of(now)}, {_seconds(left.silence)} away, {reasons[left.why]}"


def _seconds(value: float) -> str:
    if value < 600:
        return f"{value:.3g} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def repeated(line: Mapping[str, Any]) -> dict[str, Any]:
    """The explanation of a duplicate, from its output line."""
    words = (
        f"A repeat of {line['repeats']}, which was open in {line['incident']}: counted there, nothing else was decided."
    )
    kept = {key: line[key] for key in ("alert", "scope", "decision", "action", "incident", "reason", "repeats")}
    return kept | {"ruled": _SETTLED[Reason.DUPLICATE], "words": words}


def said_by(feedback: str, record: Mapping[str, Any] | None, belongs: bool) -> str:
    """What a lesson said, and who."""
    who = (record or {}).get("actor") or "somebody"
    return f"{feedback} by {who} said that these {'belong' if belongs else 'do not belong'} together"
