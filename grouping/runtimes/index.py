r"""Where incidents are found: by id, and per scope and overall in the order in which they were opened.

Keys stand beside the engine's records and are written with them, made from what the engine says:

    \\0w id            -> seq of the opening (8 bytes), scope
    \\0n seq id        -> scope              all, open ones under \\0p
    \\0m scope seq id  -> nothing            the same within a scope, open ones under \\0q
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from grouping.records import Change, IncidentLine, Merged, Output
from grouping.runtimes.store import Store

LOOKED_AT = 5_000  # entries read for one page at most; the rest is on the next

Changes = dict[bytes, bytes | None]


class Entry(NamedTuple):
    """An incident in a list, and the key to go on from."""

    scope: str
    id: str
    key: bytes


class Index:
    """Lists of incidents."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changes: Changes = {}

    def take(self, seq: int, outputs: list[Output]) -> None:
        """Note what an event did to incidents."""
        for output in outputs:
            match output:
                case IncidentLine(event=Change.OPENED):
                    self._opened(seq, output.scope, output.incident)
                case IncidentLine(event=Change.RESOLVED) | Merged():
                    self._open(output.incident, None)
                case IncidentLine():
                    self._open(output.incident, b"")

    def drain(self) -> Changes:
        """What is to be written with the engine's records."""
        drained, self._changes = self._changes, {}
        return drained

    def scope_of(self, id: str) -> str | None:
        """The scope of an incident."""
        value = self._where(id)
        return None if value is None else value[8:].decode()

    def newest(self, scope: str | None, *, opened: bool, before: bytes | None) -> Iterator[Entry]:
        """Incidents from the one opened last on, or from the one before key ``before``; open ones only, or all."""
        prefix = (b"\0p" if opened else b"\0n") if scope is None else _scoped(b"\0q" if opened else b"\0m", scope)
        for key, value in self._store.under(prefix, before, backwards=True):
            if key != before:
                yield Entry(value.decode() if scope is None else scope, key[len(prefix) + 8 :].decode(), key)

    def _opened(self, seq: int, scope: str, id: str) -> None:
        self._changes[b"\0w" + id.encode()] = seq.to_bytes(8, "big") + scope.encode()
        for kind in (b"n", b"p"):
            self._changes |= _entries(kind, seq, scope, id, b"")

    def _open(self, id: str, value: bytes | None) -> None:
        where = self._where(id)
        if where is not None:
            self._changes |= _entries(b"p", int.from_bytes(where[:8], "big"), where[8:].decode(), id, value)

    def _where(self, id: str) -> bytes | None:
        key = b"\0w" + id.encode()
        return self._changes.get(key) or self._store.get(key)


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
