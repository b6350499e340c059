"""A stream against its known groups: what `grouping evaluate` does, without the command line.

`play` is also for callers in Python (`read_truth` is in truth.py):

    truth = read_truth(Path("truth.csv"))
    events, refused = read_events(["alerts.jsonl.gz"])
    played = play(events, truth, Config())
    played.scores().macro_jaccard
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import repeat
from math import inf
from typing import NamedTuple

from grouping.config import Config
from grouping.decided import Decided
from grouping.engine import Engine
from grouping.evaluate import Pair, Scores, evaluate, matches
from grouping.parse import Malformed, parse
from grouping.records import Event, Feedback
from grouping.responder import Habits, Responder, arrivals
from grouping.runtimes.replay import calm_collector, lines_of, open_sources
from grouping.runtimes.scratch import Scratch

COMMIT = 4096  # events between two commits to the scratch store
MAX_NAME = 65_536  # characters of a field of the truth; longer is no name

Truth = Mapping[str, str | None]  # the group of each alert, None for noise
Ticker = Callable[[int], None]  # events played since the last call


class Point(NamedTuple):
    """A group on the learning curve: what had been corrected when its first alert came, and how it was found."""

    group: str
    alert: int  # the number of its first alert among the pairs
    spent: int
    jaccard: float


@dataclass(slots=True)
class Played:
    """One play of a stream. ``pairs``: (name, group) of each labelled alert as decided; see decided.py."""

    pairs: list[Pair] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)  # the id of each
    incidents: list[str] = field(default_factory=list)  # the incident that its decision line names
    corrected: list[str] = field(default_factory=list)  # the incident it is in after all corrections
    unlabelled: int = 0  # decisions on alerts that the truth does not name; in no figure
    spent: list[int] = field(default_factory=list)  # of each correction: how many pairs there were before it
    feedback: list[tuple[int, Feedback]] = field(default_factory=list)  # all that was given, the same before each
    responder: dict[str, int] = field(default_factory=dict)  # how often what was done; see Responder.counts

    def scores(self) -> Scores:
        """Over the whole stream."""
        return evaluate(self.pairs)

    def second_half(self) -> Scores:
        """Over the second half of the labelled alerts."""
        return evaluate(self.pairs, len(self.pairs) // 2)

    def after_corrections(self) -> Scores:
        """Of the incidents as they stand at the end, all corrections in: what responders are left with."""
        return evaluate([(end, group) for end, (_, group) in zip(self.corrected, self.pairs, strict=True)])

    def curve(self) -> list[Point]:
        """Every group of more than one alert, in the order of their first alerts."""
        return [
            Point(str(one.group), one.first, bisect_right(self.spent, one.first), one.jaccard)
            for one in matches(self.pairs)
            if one.alerts > 1
        ]


def play(
    events: Iterable[Event],
    truth: Truth,
    config: Config,
    responder: Habits | None = None,
    *,
    tick: Ticker | None = None,
) -> Played:
    """Play a stream through the engine, from the first event on, and judge each decision as it was made.

    A ``responder`` who knows the truth reviews incidents as the stream goes on; his feedback stands between the events
    by time. Raises StoreError, OSError.
    """
    with ExitStack() as stack:
        store = Scratch()
        stack.callback(store.close)
        calm_collector(stack)
        engine, decided = Engine(config, store), Decided()
        desk = None
        times: Iterable[float] = repeat(0.0)
        if responder is not None:
            events = list(events)
            times = arrivals(events)
            desk = _Desk(engine, decided, Responder(truth, responder))
        for number, (event, now) in enumerate(zip(events, times, strict=False), 1):
            if desk is None:
                decided.take(engine.step(event))
            else:
                desk.step(event, now)
            if number % COMMIT == 0:
                store.commit(engine.drain(), b"", number, {})
                if tick is not None:
                    tick(COMMIT)
        if desk is not None:
            for scope in desk.responder.scopes():
                desk.answer(scope, inf)
        return _played(decided, truth, desk)


class _Desk:
    """An engine with a responder before it."""

    def __init__(self, engine: Engine, decided: Decided, responder: Responder) -> None:
        self.responder = responder
        self.given: list[tuple[int, Feedback]] = []  # after how many decisions
        self.spent: list[int] = []  # of each correction: how many decisions there were before it
        self._engine = engine
        self._decided = decided

    def step(self, event: Event, now: float) -> None:
        """First the feedback that falls due before an event, then the event."""
        self.answer(event.scope, now)
        outputs = self._engine.step(event)
        self._decided.take(outputs)
        self.responder.watch(event, outputs, now)

    def answer(self, scope: str, now: float) -> None:
        """Give all feedback that falls due in a scope until ``now``."""
        while (feedback := self.responder.next(scope, now)) is not None:
            before = self.responder.spent
            outputs = self._engine.step(feedback)
            self._decided.take(outputs)
            self.responder.watch(feedback, outputs, feedback.at or 0.0)
            self.given.append((len(self._decided.alerts), feedback))
            self.spent += [len(self._decided.alerts)] * (self.responder.spent - before)


def _played(decided: Decided, truth: Truth, desk: _Desk | None) -> Played:
    played = Played()
    labelled = [0]  # of the first n decisions
    for name, alert, incident, end in zip(
        decided.names, decided.alerts, decided.incidents, decided.corrected(), strict=True
    ):
        if alert in truth:
            played.pairs.append((name, truth[alert]))
            played.alerts.append(alert)
            played.incidents.append(incident)
            played.corrected.append(end)
        else:
            played.unlabelled += 1
        labelled.append(len(played.pairs))
    if desk is not None:
        played.spent = [labelled[number] for number in desk.spent]
        played.feedback = [(labelled[number], feedback) for number, feedback in desk.given]
        played.responder = dict(desk.responder.counts)
    return played


def read_events(paths: Sequence[str]) -> tuple[list[Event], int]:
    """The events of files ("-": standard input), and how many lines were refused. Raises BadInput, OSError."""
    events: list[Event] = []
    refused = 0
    with ExitStack() as stack:
        for source in open_sources(paths, stack):
            for line in lines_of(source):
                try:
                    events.append(parse(line))
                except Malformed:
                    refused += bool(line.strip())
    return events, refused
