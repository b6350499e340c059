"""What can happen to an incident: open, take an alert in, leave the arena, close, reopen. Used by apply and correct."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping
from typing import Final

from grouping.draw import name
from grouping.featurise import Features, Featuriser, kind_of, value_of
from grouping.policy import KIN, Policy
from grouping.records import SEVERITY_BY_RANK, SEVERITY_RANK, Alert, Change, IncidentLine, Output, Severity, Status
from grouping.scope import SEEN, Incident, Scope, Sight, Standing, StoredAlert
from grouping.state import State
from grouping.title import Title

REBUILT_FROM: Final = 64  # latest alerts from which an incident's profile is built anew after a correction
PARTS: Final = 128  # incidents merged into it that are looked at for these


def policy_key(policy: Policy, alert: Alert, same: int, kin: Mapping[int, int]) -> str | None:
    """The values of the policy's key fields in an alert, "" without any; None where one of them is unknown.

    ``same``: the code of its kind; ``kin``: the families of the kinds that keep to themselves.
    """
    values: list[str] = []
    for field in policy.key:
        value = str(kin.get(same, 0)) if field == KIN else value_of(alert, field)
        if value is None:
            return None
        values.append(value)
    return "\x1f".join(values)


def stored(alert: Alert, incident: str, at: float) -> StoredAlert:
    """An alert as it is written down, not yet decided."""
    fields = [
        alert.dedup_key,
        alert.severity,
        alert.source,
        alert.service,
        alert.host,
        alert.component,
        alert.group,
        alert.class_,
        alert.summary,
        alert.details,
    ]
    return StoredAlert(incident, at, fields, None, b"")


def restored(scope: Scope, id: str, kept: StoredAlert) -> Alert:
    """The alert that was written down."""
    key, severity, *rest = kept.fields
    return Alert(id, kept.at, scope.name, Status.FIRING, key, severity and Severity(severity), *rest)


def line(scope: Scope, incident: Incident, event: Change) -> IncidentLine:
    """The line that says what happened to an incident."""
    severity = SEVERITY_BY_RANK[incident.severity]
    return IncidentLine(scope.name, incident.id, event, incident.title.text(), severity, incident.count)


def opened(scope: Scope, origin: str, at: float) -> Incident:
    """A new, empty incident, named after the event that caused it; joinable."""
    incident = Incident(name("i", scope.named, origin), born_at=at, first_at=at, last_at=at, touched=scope.events)
    scope.incidents[incident.id] = incident
    enter(scope, incident)
    return incident


def apart(scope: Scope, alert: Alert, at: float) -> Incident:
    """A new incident of one alert that was not looked at; not joinable."""
    incident = Incident(name("i", scope.named, alert.id), born_at=at, first_at=at, last_at=at, count=1)
    incident.touched = scope.events
    incident.ranks[SEVERITY_RANK[alert.severity]] += 1
    incident.title.add(alert.summary, alert.summary)
    scope.incidents[incident.id] = incident
    scope.changed_incidents.add(incident.id)
    return incident


def enter(scope: Scope, incident: Incident) -> None:
    """Make an incident joinable."""
    incident.slot = scope.arena.take()
    _to_end(scope, incident)
    mirror(scope, incident)


def _to_end(scope: Scope, incident: Incident) -> None:
    """The incident is the last of the joinable ones now."""
    scope.turn += 1
    incident.placed = scope.turn
    scope.joinable.pop(incident.slot, None)
    scope.joinable[incident.slot] = incident


def mirror(scope: Scope, incident: Incident) -> None:
    """Write an incident's times and size into its column."""
    last, first, count = incident.last_at, incident.first_at, incident.count
    scope.arena.describe(incident.slot, last, first, count, scope.limit.after(last - first, count))
    scope.changed_incidents.add(incident.id)


def leave(scope: Scope, incident: Incident) -> None:
    """Let an incident take no more alerts."""
    if incident.slot < 0:
        return
    for key in list(incident.keys):
        drop_key(scope, incident, key)
    forget_seen(scope, incident)
    del scope.joinable[incident.slot]
    scope.arena.put_back(incident.slot)
    incident.slot, incident.weight = -1, 0.0
    scope.changed_incidents.add(incident.id)


def take_in(scope: Scope, incident: Incident, features: Features, alert: Alert, at: float, key: str | None) -> None:
    """Count an alert into a joinable incident: profile, times, title, severity, key. Not yet its membership."""
    if at > incident.last_at:
        incident.last_at = at
    if at < incident.first_at:
        incident.first_at = at
    if at < incident.born_at:
        incident.born_at = at
    incident.count += 1
    incident.ranks[SEVERITY_RANK[alert.severity]] += 1
    incident.touched = scope.events
    describe(scope, incident, features, alert, at)
    mirror(scope, incident)
    _to_end(scope, incident)
    if key is not None:
        take_turn(scope, incident, key)


