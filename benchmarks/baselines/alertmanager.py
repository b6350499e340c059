"""Prometheus Alertmanager's group_by.

Source: its configuration reference (``group_by``, ``resolve_timeout`` of 5 minutes) and dispatch/dispatch.go: an
alert belongs to the aggregation group of its values of the group_by labels; a label that it does not have is left out
of the group's labels, so that all such alerts share a group; a group is gone when its last alert has ended, which an
alert does when it resolves or was not sent again for the resolve timeout.
"""

from __future__ import annotations

from benchmarks.baselines.rules import Keyed, Open, value_of
from grouping.records import Alert

RESOLVE_TIMEOUT = 300.0


class Alertmanager(Keyed):
    """Groups by these fields."""

    def __init__(self, *group_by: str) -> None:
        def key(alert: Alert) -> tuple[tuple[str, str], ...]:
            return tuple((name, value) for name in group_by if (value := value_of(alert, name)) is not None)

        def limit(_: Open) -> float:
            return RESOLVE_TIMEOUT

        super().__init__(key, limit)

    def again(self, label: str, at: float) -> None:
        if label in self._open:
            self._open[label].last = max(self._open[label].last, at)
