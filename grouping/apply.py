"""What an alert changes: incidents are written here, in correct.py and, as both need it, in lifecycle.py."""

from __future__ import annotations

import heapq
from typing import Final

from grouping.config import Config
from grouping.featurise import Features
from grouping.lifecycle import apart, chain, leave, line, opened, root, settle, stored, take_in
from grouping.records import SEVERITY_RANK, Action, Alert, Change, Decision, Output
from grouping.scope import Incident, OpenAlert, Scope, Standing, Written
from grouping.state import State

SWEEP: Final = 64  # events of a scope between two looks for incidents that have gone quiet


def open_alert(state: State, scope: Scope, dedup_key: str) -> tuple[OpenAlert, Incident] | None:
    """The live alert of a dedup key and its incident, if there is one and the incident is open."""
    known = state.latest(scope, dedup_key)
    if known is None or not known.live:
        return None
    incident = scope.incidents.get(known.incident)
    if incident is None or incident.into is not None:
        incident = root(state, scope, known.incident)
    return (known, incident) if incident.standing is Standing.OPEN else None


def repeat(state: State, scope: Scope, alert: Alert, key: str, known: OpenAlert) -> None:
    """Count one more report of an alert that is open."""
    known.repeats += 1
    scope.changed_keys.add(key)
    rank = SEVERITY_RANK[alert.severity]
    if rank > known.severity:
        for incident in chain(state, scope, known.incident):
            incident.ranks[known.severity] -= 1
            incident.ranks[rank] += 1
            scope.changed_incidents.add(incident.id)
        known.severity = rank
        kept = state.alert(scope, known.alert)
        if kept is not None:  # so that the alert takes it along when it is moved, also when its key has a later alert
            kept.raised = rank
            state.put_alert(scope, known.alert, kept)


def acknowledge(state: State, scope: Scope, key: str) -> None:
    """Somebody looks at the alert of this key."""
    known = state.latest(scope, key)
    if known is not None and known.live and not known.acknowledged:
        known.acknowledged = True
        scope.changed_keys.add(key)


def resolve(state: State, scope: Scope, key: str) -> list[Output]:
    """The alert of this key is over; so is its incident when none of its alerts is live."""
    known = state.latest(scope, key)
    if known is None or not known.live:
        return []
    _end(state, scope, key, known)
    return settle(scope, root(state, scope, known.incident))


def _end(state: State, scope: Scope, key: str, known: OpenAlert) -> None:
    known.live = False
    scope.changed_keys.add(key)
    for incident in chain(state, scope, known.incident):
        incident.firing -= 1
        scope.changed_incidents.add(incident.id)


def group(
    state: State,
    scope: Scope,
    alert: Alert,
    at: float,
    features: Features,
    key: str | None,
    incident: Incident | None,
) -> list[Output]:
    """Put a new alert into ``incident``, or into a new one. Its decision is written down by ``keep``."""
    joined = incident or opened(scope, alert.id, at)
    take_in(scope, joined, features, alert, at, key)
    _belong(state, scope, alert, joined)
    return [] if incident else [line(scope, joined, Change.OPENED)]


def alone(state: State, scope: Scope, alert: Alert, at: float) -> tuple[list[Output], str]:
    """Open an incident for one alert that was not looked at; it takes no others. What is said, and its id."""
    incident = apart(scope, alert, at)
    _belong(state, scope, alert, incident)
    return [line(scope, incident, Change.OPENED)], incident.id


def _belong(state: State, scope: Scope, alert: Alert, joined: Incident) -> None:
    if alert.dedup_key is None:
        joined.keyless += 1
    else:
        known = state.latest(scope, alert.dedup_key)
        if known is not None and known.live:  # its incident was closed by a responder: this alert takes over
            _end(state, scope, alert.dedup_key, known)
        joined.firing += 1
        scope.keys[alert.dedup_key] = OpenAlert(alert.id, joined.id, severity=SEVERITY_RANK[alert.severity])
        scope.changed_keys.add(alert.dedup_key)
    state.add_member(scope, joined, alert.id)


def keep(
    state: State,
    scope: Scope,
    alert: Alert,
    at: float,
    decision: Decision,
    number: int = -1,
    together: tuple[int, int] | None = None,
) -> None:
    """Write the alert down together with how it was decided, and its number among the recent ones.

    ``together``: as in scope.Written.
    """
    kept = stored(alert, decision.incident, at)
    choice = decision.choice
    if choice is not None:
        kept.decision = Written(
            decision.decision,
            decision.reason,
            decision.propensity,
            decision.model,
            choice.actions,
            choice.scores,
            choice.columns,
            choice.told,
            choice.policy,
            0 if decision.action is Action.OPEN else choice.actions.index(decision.incident),
            number,
            None if choice.left_out is None else list(choice.left_out),
            None if together is None else list(together),
        )
        kept.features = choice.features
    state.put_alert(scope, alert.id, kept)


def sweep(config: Config, scope: Scope, window: float, now: float) -> None:
    """Let incidents that have gone quiet leave the arena, and the longest untouched where there are too many."""
    for slot in scope.arena.quiet(now - window - config.late_s):
        leave(scope, scope.joinable[slot])
    if scope.arena.used > config.open_max:
        surplus = scope.arena.used - config.open_max * 7 // 8
        for incident in heapq.nsmallest(surplus, scope.joinable.values(), key=lambda one: one.touched):
            leave(scope, incident)
