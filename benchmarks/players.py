"""Who plays in the quality tables, by name: the engine under a policy, rules, baselines, learners of others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from benchmarks.baselines.base import grouped
from benchmarks.baselines.learners import CHOOSERS, Taught
from benchmarks.baselines.names import BASELINES
from benchmarks.baselines.rules import is_rule, rule
from benchmarks.streams import Truth
from benchmarks.summary import DEFAULT, UNTUNED
from grouping import Config, Engine
from grouping.decided import Decided
from grouping.records import Alert, Event
from grouping.responder import Habits, Responder, arrivals

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
COLD = (DEFAULT, UNTUNED, *RULES, *OTHERS)  # played without a responder, and over damaged streams
LEARNERS = (DEFAULT, *CHOOSERS)  # played with a responder as well; names of our own learners belong here, too
SLOW = ("TextClust", *CHOOSERS)  # those that --cap shortens

LEVELS = (
    20,
    50,
    100,
    200,
)  # corrections, of a responder who looks at half of the incidents, five minutes after they are due
LOOK, DELAY_S = 0.5, 300.0
COMMIT = 4096  # events between two commits to the store

Pair = tuple[str, str | None]
ROOT = Path(__file__).parent.parent


def habits(corrections: int) -> Habits | None:
    """Those of the responder of the tables, who makes so many moves and merges."""
    return Habits(budget=corrections, look=LOOK, delay=DELAY_S) if corrections else None


def play(name: str, events: Sequence[Event], truth: Truth, seed: int = 1, habits: Habits | None = None) -> list[Pair]:
    """(incident, group) of every firing alert of the stream, as decided when it came.

    ``habits``: of a responder who corrects, as reviews fall due; ``seed`` says what that one looks at.
    """
    if is_rule(name) or name in BASELINES:
        alerts = (event for event in events if isinstance(event, Alert))
        made = grouped((lambda: rule(name)) if is_rule(name) else BASELINES[name], alerts)
        return [(label, truth[alert]) for alert, label in made]
    store: dict[bytes, bytes] = {}
    taught = Taught(CHOOSERS[name], Config(), store) if name in CHOOSERS else None
    engine = taught.engine if taught else Engine(Config(policy=name), store)
    step = taught.step if taught else engine.step
    responder = Responder(truth, replace(habits, seed=seed)) if habits is not None and habits.budget else None
    decided = Decided()
    for number, (event, now) in enumerate(zip(events, arrivals(events), strict=True), 1):
        if responder is not None:
            while (said := responder.next(event.scope, now)) is not None:
                outputs = step(said)
                decided.take(outputs)
                responder.watch(said, outputs, said.at or 0.0)
        outputs = step(event)
        decided.take(outputs)
        if responder is not None:
            responder.watch(event, outputs, now)
        if number % COMMIT == 0:
            _commit(store, engine, forget=responder is None)
    return [(incident, truth[alert]) for incident, alert in zip(decided.names, decided.alerts, strict=True)]


def _commit(store: dict[bytes, bytes], engine: Engine, *, forget: bool) -> None:
    """Take over what changed; alerts, which only a correction asks for again, may be forgotten."""
    for key, value in engine.drain().items():
        if value is None:
            store.pop(key, None)
        elif not forget or key[:1] != b"a":
            store[key] = value


@lru_cache
def code(name: str, damage: str, corrections: int) -> str:
    """A hash of the sources that a figure of this player depends on: other sources, other figures."""
    paths = [ROOT / "grouping" / "evaluate.py", ROOT / "grouping" / "parse.py"]
    if name in BASELINES or name in CHOOSERS or is_rule(name):
        paths += (ROOT / "benchmarks" / "baselines").glob("*.py")
    if name not in BASELINES and not is_rule(name):
        paths += [
            *(ROOT / "grouping").glob("*.py"),
            *(ROOT / "grouping" / "learners").glob("*.py"),
        ]  # the doors decide nothing
    paths += [ROOT / "grouping" / f"{part}.py" for part in ("responder", "board", "decided")] if corrections else []
    if damage:
        paths.append(ROOT / "benchmarks" / "stress.py")
    whole = hashlib.sha256()
    for path in sorted(set(paths)):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]