def describe(scope: Scope, incident: Incident, features: Features, alert: Alert, at: float) -> None:
    """Count what an alert looks like into a joinable incident: profile, kind, title, what it saw."""
    incident.kind = features.kind
    incident.title.add(features.template, alert.summary)
    incident.weight = scope.arena.add(incident.slot, features.rows, incident.weight)
    for code in features.told:
        see(scope, incident, code, at)


def see(scope: Scope, incident: Incident, code: int, at: float) -> None:
    """The incident has an alert of this code; of too many, the one seen longest ago is forgotten."""
    seen, slot = incident.seen, incident.slot
    before = seen.pop(code, None)
    scope.turn += 1
    seen[code] = Sight(at if before is None or at > before.at else before.at, scope.turn)
    slots = scope.marks.get(code)
    if slots is None:
        slots = scope.marks[code] = {}
    else:
        slots.pop(slot, None)
    slots[slot] = None
    if len(seen) > SEEN:
        oldest = next(iter(seen))
        del seen[oldest]
        drop_mark(scope, slot, oldest)


def drop_mark(scope: Scope, slot: int, code: int) -> None:
    """No incident in this slot remembers the code any more."""
    slots = scope.marks[code]
    del slots[slot]
    if not slots:
        del scope.marks[code]


def forget_seen(scope: Scope, incident: Incident) -> None:
    """A joinable incident forgets what it saw."""
    for code in incident.seen:
        drop_mark(scope, incident.slot, code)
    incident.seen = {}


def take_turn(scope: Scope, incident: Incident, key: str) -> None:
    """The incident is now the last one that took an alert with this key."""
    scope.turn += 1
    incident.keys[key] = scope.turn
    slots = scope.turns.get(key)
    if slots is None:
        slots = scope.turns[key] = {}
    else:
        slots.pop(incident.slot, None)
    slots[incident.slot] = None


def back_in_turn(scope: Scope, incident: Incident, placed: int) -> None:
    """Put an incident that takes alerts again among the others, where it was before, and not as the last one."""
    mine = incident.slot
    incident.placed = placed
    in_place(scope)
    for key in incident.keys:
        slots = _placed(scope, [slot for slot in scope.turns[key] if slot != mine], mine)
        numbers = sorted(scope.joinable[slot].keys[key] for slot in slots)
        for slot, number in zip(slots, numbers, strict=True):
            scope.joinable[slot].keys[key] = number
            scope.changed_incidents.add(scope.joinable[slot].id)
        scope.turns[key] = dict.fromkeys(slots)


def in_place(scope: Scope) -> None:
    """Put the joinable incidents in the order in which they came to the end."""
    scope.joinable = dict(sorted(scope.joinable.items(), key=lambda item: item[1].placed))


def _placed(scope: Scope, others: list[int], slot: int) -> list[int]:
    """The slots in order, with this one after the last that came to the end before it."""
    place = len(others)
    while place and scope.joinable[others[place - 1]].placed > scope.joinable[slot].placed:
        place -= 1
    return [*others[:place], slot, *others[place:]]


def drop_key(scope: Scope, incident: Incident, key: str) -> None:
    """The incident has no alert with this key any more."""
    del incident.keys[key]
    slots = scope.turns[key]
    del slots[incident.slot]
    if not slots:
        del scope.turns[key]


def root(state: State, scope: Scope, id: str) -> Incident:
    """The incident that the members of incident ``id`` now belong to: the end of its merges."""
    incident = state.known_incident(scope, id)
    while incident.into is not None:
        incident = state.known_incident(scope, incident.into)
    return incident


def chain(state: State, scope: Scope, id: str) -> Iterator[Incident]:
    """The incident and all it was merged into, one after the other."""
    incident = state.known_incident(scope, id)
    yield incident
    while incident.into is not None:
        incident = state.known_incident(scope, incident.into)
        yield incident


def tree(state: State, scope: Scope, incident: Incident) -> Iterator[Incident]:
    """The incident and all that were merged into it, depth first."""
    yield incident
    waiting = incident.merged[::-1]  # not recursive: a chain of merges may be of any length
    while waiting:
        one = state.known_incident(scope, waiting.pop())
        yield one
        waiting += reversed(one.merged)


def direct_members(
    state: State, scope: Scope, incident: Incident, newest_first: bool = True
) -> Iterator[tuple[str, StoredAlert]]:
    """The alerts that are direct members of an incident now, in the order in which they came, or newest first."""
    for id in state.members(scope, incident, newest_first):
        kept = state.alert_in(scope, id, incident.id)
        if kept is not None:
            yield id, kept


def members(state: State, scope: Scope, incident: Incident) -> Iterator[tuple[str, StoredAlert]]:
    """All alerts that belong to an incident now, those of merged ones included, newest first per incident."""
    for part in tree(state, scope, incident):
        yield from direct_members(state, scope, part)


