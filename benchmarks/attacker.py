"""Somebody who means harm: merges every incident that opens into the one before, as long as a stream's first half goes on.

What such merges do to incidents is done by hand, and no figure of the engine. So the second half is judged, when nothing is
merged any more: what the engine has learned from it. And once all of it is undone at the half, as `grouping unlearn` does,
the second half is to be as if nobody had been there.
"""

from __future__ import annotations

from collections.abc import Sequence

from grouping import Config, Engine
from grouping.decided import Decided
from grouping.evaluate import Pair
from grouping.records import Change, Event, Feedback, IncidentLine, Output, Refused, Verb
from grouping.responder import Habits, Responder, arrivals
from grouping.runtimes.evaluate import Truth

ACTOR = "attacker"


class Attacker:
    """Feedback of the attacker; ``given`` is what was carried out."""

    def __init__(self) -> None:
        self.given: list[Feedback] = []
        self._said = 0
        self._before: dict[str, str] = {}  # scope -> incident to merge into

    def answers(self, event: Event, outputs: Sequence[Output]) -> list[Feedback]:
        """What is said to what an event opened."""
        answers = []
        for line in outputs:
            if not isinstance(line, IncidentLine) or line.event is not Change.OPENED:
                continue
            into = self._before.setdefault(line.scope, line.incident)
            if into != line.incident:
                self._said += 1
                id, sources = f"attack-{self._said}", (line.incident,)
                answers.append(Feedback(id, event.at, line.scope, ACTOR, Verb.MERGE, incidents=sources, into=into))
        return answers

    def heard(self, said: Feedback, outputs: Sequence[Output]) -> None:
        """Where the incident merged into takes nothing any more, the next ones go into the new one."""
        if any(isinstance(line, Refused) for line in outputs):
            self._before[said.scope] = said.incidents[0]
        else:
            self.given.append(said)

    def undone(self) -> list[Feedback]:
        """What takes all of it back, the latest first."""
        return [
            Feedback(f"undo-{one.id}", one.at, one.scope, "unlearn", Verb.UNDO, feedback=one.id)
            for one in reversed(self.given)
        ]


def attacked(events: Sequence[Event], truth: Truth, habits: Habits, *, undone: bool) -> list[Pair]:
    """(incident, group) of every alert as it was decided, with an attacker in the first half, beside a responder."""
    engine, decided, attacker = Engine(Config()), Decided(), Attacker()
    responder = Responder(truth, habits)

    def step(event: Event, now: float) -> list[Output]:
        outputs = engine.step(event)
        decided.take(outputs)
        responder.watch(event, outputs, now)
        return outputs

    half = len(events) // 2
    for number, (event, now) in enumerate(zip(events, arrivals(events), strict=True)):
        if undone and number == half:
            for one in attacker.undone():
                step(one, now)
        while (correction := responder.next(event.scope, now)) is not None:
            step(correction, now)
        outputs = step(event, now)
        if number < half:
            for one in attacker.answers(event, outputs):
                attacker.heard(one, step(one, now))
    return [(incident, truth[alert]) for incident, alert in zip(decided.names, decided.alerts, strict=True)]
