"""What Prometheus reads. The hot path counts in plain numbers; they become metrics when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from grouping.runtimes.service import Service

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # s


class Tally:
    """What the doors count."""

    def __init__(self) -> None:
        self.accepted: Counter[str] = Counter()  # by door
        self.refused: Counter[str] = Counter()  # by door
        self.denied: Counter[int] = Counter()  # by status
        self.took = [0] * (len(BUCKETS) + 1)
        self.took_sum = 0.0

    def time(self, seconds: float) -> None:
        """Count the time from a request to its 202."""
        self.took[bisect_left(BUCKETS, seconds)] += 1
        self.took_sum += seconds


class _Reader(Collector):
    def __init__(self, service: Service, tally: Tally) -> None:
        self._service = service
        self._tally = tally

    def collect(self) -> Iterable[Metric]:
        """All metrics of the service as they are now."""
        service, tally = self._service, self._tally
        for name, text, counts, label in (
            ("accepted", "Events that are on disk", tally.accepted, "door"),
            ("refused", "Events refused at a door", tally.refused, "door"),
            ("denied", "Requests not taken", {str(status): n for status, n in tally.denied.items()}, "status"),
            ("outputs", "Output lines", service.counts, "what"),
        ):
            family = CounterMetricFamily(f"grouping_{name}", text, labels=[label])
            for key, count in counts.items():
                family.add_metric([key], count)
            yield family
        yield GaugeMetricFamily("grouping_log_end", "Number of the last accepted event", service.log.end)
        yield GaugeMetricFamily("grouping_decided", "Number of the last decided event", service.decided)
        yield GaugeMetricFamily("grouping_backlog", "Accepted events that wait for their decision", service.backlog())
        yield GaugeMetricFamily("grouping_lag_seconds", "For how long the oldest of them has waited", service.lag())
        yield GaugeMetricFamily("grouping_joinable", "Incidents that take alerts, in memory", service.open_incidents)
        yield GaugeMetricFamily("grouping_ready", "1 when events are taken and decided", int(service.ready))
        total, rows = 0, []
        for edge, count in zip([*map(str, BUCKETS), "+Inf"], tally.took, strict=True):
            total += count
            rows.append((edge, total))
        took = HistogramMetricFamily("grouping_accept_seconds", "From a request to its 202")
        took.add_metric([], rows, tally.took_sum)
        yield took


class Metrics:
    """The registry of one service."""

    def __init__(self, service: Service, tally: Tally) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Reader(service, tally))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
