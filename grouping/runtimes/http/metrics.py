"""What Prometheus reads. The hot path counts in plain numbers; they become metrics when somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from grouping.quality import COUNTED, Quality
from grouping.runtimes.log import Log, size
from grouping.runtimes.outbox.metrics import families
from grouping.runtimes.outbox.outbox import Outbox
from grouping.runtimes.service import Service
from grouping.runtimes.times import Times


class Tally:
    """What the doors count."""

    def __init__(self) -> None:
        self.accepted: Counter[str] = Counter()  # by door
        self.resent: Counter[str] = Counter()  # by door
        self.refused: Counter[str] = Counter()  # by door
        self.denied: Counter[int] = Counter()  # by status
        self.took = Times()  # from a request to its 202


class _Reader(Collector):
    def __init__(self, service: Service, tally: Tally, outbox: Outbox) -> None:
        self._service = service
        self._tally = tally
        self._outbox = outbox

    def collect(self) -> Iterable[Metric]:
        """All metrics of the service as they are now."""
        service, tally = self._service, self._tally
        denied = {"503": 0} | {str(status): n for status, n in tally.denied.items()}
        for name, text, counts, label in (
            ("accepted", "Events that are on disk", tally.accepted, "door"),
            ("resent", "Events that were on disk already", tally.resent, "door"),
            ("refused", "Events refused at a door", tally.refused, "door"),
            ("denied", "Requests not taken", denied, "status"),
            ("outputs", "Output lines", {"bypassed": 0} | service.counts, "what"),
        ):
            family = CounterMetricFamily(f"grouping_{name}", text, labels=[label])
            for key, count in counts.items():
                family.add_metric([key], count)
            yield family
        yield GaugeMetricFamily("grouping_log_end", "Number of the last accepted event", service.log.end)
        yield GaugeMetricFamily("grouping_decided", "Number of the last decided event", service.decided)
        yield GaugeMetricFamily("grouping_backlog", "Accepted events that wait for their decision", service.backlog())
        yield GaugeMetricFamily("grouping_lag_seconds", "For how long the oldest of them has waited", service.lag())
        yield GaugeMetricFamily("grouping_open_incidents", "Incidents that are open", service.open_incidents)
        yield GaugeMetricFamily("grouping_joinable", "Incidents that take alerts, in memory", service.joinable)
        yield GaugeMetricFamily("grouping_ready", "1 when events are taken and decided", int(service.state()[0]))
        yield GaugeMetricFamily("grouping_log_bytes", "Size of the log", size(service.directory / "log"))
        yield from _disk(service.log)
        for name, text, times in (
            ("accept", "From a request to its 202", tally.took),
            ("decision", "From an event on disk to its decision on record", service.decision_times),
        ):
            took = HistogramMetricFamily(f"grouping_{name}_seconds", text)
            took.add_metric([], list(times.rows()), times.sum)
            yield took
        yield from _quality(service.quality)
        yield from families(self._outbox.state(), self._outbox.dead())


def _disk(log: Log) -> Iterable[Metric]:
    """The room on the disk of the log; what it left free is not to be had by it. Of a disk that does not answer there is none."""
    free = GaugeMetricFamily("grouping_disk_free_bytes", "Free on the disk of the log")
    with suppress(OSError):
        free.add_metric([], log.free())
    yield free
    yield GaugeMetricFamily("grouping_disk_reserve_bytes", "Below so many no event is taken", log.reserve)


def _quality(quality: Quality) -> Iterable[Metric]:
    """How good the decisions are by what responders do, since the process started."""
    counts = CounterMetricFamily("grouping_quality", "What the rates of quality are made of", labels=["what"])
    for what in COUNTED:
        counts.add_metric([what], quality.counts[what])
    yield counts
    for name, text, value in (
        ("corrections_per_100_incidents", "Corrections per 100 incidents opened", quality.corrections_per_100()),
        (
            "override_rate",
            "Changes by responders, undoing included, per decision to open or join",
            quality.override_rate(),
        ),
        ("opening_rate", "Share of decisions to open or join that opened", quality.opening_rate()),
        (
            "calibration_error",
            "Between the chances that scores promise and what was left standing",
            quality.calibration_error(),
        ),
    ):
        yield GaugeMetricFamily(f"grouping_{name}", text, value)


class Metrics:
    """The registry of one service."""

    def __init__(self, service: Service, tally: Tally, outbox: Outbox) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Reader(service, tally, outbox))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
