"""Carries out what retention.py asks for in the process that decides: incidents and what was said of them, deleted."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from grouping.engine import Engine
from grouping.outlets.announce import NOTICES, Announcer
from grouping.runtimes import base
from grouping.runtimes.index import FEEDBACK, Entry, Index
from grouping.runtimes.store import Store, StoreError
from grouping.scope import Standing
from grouping.state import State

BITE = 256  # incidents looked at in one go


class Forgetting:
    """What retention may ask for. Each changes memory and store alike, or raises."""

    def __init__(
        self,
        directory: Path,
        store: Store,
        engine: Engine,
        index: Index,
        announcer: Announcer,
        commit: Callable[[], None],
    ) -> None:
        self._directory = directory
        self._store = store
        self._engine = engine
        self._index = index
        self._announcer = announcer
        self._commit = commit

    def forget(self, upto: int, after: str | None) -> dict[str, Any]:
        """Forget some of what nothing was said of after event ``upto``: how many incidents, and where to go on.

        Those that are open are not forgotten but named, with their scopes: they are to be resolved first.
        """
        start = None if after is None else bytes.fromhex(after)
        if start is None:
            forget_feedback(self._engine.state, self._index, upto)
        count, opened, last = forget_incidents(self._engine, self._index, self._announcer, upto, start)
        self._commit()
        if last is None:
            forget_lines(self._store, upto)
        return {"incidents": count, "open": opened, "next": None if last is None else last.hex()}

    def base(self) -> dict[str, Any]:
        """Make a base of all that is decided: the number of the last event in it, or why it cannot be made."""
        self._commit()
        try:
            return {"seq": base.make(self._store, self._directory)}
        except StoreError as error:
            return {"failed": str(error)}


def forget_feedback(state: State, index: Index, upto: int) -> None:
    """Delete the feedback up to event number ``upto``: it may name incidents that go, so it cannot be undone any more."""
    for scope, id in index.feedback(upto):
        state.drop_feedback(scope, id)


def forget_incidents(
    engine: Engine, index: Index, announcer: Announcer, upto: int, after: bytes | None
) -> tuple[int, list[tuple[str, str]], bytes | None]:
    """Delete some incidents that nothing was said of after event ``upto``, but none that is open.

    How many were deleted, scope and id of those that are open, and the key to go on after.
    """
    entries = list(islice(index.untouched(upto, after), BITE))
    count = 0
    opened: list[tuple[str, str]] = []
    for name, ids in _by_scope(entries).items():
        scope = engine.state.scope(name)
        found = {id: engine.state.incident(scope, id) for id in ids}
        still = [id for id, one in found.items() if one is not None and one.standing is Standing.OPEN]
        opened += [(name, id) for id in still]
        for id in engine.forget(name, [id for id in ids if id not in still]):
            index.drop(id)
            announcer.forget(scope, id)
            count += 1
    return count, opened, entries[-1].key if len(entries) == BITE else None


def _by_scope(entries: list[Entry]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in entries:
        found.setdefault(entry.scope, []).append(entry.id)
    return found


def forget_lines(store: Store, upto: int) -> None:
    """Delete the outputs and notices of events up to number ``upto``, and the list of their feedback."""
    store.forget_outputs(upto)
    store.forget(NOTICES, upto)
    store.forget(FEEDBACK, upto)
