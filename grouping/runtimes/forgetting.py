"""Carries out what retention.py asks for in the process that decides: incidents and what was said of them, deleted."""

from __future__ import annotations

from itertools import islice

from grouping.forget import forget
from grouping.outlets.announce import NOTICES, Announcer
from grouping.runtimes.index import FEEDBACK, Entry, Index
from grouping.runtimes.store import Store
from grouping.scope import Standing
from grouping.state import State

BITE = 256  # incidents looked at in one go


def forget_feedback(state: State, index: Index, upto: int) -> None:
    """Delete the feedback up to event number ``upto``: it may name incidents that go, so it cannot be undone any more."""
    for scope, id in index.feedback(upto):
        state.drop_feedback(scope, id)


def forget_incidents(
    state: State, index: Index, announcer: Announcer, upto: int, after: bytes | None
) -> tuple[int, list[tuple[str, str]], bytes | None]:
    """Delete some incidents that nothing was said of after event ``upto``, but none that is open.

    How many were deleted, scope and id of those that are open, and the key to go on after.
    """
    entries = list(islice(index.untouched(upto, after), BITE))
    count = 0
    opened: list[tuple[str, str]] = []
    for name, ids in _by_scope(entries).items():
        scope = state.scope(name)
        found = {id: state.incident(scope, id) for id in ids}
        still = [id for id, one in found.items() if one is not None and one.standing is Standing.OPEN]
        opened += [(name, id) for id in still]
        for id in forget(state, scope, [id for id in ids if id not in still]):
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
