"""The promise of a baseline, and the door in front of it: what an alert is, before anybody groups it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from grouping.records import Alert, Status


class Grouper:
    """Groups the alerts of one scope, one at a time, knowing only those that came before."""

    merges = False  # whether incidents are merged later on

    def group(self, alert: Alert, at: float) -> str:
        """The label of the incident that a new firing alert of time ``at`` (s) goes to."""
        raise NotImplementedError

    def again(self, label: str, at: float) -> None:
        """An alert of that incident was reported once more. Most do not care."""

    def closed(self, label: str) -> None:
        """The last alert of that incident resolved: nothing may join it any more."""
        raise NotImplementedError

    def root(self, label: str) -> str:
        """The incident that this one now belongs to, for those that merge incidents later on."""
        return label


@dataclass(slots=True)
class _Scope:
    grouper: Grouper
    at: float = 0.0
    ids: set[str] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)  # dedup key of an open alert -> its incident
    live: Counter[str] = field(default_factory=Counter)  # incident -> alerts that have not resolved


class Door:
    """Resends, repeats and resolves as the engine takes them, so that groupers differ in grouping alone.

    An id given twice is a no-op, a dedup key on an open alert a duplicate; the last resolve closes an incident; an
    alert without a dedup key never resolves. An alert without a time has that of the one before.
    """

    def __init__(self, make: Callable[[], Grouper]) -> None:
        self._make = make
        self._scopes: dict[str, _Scope] = {}

    def take(self, alert: Alert) -> str | None:
        """The incident of a firing alert; None where there is nothing to decide."""
        scope = self._scopes.get(alert.scope)
        if scope is None:
            scope = self._scopes[alert.scope] = _Scope(self._make())
        if alert.id in scope.ids:
            return None
        scope.ids.add(alert.id)
        scope.at = at = scope.at if alert.at is None else alert.at
        if alert.status is not Status.FIRING:
            if alert.status is Status.RESOLVED and alert.dedup_key in scope.keys:
                self._resolve(scope, alert.dedup_key)
            return None
        if alert.dedup_key is not None and alert.dedup_key in scope.keys:
            label = scope.keys[alert.dedup_key]
            scope.grouper.again(label, at)
            return label
        label = scope.grouper.group(alert, at)
        scope.live[label] += 1
        if alert.dedup_key is not None:
            scope.keys[alert.dedup_key] = label
        return label

    @staticmethod
    def _resolve(scope: _Scope, key: str) -> None:
        label = scope.keys.pop(key)
        scope.live[label] -= 1
        if scope.live[label]:
            return
        del scope.live[label]
        root = scope.grouper.root
        if not scope.grouper.merges or root(label) not in {root(one) for one in scope.live}:
            scope.grouper.closed(label)

    def root(self, scope: str, label: str) -> str:
        """Where the alerts of an incident are in the end, as a name of its own among all scopes."""
        return f"{scope}/{self._scopes[scope].grouper.root(label)}"


def grouped(make: Callable[[], Grouper], alerts: Iterable[Alert]) -> list[tuple[str, str]]:
    """(alert, incident) of every firing alert, played in order through a grouper of each scope."""
    door = Door(make)
    taken = [(alert, label) for alert in alerts if (label := door.take(alert)) is not None]
    return [(alert.id, door.root(alert.scope, label)) for alert, label in taken]
