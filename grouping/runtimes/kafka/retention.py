"""What of a partition's state is old, by the time of its events, and is deleted with a checkpoint.

A bite of the incidents is looked at with each checkpoint, so deleting costs a little all the time and never much. It is
a part of the checkpoint's transaction: whoever takes the partition over goes on from a state in which the same is
gone. An incident is old when no alert came to it, none of its alerts was sent again and no feedback spoke of it for
``keep_s`` of its scope's clock. The feedback that ever spoke of it goes with it, since undoing that would look for what
is gone. One that is still open is resolved first, by a feedback in the topic: whoever heard of it hears of its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import orjson

from grouping.codec import last_alert
from grouping.engine import Engine
from grouping.keyspace import record_key
from grouping.learn import clock
from grouping.lifecycle import tree
from grouping.records import Action, Decision, Event, Feedback, Output, Refused, incidents_of
from grouping.runtimes.index import KEEPER
from grouping.runtimes.store import Store
from grouping.scope import Incident, Scope, Standing

BITE = 256  # incidents looked at with each checkpoint, and one more for each event since the one before
ALERTS = 4096  # of incidents that are deleted at once, about

COARSE_S = 3600.0  # of event time: how late it may be written down that an alert is sent again and again
HEARD = 65_536  # incidents of which is kept in memory when that was last written down

_SPOKEN = b"\0t"  # + scope and incident -> when it was last spoken of, and which feedback did


class Old(NamedTuple):
    """What was found to be old."""

    gone: list[str]  # ids of incidents
    resolve: list[tuple[bytes, bytes]]  # keys and values of events that end those that are open


class Retention:
    """Of one partition. Takes every event right after the engine."""

    def __init__(self, store: Store, engine: Engine, keep_s: float) -> None:
        """``keep_s`` 0: for ever; what feedback spoke of is written down in any case."""
        self._store = store
        self._engine, self._state = engine, engine.state
        self._keep_s = keep_s
        self._changes: dict[bytes, bytes | None] = {}
        self._heard: dict[str, float] = {}
        self._from: bytes | None = None  # the key of the next incident to look at

    def take(self, event: Event, outputs: Sequence[Output]) -> None:
        """Note which incidents a feedback spoke of, and which alerts are sent again."""
        if not isinstance(event, Feedback):
            if outputs:  # of an alert that is sent again the first says so
                self._repeated(outputs[0])
            return
        if any(isinstance(output, Refused) for output in outputs):
            return
        named = [event.incident, event.into, *event.incidents]
        named += [id for output in outputs for id in incidents_of(output)]
        now = clock(self._state.scope(event.scope))
        for id in dict.fromkeys(named):
            if id is not None:
                at, told = self._spoken(event.scope, id)
                when = at if event.actor == KEEPER else now
                self._changes[_key(event.scope, id)] = orjson.dumps([when, list(dict.fromkeys([*told, event.id]))])

    def forget(self, events: int) -> Old:
        """Delete what is old among some of the incidents. ``events``: since the last time."""
        found = Old([], [])
        if not self._keep_s:
            return found
        alerts = 0
        for key, value in islice(self._store.under(b"i", self._from), BITE + events):
            self._from = key + b"\0"
            name, id = _named(key)
            scope = self._state.scope(name)
            before = clock(scope) - self._keep_s
            incident = self._state.incident(scope, id) if last_alert(value) < before else None
            if incident is None or not self._old(scope, incident, before):
                continue
            if incident.standing is Standing.OPEN:
                found.resolve.extend(self._end(scope, incident))
                continue
            alerts += incident.count
            for part in self._engine.forget(name, [id]):
                found.gone.append(part)
                self._unspeak(name, part)
            if alerts >= ALERTS:
                break
        if self._from is not None and next(self._store.under(b"i", self._from), None) is None:
            self._from = None  # all are looked at: from the first one again
        return found

    def drain(self) -> dict[bytes, bytes | None]:
        """What is to be written with the engine's records."""
        drained, self._changes = self._changes, {}
        return drained

    def _unspeak(self, scope: str, id: str) -> None:
        """Delete the feedback that spoke of an incident."""
        _, told = self._spoken(scope, id)
        for feedback in told:
            self._state.drop_feedback(scope, feedback)
        key = _key(scope, id)
        self._heard.pop(id, None)
        if key in self._changes or self._store.get(key) is not None:
            self._changes[key] = None

    def _end(self, scope: Scope, incident: Incident) -> list[tuple[bytes, bytes]]:
        """The event that ends an incident; none where it was sent already: a second one would find nothing any more."""
        at, told = self._spoken(scope.name, incident.id)
        id = f"{KEEPER}/{incident.id}/{incident.touched}"
        if id in told:
            return []
        self._changes[_key(scope.name, incident.id)] = orjson.dumps([at, [*told, id]])
        event = {"kind": "feedback", "id": id, "at": clock(scope), "scope": scope.name, "actor": KEEPER}
        return [(scope.name.encode(), orjson.dumps(event | {"action": "resolve", "incident": incident.id}))]

    def _repeated(self, output: Output) -> None:
        """Where an alert was sent again: written down now and then."""
        if not isinstance(output, Decision) or output.action is not Action.DUPLICATE:
            return
        scope, id = output.scope, output.incident
        now = clock(self._state.scope(scope))
        last = self._heard.get(id)
        if last is not None and now - last < COARSE_S:
            return
        key = _key(scope, id)
        at, told = self._spoken(scope, id)
        if now - at >= COARSE_S:
            self._changes[key] = orjson.dumps([now, told])
            at = now
        if len(self._heard) == HEARD:
            self._heard.clear()
        self._heard[id] = at

    def _old(self, scope: Scope, incident: Incident, before: float) -> bool:
        if incident.slot >= 0 or incident.last_at >= before:
            return False
        return all(self._spoken(scope.name, part.id)[0] < before for part in tree(self._state, scope, incident))

    def _spoken(self, scope: str, id: str) -> tuple[float, list[str]]:
        """When an incident was last spoken of but by new alerts, and the ids of all feedback that did."""
        key = _key(scope, id)
        value = self._changes[key] if key in self._changes else self._store.get(key)
        if value is None:
            return -1.0, []
        at, told = orjson.loads(value)
        return at, told


def _key(scope: str, id: str) -> bytes:
    return record_key(_SPOKEN, scope, id)


def _named(key: bytes) -> tuple[str, str]:
    """Scope and id in the key of an incident's record."""
    end = 3 + int.from_bytes(key[1:3], "big")
    return key[3:end].decode(), key[end:].decode()
