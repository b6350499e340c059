"""A policy that plays along in a scope: what it would have done, counted beside what was done. It decides nothing.

It has incidents of its own, made by a second engine from the same events, so that its figures are those it would have
had from then on: corrections reach it too, where it has what they name. The two groupings are compared alert by alert
by the company that an alert is put in: the latest alerts of the shadow's incident, and where these are in truth.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from grouping.records import Action, Decision, Suggestion


@dataclass(slots=True)
class Shadow:
    """The policy, who set it (an event id), and counts since then."""

    policy: str
    suggests: bool
    by: str
    alerts: int = 0  # decided by both
    same: int = 0  # ... into the same company, or both alone
    alone: int = 0  # opened by the shadow, joined in truth
    together: int = 0  # joined by the shadow, opened in truth
    elsewhere: int = 0  # joined by both, in different company
    opened: int = 0  # incidents that were opened ...
    would_open: int = 0  # ... and that the shadow opened
    corrected: int = 0  # alerts and incidents that responders moved or merged
    right: int = 0  # of these, how many the shadow had so before

    def figures(self) -> dict[str, Any]:
        """All of it by name."""
        return asdict(self)

    def compare(self, done: Decision, would: Decision, company: list[str]) -> Suggestion | None:
        """Count a decision beside the shadow's, and say so if it suggests and would have done something else.

        ``company``: the incidents that in truth hold the latest alerts of the shadow's incident, latest first; none if
        it opened one.
        """
        self.alerts += 1
        self.opened += done.action is Action.OPEN
        self.would_open += would.action is Action.OPEN
        alone = done.action is Action.OPEN
        if done.incident in company or (alone and not company):
            self.same += 1
            return None
        if not company:
            self.alone += 1
        elif alone:
            self.together += 1
        else:
            self.elsewhere += 1
        return self._suggestion(done, would, next(iter(company), None), alone=alone) if self.suggests else None

    def correct(self, right: bool) -> None:
        """A responder moved an alert or merged an incident; the shadow had it so before, or not."""
        self.corrected += 1
        self.right += right

    def _suggestion(self, done: Decision, would: Decision, company: str | None, *, alone: bool) -> Suggestion:
        if company is not None and alone:
            reason = f"{self.policy} would have let {done.alert} join"
            return Suggestion(done.scope, "merge", (company, done.incident), (), would.score, reason)
        reason = f"{self.policy} would have " + (
            "opened an incident for it" if company is None else "let it join there"
        )
        return Suggestion(done.scope, "move", (done.incident, company), (done.alert,), would.score, reason)
