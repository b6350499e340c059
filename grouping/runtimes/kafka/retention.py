"""What of a partition's state is old, by the time of its events, and is deleted with a checkpoint.

A bite of the incidents is looked at with each checkpoint, so deleting costs a little all the time and never much. It is
a part of the checkpoint's transaction: whoever takes the partition over goes on from a state in which the same is
gone. An incident is old when no alert came to it and no feedback spoke of it for ``keep_s`` of its scope's clock. The
feedback that ever spoke of it goes with it, since undoing that would look for what is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import orjson

from grouping.forget import forget
from grouping.learn import clock
from grouping.lifecycle import tree
from grouping.records import Event, Feedback, Output, Refused
from grouping.runtimes.kafka.incidents import touched
from grouping.runtimes.store import Store
from grouping.scope import Incident, Scope
from grouping.state import State, last_alert, record_key

BITE = 256  # incidents looked at with each checkpoint, and one more for each event since the one before
ALERTS = 4096  # of incidents that are deleted at once, about

_SPOKEN = b"\0t"  # + scope and incident -> when a feedback last spoke of it, and which ones did


class Retention:
    """Of one partition. Takes every event right after the engine."""

    def __init__(self, store: Store, state: State, keep_s: float) -> None:
        """``keep_s`` 0: for ever; what feedback spoke of is written down in any case."""
        self._store = store
        self._state = state
        self._keep_s = keep_s
        self._changes: dict[bytes, bytes | None] = {}
        self._from: bytes | None = None  # the key of the next incident to look at

    def take(self, event: Event, outputs: Sequence[Output]) -> None:
        """Note which incidents a feedback spoke of."""
        if not isinstance(event, Feedback) or any(isinstance(output, Refused) for output in outputs):
            return
        named = [event.incident, event.into, *event.incidents]
        named += [id for output in outputs for _, id in touched(output)]
        now = clock(self._state.scope(event.scope))
        for id in dict.fromkeys(named):
            if id is not None:
                _, told = self._spoken(event.scope, id)
                self._changes[_key(event.scope, id)] = orjson.dumps([now, [*told, event.id]])

    def forget(self, events: int) -> list[str]:
        """Delete what is old among some of the incidents; their ids. ``events``: since the last time."""
        if not self._keep_s:
            return []
        gone: list[str] = []
        alerts = 0
        for key, value in islice(self._store.under(b"i", self._from), BITE + events):
            self._from = key + b"\0"
            name, id = _named(key)
            scope = self._state.scope(name)
            before = clock(scope) - self._keep_s
            incident = self._state.incident(scope, id) if last_alert(value) < before else None
            if incident is None or not self._old(scope, incident, before):
                continue
            alerts += incident.count
            for part in forget(self._state, scope, id):
                gone.append(part)
                self._unspeak(name, part)
            if alerts >= ALERTS:
                break
        if self._from is not None and next(self._store.under(b"i", self._from), None) is None:
            self._from = None  # all are looked at: from the first one again
        return gone

    def drain(self) -> dict[bytes, bytes | None]:
        """What is to be written with the engine's records."""
        drained, self._changes = self._changes, {}
        return drained

    def _unspeak(self, scope: str, id: str) -> None:
        """Delete the feedback that spoke of an incident."""
        _, told = self._spoken(scope, id)
        for feedback in told:
            self._state.drop_feedback(scope, feedback)
        if told:
            self._changes[_key(scope, id)] = None

    def _old(self, scope: Scope, incident: Incident, before: float) -> bool:
        if incident.slot >= 0 or incident.last_at >= before:
            return False
        return all(self._spoken(scope.name, part.id)[0] < before for part in tree(self._state, scope, incident))

    def _spoken(self, scope: str, id: str) -> tuple[float, list[str]]:
        """When a feedback last spoke of an incident, and the ids of all that did."""
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
