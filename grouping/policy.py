"""What decides in a scope, by a name a person can read.

*~1s                relative silence, no key: join the last incident while it was silent for at most 40 times its
                    own mean inter-arrival time, but at least 1 s and at most 30 s
service~5s          the same per service, at least 5 s
service~5-120s      the same, at most 120 s
service+class=300s  per service and class, silent for at most 300 s
linear(*~1s)        a linear score by time and pace, whose feature in_time is measured by the rule in brackets
kin~1-4s            no key, but kinds of alert that keep to themselves are apart, as far as the scope found them
learned(service~5s) the rule in brackets, until responders teach otherwise
default             what the scope finds by itself; until it has, linear(*~2s)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from grouping.layout import NAMED_FIELDS
from grouping.learners.base import Learner
from grouping.learners.linear import PACE, RULE, Linear
from grouping.learners.rules import Rules

DEFAULT: Final = "linear(*~2s)"
RELATIVE: Final = 40.0  # times an incident's mean inter-arrival time
KIN: Final = "kin"  # the key that is no field: the family of an alert's kind, see kin.py
HIGH_S: Final = 30.0  # the longest silence of a relative rule that names none


class BadPolicy(ValueError):
    """A policy name that cannot be read; the message says what can."""


class Limit(NamedTuple):
    """How long a silence an incident survives: clip(pace x its mean inter-arrival, low, high) seconds.

    While it has fewer than 3 alerts, or with pace 0: low.
    """

    pace: float
    low: float
    high: float

    def after(self, span: float, count: int) -> float:
        """The limit, s, for an incident of ``count`` alerts over ``span`` seconds."""
        if count < 3:
            return self.low
        silence = self.pace * span / (count - 1)
        return self.low if silence < self.low else self.high if silence > self.high else silence


@dataclass(frozen=True, slots=True)
class Policy:
    """A key, a limit on silence and a learner."""

    name: str
    key: tuple[str, ...]
    limit: Limit
    learner: Learner

    @property
    def open_minded(self) -> bool:
        """Whether an alert whose key is unknown may still join."""
        return isinstance(self.learner, Linear)


_RULE: Final = re.compile(
    r"(?P<key>\*|[^~=+()]+(?:\+[^~=+()]+){0,3})(?P<kind>[~=])"
    r"(?P<low>[0-9]{1,9}(?:\.[0-9]{1,6})?)(?:-(?P<high>[0-9]{1,9}(?:\.[0-9]{1,6})?))?s"
)


def rule_name(key: str, limit: Limit) -> str:
    """The name of a relative rule: ``service~5-60s``."""
    return f"{key}~{limit.low:g}-{limit.high:g}s"


def learned(rule: str) -> str:
    """The name of the policy that starts from a rule and learns."""
    return f"learned({rule})"


@lru_cache(maxsize=1024)
def policy(name: str) -> Policy:
    """The policy of that name. Raises BadPolicy."""
    rule = DEFAULT if name == "default" else name
    learner: Learner = Rules()
    for word, prior in (("linear", PACE), ("learned", RULE)):
        if rule.startswith(f"{word}(") and rule.endswith(")"):
            rule, learner = rule[len(word) + 1 : -1], Linear(prior)
            break
    match = _RULE.fullmatch(rule)
    if match is None:
        raise BadPolicy(
            f"{name!r}: expected a policy such as *~1s, service~5-60s, service+class=300s, linear(*~1s) or learned(service~5s)"
        )
    low = float(match["low"])
    high = float(match["high"] or max(low, HIGH_S))
    if match["kind"] == "=":
        if match["high"]:
            raise BadPolicy(f"{name!r}: a fixed silence is one number; write {match['key']}={match['high']}s")
        limit = Limit(0.0, low, low)
    else:
        limit = Limit(RELATIVE, low, high)
    if low <= 0 or high < low:
        raise BadPolicy(f"{name!r}: expected a silence above 0 s, the longest not below the shortest")
    key = () if match["key"] == "*" else tuple(match["key"].split("+"))
    for field in key:
        if field not in NAMED_FIELDS and field != KIN and not (field.startswith("details.") and field != "details."):
            raise BadPolicy(
                f"{name!r}: no field {field!r}; there are {', '.join(NAMED_FIELDS)}, {KIN} and details.<name>"
            )
    return Policy(name, key, limit, learner)
