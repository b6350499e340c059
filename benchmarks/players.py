"""Who plays in the quality tables, by name: the engine under a policy, rules, baselines, learners of others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from benchmarks.baselines.base import grouped
from benchmarks.baselines.learners import CHOOSERS, Taught
from benchmarks.baselines.names import BASELINES
from benchmarks.baselines.rules import is_rule, rule
from benchmarks.streams import Truth
from grouping import Config, Engine
from grouping.records import Alert, Decision, Event

DEFAULT = "default"
RULES = (
    "*=30s",
    "*=300s",
    "*~2s",
    "service~1s",
    "service~5s",
    "service=300s",
    "class=300s",
    "service+class=300s",
    "host=300s",
)
OTHERS = tuple(BASELINES)
COLD = (DEFAULT, *RULES, *OTHERS)  # played without a responder, and over damaged streams
LEARNERS = (DEFAULT, *CHOOSERS)  # played with a responder as well; names of our own learners belong here, too
SLOW = ("TextClust", *CHOOSERS)  # those that --cap shortens

Pair = tuple[str, str | None]
ROOT = Path(__file__).parent.parent


def play(name: str, events: Iterable[Event], truth: Truth) -> list[Pair]:
    """(incident, group) of every firing alert of the stream, as decided when it came."""
    alerts = [event for event in events if isinstance(event, Alert)]
    if is_rule(name):
        return [(label, truth[alert]) for alert, label in grouped(lambda: rule(name), alerts)]
    if name in BASELINES:
        return [(label, truth[alert]) for alert, label in grouped(BASELINES[name], alerts)]
    store: dict[bytes, bytes] = {}
    engine = Taught(CHOOSERS[name], Config(), store) if name in CHOOSERS else Engine(Config(policy=name), store)
    pairs: list[Pair] = []
    for number, alert in enumerate(alerts, 1):
        outputs = engine.step(alert)
        pairs += [(one.incident, truth[one.alert]) for one in outputs if isinstance(one, Decision)]
        if number % 4096 == 0:
            store |= {key: value for key, value in engine.drain().items() if value is not None and key[:1] != b"a"}
    return pairs


@lru_cache
def code(name: str, damage: str) -> str:
    """A hash of the sources that a figure of this player depends on: other sources, other figures."""
    paths = [ROOT / "grouping" / "evaluate.py", ROOT / "grouping" / "parse.py"]
    if name in BASELINES or name in CHOOSERS or is_rule(name):
        paths += (ROOT / "benchmarks" / "baselines").glob("*.py")
    if name not in BASELINES and not is_rule(name):
        paths += (ROOT / "grouping").rglob("*.py")
    if damage:
        paths.append(ROOT / "benchmarks" / "stress.py")
    whole = hashlib.sha256()
    for path in sorted(set(paths)):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]
