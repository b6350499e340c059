"""What Prometheus reads of the subscriptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_OUTCOMES = ("taken", "again", "given_up", "resent", "dropped")
_GAUGES = {
    "behind": ("grouping_subscription_behind", "Decided events whose notices are not all delivered"),
    "waiting": ("grouping_subscription_waiting", "Notices on their way"),
    "failing_s": ("grouping_subscription_failing_seconds", "For how long nothing has been taken; 0: all is well"),
}


def families(rows: Iterable[Mapping[str, Any]], dead: Mapping[str, int]) -> Iterable[Metric]:
    """The metrics of the state of each subscription, and of all dead letters."""
    rows = list(rows)
    counts = CounterMetricFamily(
        "grouping_notifications", "Messages by what became of them", labels=["subscription", "outcome"]
    )
    for row in rows:
        for outcome in _OUTCOMES:
            counts.add_metric([row["subscription"], outcome], row[outcome])
    yield counts
    for key, (name, text) in _GAUGES.items():
        gauge = GaugeMetricFamily(name, text, labels=["subscription"])
        for row in rows:
            gauge.add_metric([row["subscription"]], row[key] or 0)
        yield gauge
    text = "Notices that could not be delivered and are kept, also of subscriptions that are no more"
    letters = GaugeMetricFamily("grouping_deadletters", text, labels=["subscription"])
    for subscription, count in dead.items():
        letters.add_metric([subscription], count)
    yield letters
