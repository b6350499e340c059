"""The incidents of a scope as somebody sees them who knows the true groups: read from the outputs, kept up to date.

What an output changes is changed here; nothing is looked through for an event. Alerts that the truth does not name are
not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from grouping.records import Action, Change, Decision, IncidentLine, Merged, Moved, Output

RECENT = 64  # open incidents that somebody who errs could take for the right one


@dataclass(slots=True)
class Seen:
    """An incident. Times in seconds since the epoch."""

    id: str
    known: bool  # looked at, sooner or later
    since: float  # it was opened, or reviewed last
    last: float  # its last alert or repeat came
    open: bool = True
    changed: bool = False  # since the last review
    waiting: bool = False  # for a review
    groups: dict[str | None, dict[str, None]] = field(default_factory=dict)  # its alerts by group, None: noise
    main: str | None = None  # its largest group

    def size(self) -> int:
        """How many alerts it holds."""
        return sum(map(len, self.groups.values()))

    def count(self, group: str | None) -> int:
        """How many alerts of a group it holds."""
        return len(self.groups.get(group, ()))


class Board:
    """All incidents of one scope that are not merged away."""

    def __init__(self, truth: Mapping[str, str | None], looks_at: Callable[[str], bool]) -> None:
        """``looks_at``: whether an incident that the engine opened is known, by its id."""
        self.incidents: dict[str, Seen] = {}
        self.carried_to = ""  # where the last alerts that were moved went
        self._truth = truth
        self._looks_at = looks_at
        self._pieces: dict[str, dict[str, Seen]] = {}  # the known incidents of each main group
        self._touched: dict[str, Seen] = {}  # open ones, the one touched last at the end

    def pieces(self, group: str) -> list[Seen]:
        """The known incidents that are mainly of this group, in the order in which they became so."""
        return list(self._pieces.get(group, {}).values())

    def recent(self) -> list[Seen]:
        """The open incidents touched last, at most RECENT, latest first."""
        return list(islice(reversed(self._touched.values()), RECENT))

    def take(self, outputs: Iterable[Output], now: float, *, by_hand: bool) -> Seen | None:
        """Take in what an event brought. The incident that an alert went to, if it was one.

        ``by_hand``: somebody's feedback brought it, who knows the incidents that it made.
        """
        joined = None
        for output in outputs:
            match output:
                case Decision():
                    joined = self._decision(output, now)
                case IncidentLine():
                    self._stands(self._incident(output.incident, now, by_hand=by_hand), output.event)
                case Merged():
                    self._merge(self.incidents.pop(output.incident), self.incidents[output.into])
                case Moved():
                    into = self._incident(output.into, now, by_hand=by_hand)  # it comes back where a merge is undone
                    self._move(output.alerts, self.incidents[output.source], into)
                case _:
                    pass
        return joined

    def _incident(self, id: str, now: float, *, by_hand: bool) -> Seen:
        one = self.incidents.get(id)
        if one is None:
            one = self.incidents[id] = Seen(id, by_hand or self._looks_at(id), now, now)
        return one

    def _stands(self, one: Seen, event: Change) -> None:
        one.open = event is not Change.RESOLVED
        if one.open:
            self._touched[one.id] = one
        else:
            self._touched.pop(one.id, None)

    def _decision(self, decision: Decision, now: float) -> Seen:
        one = self.incidents[decision.incident]
        one.last, one.changed = max(one.last, now), True
        if one.open:
            self._touched[one.id] = self._touched.pop(one.id)
        if decision.action is not Action.DUPLICATE and decision.alert in self._truth:
            group = self._truth[decision.alert]
            one.groups.setdefault(group, {})[decision.alert] = None
            if group is not None and (one.main is None or one.count(group) > one.count(one.main)):
                self._name(one, group)
        return one

    def _merge(self, source: Seen, into: Seen) -> None:
        self._touched.pop(source.id, None)
        self._name(source, None)
        for group, alerts in source.groups.items():
            here = into.groups.get(group, {})
            more, fewer = (here, alerts) if len(here) >= len(alerts) else (alerts, here)
            more.update(fewer)
            into.groups[group] = more
        into.last = max(into.last, source.last)
        self._rename(into)

    def _move(self, alerts: Iterable[str], source: Seen, into: Seen) -> None:
        for alert in alerts:
            if alert in self._truth:
                group = self._truth[alert]
                del source.groups[group][alert]
                into.groups.setdefault(group, {})[alert] = None
        for one in (source, into):
            for group in [group for group, held in one.groups.items() if not held]:
                del one.groups[group]
            self._rename(one)
        self.carried_to = into.id

    def _rename(self, one: Seen) -> None:
        """Find the main group anew; the present one stays as long as none is larger."""
        group = max(
            one.groups, key=lambda group: (group is not None, one.count(group), group == one.main), default=None
        )
        self._name(one, group)

    def _name(self, one: Seen, group: str | None) -> None:
        if one.main is not None:
            self._pieces.get(one.main, {}).pop(one.id, None)
        one.main = group
        if group is not None and one.known:
            self._pieces.setdefault(group, {})[one.id] = one
