"""What incidents were like before a correction, written down so that an undo gives them back as they were.

A profile whose counts were halved, titles that lost words, which incident took a key's alert last: none of this can be
worked out again from the alerts. So a correction writes down what it is about to change, an incident a record. An undo
puts that back, counts in the alerts that joined since, and each incident stands where it would stand now without the
correction. Where another correction changed it since, or its keys are those of another policy, there is nothing to put
back, and it is built anew from its latest alerts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from grouping.featurise import Featuriser
from grouping.layout import SHARE
from grouping.lifecycle import (
    describe,
    direct_members,
    drop_key,
    forget_seen,
    in_place,
    leave,
    mirror,
    policy_key,
    restored,
)
from grouping.policy import Policy
from grouping.scope import Before, Incident, Scope, Standing, StoredAlert
from grouping.state import State, fill

JOINED = 1024  # alerts since a correction that are counted in again; with more the incident is built anew


def note(state: State, scope: Scope, feedback: str, incidents: Iterable[Incident]) -> list[str]:
    """Write down what these incidents are like, now that a feedback is about to change them. Their ids."""
    ids: list[str] = []
    for incident in incidents:
        state.put_before(scope, feedback, incident)
        incident.revised = scope.events
        scope.changed_incidents.add(incident.id)
        ids.append(incident.id)
    return ids


def put_back(
    state: State, scope: Scope, policy: Policy, featurise: Featuriser, incident: Incident, was: Before | None
) -> bool:
    """Make an incident what it was, with the alerts that joined since. Whether that could be done.

    Its members and their counts are those of before, and of the alerts since, already.
    """
    if was is None or incident.revised != was.event or scope.rekeyed >= was.event:
        return False
    more = incident.count - was.incident.count
    if not 0 <= more <= JOINED or (more and was.incident.slot < 0 <= incident.slot):
        return False  # too many to read, or they joined only because the correction made it joinable
    joined = list(islice(direct_members(state, scope, incident), more))
    joined.reverse()
    held = replace(incident, keys=dict(incident.keys))
    _stand(scope, incident, was, joined=bool(joined))
    _look(scope, incident, was)
    if joined:
        incident.touched, incident.placed = held.touched, held.placed
        _join(scope, incident, policy, featurise, joined, held)
    if incident.slot >= 0:
        _in_order(scope, incident)
        mirror(scope, incident)
    scope.changed_incidents.add(incident.id)
    return True


def _stand(scope: Scope, incident: Incident, was: Before, *, joined: bool) -> None:
    """Empty its column; where alerts joined since it stays where it stands, else it goes back to where it stood."""
    slot = was.incident.slot if incident.standing is Standing.OPEN else -1
    if joined or incident.slot == slot:
        for key in list(incident.keys):
            drop_key(scope, incident, key)
        forget_seen(scope, incident)
        if incident.slot >= 0:
            scope.arena.clear(incident.slot)
        return
    leave(scope, incident)
    if slot >= 0:
        if slot in scope.joinable:
            slot = scope.arena.take()
        else:
            scope.arena.claim([slot])
        incident.slot = slot
        scope.joinable[slot] = incident


def _look(scope: Scope, incident: Incident, was: Before) -> None:
    """Give an incident with an empty column back what can be seen of it."""
    one = was.incident
    incident.born_at, incident.first_at, incident.last_at = one.born_at, one.first_at, one.last_at
    incident.title, incident.kind, incident.latest = one.title, one.kind, one.latest
    incident.touched, incident.placed, incident.revised = one.touched, one.placed, one.revised
    if incident.slot >= 0 and one.slot >= 0:
        incident.keys, incident.seen, incident.weight = one.keys, one.seen, one.weight
        for code in incident.seen:
            scope.marks.setdefault(code, {})[incident.slot] = None
        fill(scope, incident.slot, *was.profile)
        scope.arena.stats[SHARE, incident.slot] = 1.0 / one.weight


def _join(
    scope: Scope,
    incident: Incident,
    policy: Policy,
    featurise: Featuriser,
    joined: list[tuple[str, StoredAlert]],
    held: Incident,
) -> None:
    """Count alerts in that joined since, oldest first; ``held`` knows when each key and code was seen last."""
    turn = scope.turn
    for id, kept in joined:
        alert, at = restored(scope, id, kept), kept.at
        features = featurise(alert)
        incident.born_at, incident.first_at = min(incident.born_at, at), min(incident.first_at, at)
        incident.last_at = max(incident.last_at, at)
        if incident.slot < 0:
            incident.title.add(features.template, alert.summary)
            continue
        describe(scope, incident, features, alert, at)
        key = policy_key(policy, alert, features.same, scope.tuning.families)
        if key is not None and key in held.keys:
            incident.keys[key] = held.keys[key]
    for code, sight in incident.seen.items():
        if sight.turn > turn and code in held.seen:
            incident.seen[code] = sight._replace(turn=held.seen[code].turn)


def _in_order(scope: Scope, incident: Incident) -> None:
    """Put a joinable incident among the others: of all, of each key, of each code."""
    slot = incident.slot
    in_place(scope)
    for key in incident.keys:
        scope.turns.setdefault(key, {})[slot] = None
        scope.turns[key] = _by(scope.turns[key], {one: scope.joinable[one].keys[key] for one in scope.turns[key]})
    incident.seen = dict(sorted(incident.seen.items(), key=lambda item: item[1].turn))
    for code in incident.seen:
        scope.marks.setdefault(code, {})[slot] = None
        scope.marks[code] = _by(
            scope.marks[code], {one: scope.joinable[one].seen[code].turn for one in scope.marks[code]}
        )


def _by(slots: Iterable[int], turns: dict[int, int]) -> dict[int, None]:
    """The slots in the order of their turns."""
    return dict.fromkeys(sorted(slots, key=turns.__getitem__))
