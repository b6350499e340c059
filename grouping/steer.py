"""What decides in a scope, and when that changes: by what it found, by what corrections say, by a person."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import Any

from grouping import guard, promote, tune
from grouping.draw import name
from grouping.grounds import Change
from grouping.lifecycle import leave, members, repolicy, root
from grouping.policy import DEFAULT, KIN, BadPolicy, policy
from grouping.records import Mode, Output, PolicyEvent, PolicyLine, Refused
from grouping.scope import Scope, Written
from grouping.state import State


def tuned(state: State, scope: Scope, was: str, families: Mapping[int, int], found: tune.Found) -> list[Output]:
    """A look at the scope's own stream has ended: say so if it changes what decides.

    ``was``, ``families``: the policy's name and the families of kinds before.
    """
    name = state.policy_name(scope)
    if name == was and not (KIN in policy(name).key and found.families != families):
        return []
    if not scope.promotion.rule:
        scope.promotion.watch()
        scope.promotion_changed = True
    switch(state, scope, was)
    return [PolicyLine(scope.name, name, was, "tuned", found.evidence)]


def promoted(state: State, scope: Scope, was: str) -> list[Output]:
    """Watch over what decides, and go on with a trial of other rules on what responders corrected; say what changes."""
    promotion = scope.promotion
    objection = _objections(scope)
    if objection is not None:
        return _demoted(state, scope, was, objection.evidence, objection.stands_on)
    evidence = guard.failed(scope.tuning, promotion.rule)
    if evidence is not None:
        for incident in list(scope.joinable.values()) if "largest" in evidence else ():
            leave(scope, incident)  # what the rule made swell would go on swallowing by its own pace
        return _demoted(state, scope, was, evidence)
    if promotion.trial is None and promotion.counted < promotion.next_at:
        return []
    scope.promotion_changed = True
    found = state.found_name(scope)
    outcome = promote.step(promotion, scope.tuning, partial(_labelled, state, scope), was, found)
    if outcome is None or outcome.rule is None:
        return []
    back = outcome.rule == found
    promotion.promote("" if back else outcome.rule, scope.tuning.recent.count, outcome.stands_on)
    switch(state, scope, was)
    why = "rolled_back" if back else "promoted"
    return [PolicyLine(scope.name, state.policy_name(scope), was, why, outcome.evidence)]


def _objections(scope: Scope) -> promote.Objection | None:
    """The corrections that speak against the rule that decides, if it is time to look, and they do."""
    promotion, tuning = scope.promotion, scope.tuning
    since = promotion.since if promotion.rule else tuning.since
    if not promote.due(promotion, since):
        return None
    scope.promotion_changed = True
    return promote.worse(promotion, since, tuning.recent.count)


def _demoted(
    state: State, scope: Scope, was: str, evidence: dict[str, Any], stands_on: Change | None = None
) -> list[Output]:
    """What decided before decides again: the rule before a promotion, or nothing found by the scope itself.

    ``stands_on``: the corrections that brought it about, if it was these.
    """
    tuning, count = scope.tuning, scope.tuning.recent.count
    if scope.promotion.rule:
        scope.promotion.demote(count, stands_on)
        tuning.since = -1
    else:
        if stands_on is not None:
            scope.promotion.drop(tuning.rule, tuning.families, tuning.since, stands_on)
        tune.fall_back(tuning, count + guard.PAUSE)
    scope.promotion.trial = scope.promotion.ground = None  # it compared with what no longer decides
    scope.promotion_changed = True
    switch(state, scope, was)
    return [PolicyLine(scope.name, state.policy_name(scope), was, "rolled_back", evidence)]


def _labelled(state: State, scope: Scope, id: str) -> tuple[str, bool, list[tuple[int, int]]]:
    """Where the alerts of an incident belong now, whether they are noise, and their numbers among the recent ones."""
    end = root(state, scope, id)
    newest = islice(members(state, scope, end), promote.LOOKED_AT)
    alerts = [(kept.decision.number, _decided(scope, alert, kept.decision)) for alert, kept in newest if kept.decision]
    return end.id, scope.memory.dismissed(end.id), alerts


def trusted(state: State, scope: Scope, before: frozenset[str | None], by: str) -> list[Output]:
    """Say of whom the lessons count no longer, or count again, since the feedback ``by``."""
    now, lines = state.policy_name(scope), list[Output]()
    for actor in sorted(before ^ scope.memory.quarantined, key=lambda one: one or ""):
        given, contradicted = scope.memory.trust(actor)
        why = "quarantined" if actor in scope.memory.quarantined else "freed"
        evidence = {"by": by, "actor": actor, "lessons": given, "contradicted": contradicted}
        lines.append(PolicyLine(scope.name, now, now, why, evidence))
    if scope.promotion.believe(scope.memory.quarantined):
        scope.promotion_changed = True
    return lines


def revised(state: State, scope: Scope, by: str) -> list[Output]:
    """Take back changes of what decides that no longer stand, now that the feedback ``by`` has taken some away."""
    promotion, tuning, was = scope.promotion, scope.tuning, state.policy_name(scope)
    change = promotion.fallen()
    if change is None:
        return []
    scope.promotion_changed = True
    if change.found and not tuning.rule:
        tuning.rule, tuning.since = change.found, change.found_since
        tuning.families = {pair[0]: pair[1] for pair in change.families}
        scope.usual_changed = True
    name = state.policy_name(scope)
    if name == was:
        return []
    switch(state, scope, was)
    standing = sum(actor not in promotion.doubted for actor in change.actors.values())
    evidence = {"by": by, "feedback": change.given, "standing": standing}
    return [PolicyLine(scope.name, name, was, "rolled_back", evidence)]


def switch(state: State, scope: Scope, was: str, before: str | None = None) -> None:
    """Another policy decides from here on. ``before``: what to go back to, if that is not by name what was.

    What a scope found is gone back upon for good: to the rule that stood before, by its name.
    """
    before = before or (DEFAULT if was == "default" else was)
    scope.policies_before = [*scope.policies_before, before][-16:]
    scope.learned += 1
    repolicy(state, scope, state.named(scope, was), state.policy(scope))


def _decided(scope: Scope, alert: str, written: Written) -> int:
    """A code of the incident that an alert was decided into, wherever it is now."""
    incident = written.actions[written.chosen] if written.chosen else name("i", scope.named, alert)
    return zlib.crc32(incident.encode())


def given(state: State, scope: Scope, event: PolicyEvent) -> list[Output]:
    """A person sets what decides from here on, or goes back to what decided before; whatever plays along ends."""
    was, before = state.policy_name(scope), scope.policy
    new, back = event.policy or "default", event.mode is Mode.ROLLBACK
    if back:
        if not scope.policies_before:
            return [Refused(scope.name, event.id, f"$.mode: there is no policy before {was!r} to roll back to")]
        new = scope.policies_before[-1]  # "default": the scope went on by itself
    else:
        try:
            policy(new)
        except BadPolicy as error:
            return [Refused(scope.name, event.id, f"$.policy: {error}")]
    scope.policy = new
    ended, scope.shadow = scope.shadow, None
    switch(state, scope, was, before)
    if back:
        del scope.policies_before[-2:]
    evidence = {"by": event.id} | ({"ended": ended.figures()} if ended is not None else {})
    return [PolicyLine(scope.name, state.policy_name(scope), was, "rolled_back" if back else "set", evidence)]
