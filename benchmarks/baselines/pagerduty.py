"""PagerDuty's Intelligent Alert Grouping, as it starts out.

Source: its knowledge base (Intelligent Alert Grouping; Global Alert Grouping Settings), REST reference
(``alert_grouping_setting``) and blog: alerts of a service whose titles are alike are grouped; "memory usage on host
is high (>90%)" goes with "(>95%)", but "memory usage high (>X%) on server NAME in region REGION" does not go with the
same of another server, because too many words differ. The window rolls: 300 s (the shortest that can be set) from the
alert that was grouped last. An incident holds at most 1,000 alerts.

How alike is alike is not published: here the share of common words (Jaccard), with a threshold between the two
examples. What it learns from merges is not published either, and not here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.baselines.base import Grouper
from grouping.records import Alert

WINDOW = 300.0
ALIKE = 0.65
FULL = 1000

Words = frozenset[str]


@dataclass(slots=True)
class _Open:
    label: str
    last: float
    count: int = 0
    titles: set[Words] = field(default_factory=set)


class TitleSimilarity(Grouper):
    """Join the open incident of the service with the most similar title, else open one."""

    def __init__(self, window: float = WINDOW, alike: float = ALIKE) -> None:
        self._window = window
        self._alike = alike
        self._services: dict[str | None, dict[str, _Open]] = {}

    def group(self, alert: Alert, at: float) -> str:
        near = self._services.setdefault(alert.service, {})
        for label in [one.label for one in near.values() if at - one.last > self._window or one.count >= FULL]:
            del near[label]
        words = frozenset(alert.summary.lower().split())
        best, joined = self._alike, None
        for one in near.values():
            likeness = 1.0 if words in one.titles else max(_jaccard(words, title) for title in one.titles)
            if likeness >= best:
                best, joined = likeness, one
        if joined is None:
            joined = near[alert.id] = _Open(alert.id, at)
        joined.count += 1
        joined.last = max(joined.last, at)
        joined.titles.add(words)
        return joined.label

    def closed(self, label: str) -> None:
        for near in self._services.values():
            near.pop(label, None)


def _jaccard(one: Words, other: Words) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common) if common else 0.0
