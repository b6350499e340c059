"""Which alert is in which incident, followed from the lines that go out. It knows nothing of how they were decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from grouping.records import Action, Alert, Change, Decision, Event, IncidentLine, Merged, Moved, Output, Severity

Ids = tuple[str, str]  # scope and id


@dataclass(slots=True)
class Held:
    """An incident: what its last line said of it, and the alerts that are in it now, in order, repeats left out."""

    title: str = ""
    severity: Severity | None = None
    open: bool = True
    alerts: dict[str, None] = field(default_factory=dict)


class Ledger:
    """Takes events and their outputs in order; answers where an alert is now."""

    def __init__(self) -> None:
        self.incidents: dict[Ids, Held] = {}
        self._where: dict[Ids, str] = {}  # alert -> incident
        self._repeats: dict[Ids, str] = {}  # repeat -> the alert it repeats
        self._keys: dict[Ids, str] = {}  # dedup key -> its latest alert

    def take(self, event: Event, outputs: Sequence[Output]) -> None:
        """Follow what one event caused."""
        for output in outputs:
            match output:
                case Decision():
                    self._decided(event, output)
                case IncidentLine():
                    held = self._held(output.scope, output.incident)
                    held.title, held.severity = output.title, output.severity
                    held.open = output.event is not Change.RESOLVED
                case Merged():
                    source = self._held(output.scope, output.incident)
                    source.open = False
                    self._put(output.scope, list(source.alerts), output.into)
                case Moved():
                    self._put(output.scope, output.alerts, output.into)
                case _:
                    pass

    def _decided(self, event: Event, decision: Decision) -> None:
        scope, id = decision.scope, decision.alert
        key = event.dedup_key if isinstance(event, Alert) else None
        if decision.action is Action.DUPLICATE:
            self._repeats[scope, id] = self._keys.get((scope, key or ""), id)
            return
        if key is not None:
            self._keys[scope, key] = id
        self._put(scope, [id], decision.incident)

    def _held(self, scope: str, incident: str) -> Held:
        return self.incidents.setdefault((scope, incident), Held())

    def _put(self, scope: str, alerts: Iterable[str], incident: str) -> None:
        target = self._held(scope, incident)
        for id in alerts:
            was = self._where.get((scope, id))
            if was is not None:
                self._held(scope, was).alerts.pop(id, None)
            self._where[scope, id] = incident
            target.alerts[id] = None

    # -- answers

    def original(self, scope: str, alert: str) -> str:
        """The alert that this one repeats; itself where it repeats none."""
        return self._repeats.get((scope, alert), alert)

    def incident(self, scope: str, alert: str) -> str | None:
        """The incident that an alert, or the one it repeats, is in now; None for one never decided."""
        return self._where.get((scope, self.original(scope, alert)))

    def alerts(self, scope: str, incident: str) -> tuple[str, ...]:
        """The alerts of an incident now; none for one never seen, or merged away."""
        held = self.incidents.get((scope, incident))
        return tuple(held.alerts) if held else ()

    def is_open(self, scope: str, incident: str) -> bool:
        """Whether an incident is neither resolved nor merged away."""
        held = self.incidents.get((scope, incident))
        return held is not None and held.open
