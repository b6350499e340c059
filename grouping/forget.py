"""Incidents of long ago, forgotten for good. What a scope learned from them stays: lessons, policies, what is usual."""

from __future__ import annotations

from collections.abc import Iterable

from grouping.lifecycle import direct_members, leave, tree
from grouping.scope import Scope, Standing
from grouping.state import State


def forget(state: State, scope: Scope, ids: Iterable[str]) -> list[str]:
    """Delete incidents with all that were merged into them, their alerts, and the keys whose latest alerts these are.

    An alert of theirs that is sent again is new. Which incidents that were: none for an id that is not there, or that is
    part of another incident.
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
    return gone
