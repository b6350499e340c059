r"""Where incidents are found: by id, and per scope and overall in the order in which they were opened.

Keys stand beside the engine's records and are written with them, made from what the engine says:

    \\0w id            -> seq of the opening (8 bytes), scope
    \\0n seq id        -> scope              all, open ones under \\0p
    \\0m scope seq id  -> nothing            the same within a scope, open ones under \\0q
    \\0t id            -> seq of the last event that said anything of it
    \\0g seq           -> scope and id of the feedback that came with it
    \\0h scope         -> the output line that says since when and why what decides there does
    \\0c               -> how many incidents are open (8 bytes)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from grouping.emit import emit
from grouping.lifecycle import root
from grouping.records import Alert, Change, Event, Feedback, IncidentLine, Merged, Output, PolicyLine, incidents_of
from grouping.runtimes.store import Store
from grouping.state import State

FEEDBACK = b"\0g"
KEEPER = "keep_days"  # the actor of the feedback by which retention resolves what it is about to delete
_TOUCHED = b"\0t"
_COUNT = b"\0c"
_BECAUSE = b"\0h"
LOOKED_AT = 5_000  # entries read for one page at most; the rest is on the next

Changes = dict[bytes, bytes | None]


class Entry(NamedTuple):
    """An incident in a list, and the key to go on from."""

    scope: str
    id: str
    key: bytes


class Index:
    """Lists of incidents. Takes every event right after the engine, with what the engine put out."""

    def __init__(self, store: Store, state: State) -> None:
        self._store = store
        self._state = state
        self._changes: Changes = {}
        self._touched: dict[str, int] = {}
        self.open = self._counted()  # incidents that are

    def _counted(self) -> int:
        """What was written down; of a store that was made before that, they are counted."""
        value = self._store.get(_COUNT)
        if value is None:
            return sum(1 for _ in self.newest(None, opened=True, before=None))
        return int.from_bytes(value, "big")

    def take(self, seq: int, event: Event, outputs: list[Output]) -> None:
        """Note what an event did to incidents."""
        if isinstance(event, Feedback):
            within = event.scope.encode()
            value = len(within).to_bytes(2, "big") + within + event.id.encode()
            self._changes[FEEDBACK + seq.to_bytes(8, "big")] = value
        if isinstance(event, Alert) and not outputs:
            self._touch(seq, self._sent_again(event))
        kept = not (isinstance(event, Feedback) and event.actor == KEEPER)
        for output in outputs:
            if kept:
                self._touch(seq, incidents_of(output))
            match output:
                case IncidentLine(event=Change.OPENED):
                    self._opened(seq, output.scope, output.incident)
                case IncidentLine(event=Change.RESOLVED) | Merged():
                    self._open(output.incident, None)
                case IncidentLine():
                    self._open(output.incident, b"")
                case PolicyLine() if decides(output):
                    self._changes[_BECAUSE + output.scope.encode()] = emit(seq, output)

    def _touch(self, seq: int, ids: tuple[str, ...]) -> None:
        """Something was said of these incidents."""
        for id in ids:
            self._touched[id] = seq

    def _sent_again(self, alert: Alert) -> tuple[str, ...]:
        """The incident of an alert that changed nothing: it is known, and its sender says that it still holds."""
        scope = self._state.scope(alert.scope)
        known = self._state.alert(scope, alert.id)
        if known is not None:
            return (root(self._state, scope, known.incident).id,)
        latest = None if alert.dedup_key is None else self._state.latest(scope, alert.dedup_key)
        return () if latest is None else (root(self._state, scope, latest.incident).id,)

    def drain(self) -> Changes:
        """What is to be written with the engine's records."""
        drained, self._changes = self._changes, {}
        drained[_COUNT] = self.open.to_bytes(8, "big")
        for id, seq in self._touched.items():
            drained[_TOUCHED + id.encode()] = seq.to_bytes(8, "big")
        self._touched.clear()
        return drained

    def because(self, scope: str) -> bytes | None:
        """The output line by which a scope got what decides there; None where nothing ever changed."""
        return self._store.get(_BECAUSE + scope.encode())

    def scope_of(self, id: str) -> str | None:
        """The scope of an incident."""
        value = self._where(id)
        return None if value is None else value[8:].decode()

    def newest(self, scope: str | None, *, opened: bool, before: bytes | None) -> Iterator[Entry]:
        """Incidents from the one opened last on, or from the one before key ``before``; open ones only, or all."""
        prefix = (b"\0p" if opened else b"\0n") if scope is None else _scoped(b"\0q" if opened else b"\0m", scope)
        for key, value in self._store.under(prefix, before, backwards=True):
            if key != before and len(key) > len(prefix) + 8:  # the position of the store begins like an open incident
                yield Entry(value.decode() if scope is None else scope, key[len(prefix) + 8 :].decode(), key)

    def untouched(self, upto: int, after: bytes | None) -> Iterator[Entry]:
        """Incidents that no event after number ``upto`` said anything of, as they were opened, after key ``after``."""
        for key, value in self._store.under(b"\0n", after):
            if key == after:
                continue
            if int.from_bytes(key[2:10], "big") > upto:
                return
            id = key[10:].decode()
            touched = self._store.get(_TOUCHED + id.encode())
            if id not in self._touched and (touched is None or int.from_bytes(touched, "big") <= upto):
                yield Entry(value.decode(), id, key)

    def feedback(self, upto: int) -> Iterator[tuple[str, str]]:
        """Scope and id of the feedback up to event number ``upto``."""
        for key, value in self._store.under(FEEDBACK):
            if int.from_bytes(key[len(FEEDBACK) :], "big") > upto:
                return
            end = 2 + int.from_bytes(value[:2], "big")
            yield value[2:end].decode(), value[end:].decode()

    def drop(self, id: str) -> None:
        """Delete an incident from all lists."""
        where = self._where(id)
        if where is None:
            return
        self._open(id, None)
        self._changes |= _entries(b"n", int.from_bytes(where[:8], "big"), where[8:].decode(), id, None)
        self._changes |= {b"\0w" + id.encode(): None, _TOUCHED + id.encode(): None}

    def _opened(self, seq: int, scope: str, id: str) -> None:
        self._changes[b"\0w" + id.encode()] = seq.to_bytes(8, "big") + scope.encode()
        for kind in (b"n", b"p"):
            self._changes |= _entries(kind, seq, scope, id, b"")
        self.open += 1

    def _open(self, id: str, value: bytes | None) -> None:
        where = self._where(id)
        if where is None:
            return
        entries = _entries(b"p", int.from_bytes(where[:8], "big"), where[8:].decode(), id, value)
        key = next(iter(entries))
        was = self._changes[key] if key in self._changes else self._store.get(key)
        self.open += (value is not None) - (was is not None)
        self._changes |= entries

    def _where(self, id: str) -> bytes | None:
        key = b"\0w" + id.encode()
        return self._changes.get(key) or self._store.get(key)


def decides(line: PolicyLine) -> bool:
    """Whether a line says what decides from there on, and not what plays along or who is believed."""
    return line.why not in ("quarantined", "freed") and "mode" not in line.evidence


def _entries(kind: bytes, seq: int, scope: str, id: str, value: bytes | None) -> Changes:
    """The two entries of an incident, overall and in its scope."""
    end = seq.to_bytes(8, "big") + id.encode()
    within = {b"n": b"\0m", b"p": b"\0q"}[kind]
    return {
        b"\0" + kind + end: None if value is None else scope.encode(),
        _scoped(within, scope) + end: value,
    }


def _scoped(kind: bytes, scope: str) -> bytes:
    name = scope.encode()
    return kind + len(name).to_bytes(2, "big") + name
