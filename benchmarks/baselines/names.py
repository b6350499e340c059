"""All baselines by their names in the tables. What a baseline is made of is imported when it plays (`make bench` installs it)."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.baselines.alertmanager import Alertmanager
from benchmarks.baselines.base import Grouper
from benchmarks.baselines.newrelic import Decisions
from benchmarks.baselines.pagerduty import TitleSimilarity
from benchmarks.baselines.streams import dbstream, drain, textclust

# Name in the tables -> a grouper of one scope.
BASELINES: dict[str, Callable[[], Grouper]] = {
    "Alertmanager service": lambda: Alertmanager("service"),
    "Alertmanager class": lambda: Alertmanager("class"),
    "Alertmanager service, class": lambda: Alertmanager("service", "class"),
    "PagerDuty titles": TitleSimilarity,
    "New Relic decisions": Decisions,
    "Drain3 300 s": drain,
    "TextClust": textclust,
    "DBSTREAM": dbstream,
}
