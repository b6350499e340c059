"""New Relic's correlation by decisions, merged transitively.

Source: its documentation, "Configure correlation logic with decisions": of the global decisions that are on by
default, those for which an alert event has fields: same target (an application or a host: here service, host), same
condition (here class); "similar alert message" asks for the same target, too. Every pair is tried; if A goes with B
and B with C, all three are one issue, and issues found to belong together later are merged. Time between two events:
20 minutes by default.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.baselines.base import Grouper
from benchmarks.baselines.rules import value_of
from grouping.records import Alert

WINDOW = 1200.0
DECISIONS = ("service", "host", "class")


class Decisions(Grouper):
    """Alerts that agree in one of the fields within the window are one incident, and so are their incidents."""

    merges = True

    def __init__(self, fields: tuple[str, ...] = DECISIONS, window: float = WINDOW) -> None:
        self._fields = fields
        self._window = window
        self._last: dict[tuple[str, str], tuple[str, float]] = {}  # value of a field -> its last alert's label, time
        self._into: dict[str, str] = {}
        self._gone: set[str] = set()

    def group(self, alert: Alert, at: float) -> str:
        self._into[alert.id] = alert.id
        for known, then in self._known(alert):
            if at - then <= self._window and self.root(known) not in self._gone:
                self._into[self.root(alert.id)] = self.root(known)
        for field in self._fields:
            if (value := value_of(alert, field)) is not None:
                self._last[field, value] = alert.id, at
        return alert.id

    def _known(self, alert: Alert) -> Iterator[tuple[str, float]]:
        for field in self._fields:
            if (known := self._last.get((field, value_of(alert, field)))) is not None:
                yield known

    def root(self, label: str) -> str:
        while (above := self._into[label]) != label:
            self._into[label] = label = self._into[above]  # halve the way for the next one
        return label

    def closed(self, label: str) -> None:
        self._gone.add(self.root(label))
