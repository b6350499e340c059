"""Why a decision came out as it did: what each feature added to the score, and the same in words.

A score is the sum of weight times feature, in single precision, in the order of FEATURE_NAMES. Added up in that order,
in single precision, the contributions give the score to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grouping.layout import (
    FEATURES,
    FRESH_MINUTE,
    IN_TIME,
    MATCH,
    NAMED_FIELDS,
    RULED,
    TEMPLATE,
    TOLD,
    TURN,
)
from grouping.learners.linear import Linear
from grouping.policy import KIN, policy
from grouping.records import Action, Decision, Reason

ALIKE = 0.5  # from here on a match is worth a word


def contributions(name: str, features: NDArray[np.float32]) -> dict[str, float]:
    """What each feature (FEATURES,) added under the policy of that name; those that added nothing are left out.

    Empty for a plain rule, which adds nothing up.
    """
    learner = policy(name).learner
    if not isinstance(learner, Linear):
        return {}
    parts = (learner.weights.take(learner.rows) * features.take(learner.rows)).tolist()
    return {feature: part for feature, part in zip(learner.names, parts, strict=True) if part}


def added_up(parts: Mapping[str, float]) -> float:
    """The score that contributions give, in order and single precision."""
    total = np.float32(0)
    for part in parts.values():
        total += np.float32(part)
    return float(total)


def why(decision: Decision) -> dict[str, float]:
    """The contributions to the score of what was done."""
    choice = decision.choice
    if choice is None or not choice.columns or not isinstance(policy(choice.policy).learner, Linear):
        return {}
    table = np.frombuffer(choice.features, "<f4").reshape(FEATURES, len(choice.columns))
    return contributions(choice.policy, table[:, int(decision.action is Action.JOIN)])


def in_words(
    reason: Reason,
    name: str,
    joined: NDArray[np.float32] | None,
    values: Mapping[str, str],
    margin: float | None,
    told: Sequence[str],
) -> str:
    """Why an alert joined or opened, for a person who is tired.

    ``joined``: the features (FEATURES,) of the incident that it joined, or that it could have joined; None if there was
    none. ``values``: the alert's named fields. ``told``: what responders said, a sentence each.
    """
    if reason is Reason.BYPASSED:
        return "The engine was late or could not decide: opened ungrouped, so that nobody waits."
    if joined is None:
        return "No open incident was near enough to be looked at."
    said = list(told) if reason is Reason.TOLD else []
    said += _alike(joined, values)
    said.append(_rule(name, joined))
    if reason is Reason.EXPLORED:
        said.append("drawn by lot among near ties, to learn from it")
    if margin is not None:
        said.append(f"{margin:.2f} ahead of the next best" if margin >= 0 else f"{-margin:.2f} behind the best")
    if reason is not Reason.TOLD and told:
        said += told
    return "; ".join(said)


def _alike(features: NDArray[np.float32], values: Mapping[str, str]) -> list[str]:
    """What the alert shares with the incident's alerts, and what not."""
    same = [name for place, name in enumerate(NAMED_FIELDS) if features[MATCH + place] >= ALIKE and name in values]
    differ = [name for place, name in enumerate(NAMED_FIELDS) if features[MATCH + place] <= -ALIKE and name in values]
    if features[TEMPLATE] >= ALIKE:
        same.append("kind of title")
    found = [f"same {_listed(same)}"] if same else []
    return found + ([f"another {_listed(differ)}"] if differ else [])


def _rule(name: str, features: NDArray[np.float32]) -> str:
    now = policy(name)
    fresh, in_time = float(features[FRESH_MINUTE]), float(features[IN_TIME])
    silence = 60.0 * (1.0 - fresh) / fresh if fresh else 0.0
    allowed = silence * in_time / (1.0 - in_time) if 0.0 < in_time < 1.0 else None
    key = "of all" if not now.key else "of its kin" if now.key == (KIN,) else f"with the same {_listed(now.key)}"
    turn = f"the latest incident {key}" if features[TURN] else f"not the latest incident {key}"
    limit = f", {_seconds(allowed)} allowed" if allowed is not None else ""
    return f"{turn}, {_seconds(silence)} after its last alert{limit} ({name})"


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value < 600 else f"{value / 60:.0f} min"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def ruled(reason: Reason, features: NDArray[np.float32] | None) -> str:
    """What settled it: ``lesson``, ``lot``, ``rule``, ``score``, ``no choice`` or ``bypass``."""
    if reason is Reason.BYPASSED:
        return "bypass"
    if features is None:
        return "no choice"
    if reason is Reason.TOLD:
        return "lesson"
    if reason is Reason.EXPLORED:
        return "lot"
    return "rule" if features[RULED] or not features[TOLD] else "score"


def said_by(feedback: str, record: Mapping[str, Any] | None, belongs: bool) -> str:
    """What a lesson said, and who."""
    who = (record or {}).get("actor") or "somebody"
    return f"{feedback} by {who} said that these {'belong' if belongs else 'do not belong'} together"
