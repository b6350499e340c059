"""What the engine must answer under a rule, told with plain lists and nothing clever. Slow on purpose.

It knows dedup keys, resends, resolves and the key's incident that is nearest in time. It looks at every alert of every incident for
every question. Corrections are checked by laws (test_correct.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from grouping.records import Alert, Event, Status


@dataclass
class Member:
    """An alert and the incident it belongs to, named by the alert that opened it."""

    alert: Alert
    at: float
    home: str
    live: bool = True


@dataclass
class Oracle:
    """One scope under the rule "join the nearest incident of the same key values while the silence is at most its limit".

    The limit is ``low`` s; with a ``pace``, from the third alert on, so many mean gaps, but no less than that and at
    most ``high``. ``open_minded``: an alert without the key may join the nearest incident of all.
    """

    key: tuple[str, ...]
    low: float
    high: float = 0.0
    pace: float = 0.0
    open_minded: bool = False
    members: list[Member] = field(default_factory=list)  # in order of arrival
    resolved: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    def answer(self, event: Event) -> tuple[str, str] | None:
        """(action, incident) for a firing alert, else None."""
        if not isinstance(event, Alert) or event.id in self.seen:
            return None
        self.seen.add(event.id)
        holder = self._holder(event)
        if event.status is Status.FIRING:
            return ("duplicate", holder.home) if holder else self._place(event)
        if event.status is Status.RESOLVED and holder:
            holder.live = False
            if all(member.alert.dedup_key is not None and not member.live for member in self._of(holder.home)):
                self.resolved.add(holder.home)
        return None

    def _holder(self, event: Alert) -> Member | None:
        """The live alert of the same dedup key."""
        if event.dedup_key is None:
            return None
        same = [member for member in self.members if member.alert.dedup_key == event.dedup_key and member.live]
        return same[-1] if same else None

    def _place(self, event: Alert) -> tuple[str, str]:
        assert event.at is not None
        home = self._nearest(event, event.at) or event.id
        self.members.append(Member(event, event.at, home))
        return ("open" if home == event.id else "join"), home

    def _nearest(self, event: Alert, at: float) -> str | None:
        """The open incident with this alert's key values that is in time and nearest; of equals the one touched last."""
        values = [getattr(event, name) for name in self.key]
        if None in values and not self.open_minded:
            return None
        homes: dict[str, None] = {}
        for member in self.members:
            fits = None in values or [getattr(member.alert, name) for name in self.key] == values
            if member.home not in self.resolved and fits:
                homes.pop(member.home, None)  # to the end
                homes[member.home] = None
        fitting = [home for home in list(reversed(homes))[:16] if self._silence(home, at) <= self._limit(home)]
        return min(fitting, key=lambda home: self._silence(home, at), default=None)

    def _limit(self, home: str) -> float:
        times = [member.at for member in self._of(home)]
        if not self.pace or len(times) < 3:
            return self.low
        return min(max(self.pace * (max(times) - min(times)) / (len(times) - 1), self.low), self.high)

    def _of(self, home: str) -> list[Member]:
        return [member for member in self.members if member.home == home]

    def _silence(self, home: str, at: float) -> float:
        times = [member.at for member in self._of(home)]
        return max(at - max(times), min(times) - at, 0.0)
