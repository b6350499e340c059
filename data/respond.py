"""A log as a live service holds it: a stream, and what responders who know the truth did about its incidents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from grouping import Config, Engine, parse
from grouping.ledger import Ids, Ledger

LOOK_S = 60.0  # between two looks
WAIT_S = 90.0  # an incident so old is looked at
QUIET_S = 300.0  # without an alert for so long it is taken to be over


class Responders:
    """They see what the engine made of the alerts so far, and put it right."""

    def __init__(self, truth: dict[str, str]) -> None:
        """``truth``: alert id to fault, "" for noise."""
        self._truth = truth
        self._engine, self._ledger = Engine(Config()), Ledger()
        self._last: dict[Ids, float] = {}
        self._first: dict[Ids, float] = {}
        self._looked: dict[Ids, int] = {}  # incidents seen, and how many alerts they had
        self._done: set[Ids] = set()
        self._next, self._number = 0.0, 0

    def watch(self, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The event, with what responders did before it came."""
        if event["at"] >= self._next:
            yield from self._look(event["scope"], event["at"])
            self._next = event["at"] + LOOK_S
        yield event
        self._take(event)
        place = event["scope"], self._ledger.incident(event["scope"], event["id"]) or ""
        if place[1]:
            self._last[place] = max(event["at"], self._last.get(place, 0.0))
            self._first.setdefault(place, event["at"])

    def _take(self, event: dict[str, Any]) -> None:
        read = parse(orjson.dumps(event))
        self._ledger.take(read, self._engine.step(read))

    def leave(self, scope: str) -> Iterator[dict[str, Any]]:
        """What they do when all is over."""
        yield from self._look(scope, max(self._last.values()) + QUIET_S)

    def _do(self, scope: str, at: float, action: str, **what: Any) -> Iterator[dict[str, Any]]:
        self._number += 1
        event = {"kind": "feedback", "id": f"f{self._number}", "at": at, "scope": scope, "actor": "ana"}
        event |= {"action": action, **what}
        self._take(event)
        yield event

    def _look(self, scope: str, at: float) -> Iterator[dict[str, Any]]:
        for place, held in list(self._ledger.incidents.items()):
            quiet = at - self._last.get(place, at)
            if not held.alerts or place in self._done or at - self._first.get(place, at) < WAIT_S:
                continue
            if held.open and len(held.alerts) != self._looked.get(place):
                yield from self._mend(scope, at, place[1])
                self._looked[place] = len(held.alerts)
            if quiet >= QUIET_S and held.alerts:
                self._done.add(place)
                yield from self._finish(scope, at, place[1])

    def _mend(self, scope: str, at: float, incident: str) -> Iterator[dict[str, Any]]:
        """Take out what belongs elsewhere; then put the incident to another one of the same fault."""
        mine = self._fault(scope, incident)
        faults = dict.fromkeys(self._truth[id] for id in self._ledger.alerts(scope, incident))
        for fault in faults:
            if mine and fault and fault != mine:
                alerts = [id for id in self._ledger.alerts(scope, incident) if self._truth[id] == fault]
                yield from self._do(scope, at, "move", alerts=alerts, into=self._other(scope, incident, fault))
        twin = self._other(scope, incident, mine) if mine else None
        if twin is not None:
            yield from self._do(scope, at, "merge", incidents=[incident], into=twin)

    def _finish(self, scope: str, at: float, incident: str) -> Iterator[dict[str, Any]]:
        """Nothing came for a while: noise is dismissed, the incident that holds a fault confirmed."""
        fault = self._fault(scope, incident)
        if fault:
            if self._other(scope, incident, fault, closed=True) is None:
                yield from self._do(scope, at, "confirm", incident=incident)
        elif self._ledger.is_open(scope, incident):
            yield from self._do(scope, at, "dismiss", incident=incident)

    def _fault(self, scope: str, incident: str) -> str:
        """What most alerts of an incident are about, "" for noise."""
        return Counter(self._truth[id] for id in self._ledger.alerts(scope, incident)).most_common(1)[0][0]

    def _other(self, scope: str, incident: str, fault: str, *, closed: bool = False) -> str | None:
        """Another incident about this fault that was looked at before; an open one, if not ``closed`` ones too."""
        for place in self._looked:
            held = self._ledger.incidents[place]
            if place[1] != incident and held.alerts and (held.open or closed):
                if self._fault(scope, place[1]) == fault:
                    return place[1]
        return None


def corrected(name: str, stream: Iterable[tuple[dict[str, Any], str | None]], policy: str) -> Iterator[dict[str, Any]]:
    """The stream of one scope, grouped by ``policy`` from the first event on, with all that responders did."""
    events = list(stream)
    responders = Responders({event["id"]: fault or "" for event, fault in events})
    scope, at = events[0][0]["scope"], events[0][0]["at"]
    rule = {"kind": "policy", "id": f"{name}-policy", "at": at, "scope": scope, "mode": "auto", "policy": policy}
    yield from responders.watch(rule)
    for event, _ in events:
        yield from responders.watch(event)
    yield from responders.leave(scope)
