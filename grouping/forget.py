"""Incidents of long ago, forgotten for good. What a scope learned from them stays: lessons, policies, what is usual."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from grouping.lifecycle import direct_members, leave, members, root, tree
from grouping.scope import Scope, Standing
from grouping.state import State


class Gone(NamedTuple):
    """Ids of what was deleted."""

    incidents: list[str]
    alerts: list[str]


def forget(state: State, scope: Scope, ids: Iterable[str]) -> Gone:
    """Delete incidents with all that were merged into them, their alerts, and the keys whose latest alerts these are.

    An alert of theirs that is sent again is new. Nothing is deleted for an id that is not there, or that is part of
    another incident.
    """
    gone: list[str] = []
    alerts: list[str] = []
    for id in ids:
        incident = state.incident(scope, id)
        if incident is None or incident.standing is Standing.MERGED:
            continue
        for part in list(tree(state, scope, incident)):
            leave(scope, part)
            for alert, kept in list(direct_members(state, scope, part)):
                state.drop_alert(scope, alert, kept)
                alerts.append(alert)
            state.drop_incident(scope, part)
            gone.append(part.id)
    state.drop_ids(scope, alerts)
    if scope.promotion.lose(gone):
        scope.promotion_changed = True
    scope.changed = True
    return Gone(gone, alerts)


def forget_beside(truth: State, scope: Scope, other: State, side: Scope, alerts: Iterable[str]) -> None:
    """Delete incidents of a policy that plays along, once all of their alerts are gone in truth; ``alerts`` just went.

    All that it remembers of feedback goes with them: to undo that would be to look for what is gone.
    """
    held = [kept.incident for id in alerts if (kept := other.alert(side, id)) is not None]
    over = [
        id for id in dict.fromkeys(root(other, side, one).id for one in held) if _left(truth, scope, other, side, id)
    ]
    if over:
        forget(other, side, over)
        other.drop_feedbacks(side)


def _left(truth: State, scope: Scope, other: State, side: Scope, id: str) -> bool:
    """Whether no alert of an incident is known in truth any more."""
    within = members(other, side, other.known_incident(side, id))
    return all(truth.alert(scope, alert) is None for alert, _ in within)