def join(state: State, scope: Scope, incident: Incident, parts: list[Incident]) -> None:
    """Note in an incident which were merged into it, and of which times it is with them."""
    incident.merged += [part.id for part in parts]
    _latest(state, scope, incident, incident.latest + [part.id for part in parts])
    incident.first_at = min(incident.first_at, *(part.first_at for part in parts))


def split(state: State, scope: Scope, incident: Incident, part: Incident) -> None:
    """Note in an incident that another one is no longer merged into it."""
    incident.merged.remove(part.id)
    if part.id in incident.latest:
        incident.latest.remove(part.id)
        if len(incident.latest) < REBUILT_FROM // 2:
            _latest(state, scope, incident, incident.merged)


def begin_again(state: State, scope: Scope, incident: Incident, gone: Incident) -> None:
    """Work out anew when an incident begins, if it was with what was merged into it and is gone now."""
    if gone.first_at <= incident.first_at:
        firsts = [state.known_incident(scope, id).first_at for id in incident.merged]
        incident.first_at = min([incident.born_at, *firsts])


def _latest(state: State, scope: Scope, incident: Incident, parts: list[str]) -> None:
    """Of incidents merged into it, keep in mind those with the latest alerts, in the order given."""
    if len(parts) > REBUILT_FROM:
        found = sorted((state.known_incident(scope, id).last_at, place) for place, id in enumerate(parts))
        parts = [parts[place] for place in sorted(place for _, place in found[-REBUILT_FROM:])]
    incident.latest = list(parts)


def newest(state: State, scope: Scope, incident: Incident) -> list[tuple[float, str, StoredAlert]]:
    """The latest REBUILT_FROM alerts that belong to an incident now, those of merged ones included, by time.

    However many were merged into it: looked at are those whose alerts reach furthest, at most PARTS of them.
    """
    found: list[tuple[float, str, StoredAlert]] = []
    waiting = [(-incident.last_at, 0, incident)]
    parts = looked_at = 0
    while waiting and looked_at < PARTS:
        reach, _, one = heapq.heappop(waiting)
        if len(found) == REBUILT_FROM and found[0][0] > -reach:
            break  # all that are left are older
        looked_at += 1
        own = itertools.islice(direct_members(state, scope, one), REBUILT_FROM)
        found += [(kept.at, id, kept) for id, kept in own]
        found.sort(key=lambda row: row[:2])
        del found[:-REBUILT_FROM]
        for id in one.latest:
            parts += 1
            part = state.known_incident(scope, id)
            heapq.heappush(waiting, (-part.last_at, parts, part))
    return found


def settle(scope: Scope, incident: Incident) -> list[Output]:
    """Resolve an open incident of whose alerts none is live any more."""
    if incident.standing is not Standing.OPEN or incident.firing or incident.keyless:
        return []
    close(scope, incident)
    return [line(scope, incident, Change.RESOLVED)]


def rebuild(state: State, scope: Scope, incident: Incident, policy: Policy, featurise: Featuriser) -> None:
    """Compute a joinable incident's end, title, keys and profile anew from its latest alerts.

    A correction took alerts away or brought some: counts that were halved on the way cannot be subtracted from. How many
    alerts it has, and of which severity, is counted exactly by whoever moves them.
    """
    if incident.slot < 0:
        enter(scope, incident)
    scope.arena.clear(incident.slot)
    forget_seen(scope, incident)
    rows = newest(state, scope, incident)
    incident.last_at = rows[-1][0] if rows else incident.born_at
    incident.title, incident.weight = Title(), 0.0
    keys: dict[str, None] = {}
    for _, id, kept in rows:
        alert = restored(scope, id, kept)
        features = featurise(alert)
        describe(scope, incident, features, alert, kept.at)
        key = policy_key(policy, alert, features.same, scope.tuning.families)
        if key is not None:
            keys[key] = None
    for key in [key for key in incident.keys if key not in keys]:
        drop_key(scope, incident, key)
    for key in keys:
        if key not in incident.keys:
            take_turn(scope, incident, key)
    mirror(scope, incident)


def close(scope: Scope, incident: Incident, standing: Standing = Standing.RESOLVED) -> None:
    """Resolve an incident, or mark it merged: it takes no more alerts."""
    leave(scope, incident)
    incident.standing = standing
    scope.changed_incidents.add(incident.id)


def repolicy(state: State, scope: Scope, was: Policy, policy: Policy) -> None:
    """Let another policy decide: key the joinable incidents by it, each by its latest alert."""
    scope.limit = policy.limit
    if was.key == policy.key and KIN not in policy.key:
        for incident in scope.joinable.values():
            mirror(scope, incident)
        return
    scope.turns, scope.rekeyed = {}, scope.events
    for incident in scope.joinable.values():
        incident.keys = {}
        mirror(scope, incident)
        for id, kept in itertools.islice(direct_members(state, scope, incident), 1):
            alert = restored(scope, id, kept)
            key = policy_key(policy, alert, kind_of(alert), scope.tuning.families)
            if key is not None:
                take_turn(scope, incident, key)
