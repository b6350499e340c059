"""What Prometheus is told of a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Counts and times, fed by the loop's ``watch``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        where: dict[str, Any] = {"labelnames": ["partition"], "registry": self.registry}
        alone: dict[str, Any] = {"registry": self.registry}
        self._events = Counter("grouping_events", "Events stepped.", **where)
        self._batch = Histogram("grouping_batch_seconds", "From batch read to committed.", buckets=_SECONDS, **alone)
        self._taken = Histogram("grouping_recovery_seconds", "Taking a partition over.", buckets=_SECONDS, **alone)
        self._replayed = Counter("grouping_state_records", "Records of the state read back.", **alone)
        self._stored = Counter("grouping_checkpoint_records", "Records of the state written.", **alone)
        self._forgotten = Counter("grouping_forgotten_incidents", "Incidents deleted because of their age.", **alone)
        self._commits = Counter("grouping_transactions", "Transactions committed.", **where)
        self._faults = Counter("grouping_faults", "Faults after which a partition is taken over again.", **where)
        self._bypassed = Counter("grouping_bypassed", "Events on which the engine failed, opened ungrouped.", **where)
        self._refused = Gauge("grouping_partition_refused", "1: cannot be worked on; the log says why.", **where)
        self._assigned = Gauge("grouping_partitions", "Partitions assigned to this worker.", **alone)
        self._rebalances = Counter("grouping_rebalances", "Times the assignment changed.", **alone)
        self._lag: Callable[[], dict[int, int]] = dict
        self.registry.register(self)

    def listen(self, host: str, port: int) -> None:
        """Serve them at /metrics. Raises OSError."""
        start_http_server(port, host, self.registry)

    def lag_of(self, lag: Callable[[], dict[int, int]]) -> None:
        """Where the lag is asked for."""
        self._lag = lag

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What is asked for at the moment it is asked."""
        lag = GaugeMetricFamily("grouping_lag", "Events not yet decided, as of every 5 s.", labels=["partition"])
        for partition, events in self._lag().items():
            lag.add_metric([str(partition)], events)
        yield lag

    def watch(self, what: str, partition: int, amount: float) -> None:
        """One step of the work."""
        label = str(partition)
        match what:
            case "stepped":
                self._events.labels(label).inc(amount)
            case "worked":
                self._batch.observe(amount)
            case "committed":
                self._commits.labels(label).inc()
            case "stored":
                self._stored.inc(amount)
            case "forgotten":
                self._forgotten.inc(amount)
            case "replayed":
                self._replayed.inc(amount)
            case "taken":
                self._taken.observe(amount)
                # 0 is seen before 1: a series that begins with 1 is no increase to Prometheus.
                for counter in (self._faults, self._bypassed):
                    counter.labels(label)
                self._refused.labels(label).set(0)
            case "left":
                self._refused.labels(label).set(0)
            case "failed":
                self._faults.labels(label).inc()
            case "bypassed":
                self._bypassed.labels(label).inc()
            case "refused":
                self._refused.labels(label).set(1)
            case "assigned":
                self._assigned.set(amount)
                self._rebalances.inc()
