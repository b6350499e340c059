"""What decides in a scope, by a name a person can read.

*~1s                relative silence, no key: join the last incident while it was silent for at most 40 times its
                    own mean inter-arrival time, but at least 1 s and at most 30 s
service~5s          the same per service, at least 5 s
service~5-120s      the same, at most 120 s
service+class=300s  per service and class, silent for at most 300 s
linear(*~1s)        the linear score, whose feature in_time is measured by the rule in brackets
default             the cold default
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from grouping.layout import NAMED_FIELDS
from grouping.learners.base import Learner
from grouping.learners.linear import Linear
from grouping.learners.rules import Rules

DEFAULT = "linear(*~2s)"
RELATIVE = 40.0  # times an incident's mean inter-arrival time
HIGH_S = 30.0  # the longest silence of a relative rule that names none


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
        if count < 2:
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


_RULE = re.compile(
    r"(?P<key>\*|[^~=+()]+(?:\+[^~=+()]+){0,3})(?P<kind>[~=])"
    r"(?P<low>[0-9]{1,9}(?:\.[0-9]{1,6})?)(?:-(?P<high>[0-9]{1,9}(?:\.[0-9]{1,6})?))?s"
)


@lru_cache(maxsize=1024)
def policy(name: str) -> Policy:
    """The policy of that name. Raises BadPolicy."""
    rule, learner = (DEFAULT if name == "default" else name), Rules  # type: tuple[str, type[Rules] | type[Linear]]
    if rule.startswith("linear(") and rule.endswith(")"):
        rule, learner = rule[7:-1], Linear
    match = _RULE.fullmatch(rule)
    if match is None:
        raise BadPolicy(f"{name!r}: expected a policy such as *~1s, service~5-60s, service+class=300s or linear(*~1s)")
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
        if field not in NAMED_FIELDS and not (field.startswith("details.") and field != "details."):
            raise BadPolicy(f"{name!r}: no field {field!r}; there are {', '.join(NAMED_FIELDS)} and details.<name>")
    return Policy(name, key, limit, learner())
