"""Incidents of long ago, forgotten for good. What a scope learned from them stays: lessons, policies, what is usual."""

from __future__ import annotations

from grouping.lifecycle import direct_members, leave, tree
from grouping.scope import Scope, Standing
from grouping.state import State


def forget(state: State, scope: Scope, id: str) -> list[str]:
    """Delete an incident with all that were merged into it, their alerts, and the keys whose latest alerts these are.

    Which incidents that were: none where there is none of that id, or where it is part of another.
    """
    incident = state.incident(scope, id)
    if incident is None or incident.standing is Standing.MERGED:
        return []
    parts = list(tree(state, scope, incident))
    for part in parts:
        leave(scope, part)
        for alert, kept in list(direct_members(state, scope, part)):
            state.drop_alert(scope, alert, kept)
        state.drop_incident(scope, part)
    gone = [part.id for part in parts]
    if scope.promotion.lose(gone):
        scope.promotion_changed = True
    scope.changed = True
    return gone
