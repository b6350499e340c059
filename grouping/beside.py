"""The grouping of a shadow beside the true one: which alerts each has together. Reads both states, changes neither."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from grouping.lifecycle import direct_members, members, root
from grouping.records import Action, Decision, Merged, Moved, Output, Suggestion
from grouping.scope import Scope
from grouping.shadow import Shadow
from grouping.state import State

COMPANY = 8  # latest alerts of an incident that speak for it


class Side(NamedTuple):
    """A scope in one of the two states."""

    state: State
    scope: Scope

    def holds(self, alert: str) -> str | None:
        """The incident that an alert belongs to now, None if the alert is not known here."""
        kept = self.state.alert(self.scope, alert)
        return None if kept is None else root(self.state, self.scope, kept.incident).id

    def latest(self, incident: str, but: Container[str]) -> Iterator[str]:
        """The alerts of an incident but these, the latest first."""
        known = self.state.known_incident(self.scope, incident)
        return (id for id, _ in members(self.state, self.scope, known) if id not in but)

    def own(self, incident: str) -> str | None:
        """The latest alert of an incident that was not merged into it."""
        known = self.state.known_incident(self.scope, incident)
        return next((id for id, _ in direct_members(self.state, self.scope, known)), None)


def heard(shadow: Shadow, truth: Side, beside: Side, outputs: Iterable[Output]) -> None:
    """Count what responders did, and where the shadow, which has not heard of it, had these alerts so already."""
    for output in outputs:
        if isinstance(output, Merged):
            one, other = truth.own(output.incident), truth.own(output.into)
            if one is not None and other is not None:
                shadow.correct(beside.holds(one) is not None and beside.holds(one) == beside.holds(other))
        elif isinstance(output, Moved):
            left, there = (next(truth.latest(one, output.alerts), None) for one in (output.source, output.into))
            for alert in output.alerts:
                held = beside.holds(alert)
                apart = left is None or beside.holds(left) != held
                shadow.correct(apart and (there is None or beside.holds(there) == held))


def compared(
    shadow: Shadow, truth: Side, beside: Side, outputs: Iterable[Output], would: Iterable[Output]
) -> Suggestion | None:
    """Count the decision of an alert beside the shadow's, if both made one; what the shadow suggests."""
    done = next((output for output in outputs if isinstance(output, Decision)), None)
    other = next((output for output in would if isinstance(output, Decision)), None)
    if done is None or other is None or Action.DUPLICATE in {done.action, other.action}:
        return None
    near = beside.latest(other.incident, {other.alert}) if other.action is Action.JOIN else iter(())
    company = dict.fromkeys(incident for alert in islice(near, COMPANY) if (incident := truth.holds(alert)) is not None)
    return shadow.compare(done, other, list(company))
