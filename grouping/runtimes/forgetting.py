"""Carries out what retention.py asks for in the process that decides: incidents and what was said of them, deleted."""

from __future__ import annotations

from itertools import islice

from grouping.forget import forget
from grouping.outlets.announce import NOTICES, Announcer
from grouping.runtimes.index import FEEDBACK, Index
from grouping.runtimes.store import Store
from grouping.state import State

BITE = 256  # incidents looked at in one go


def forget_feedback(state: State, index: Index, upto: int) -> None:
    """Delete the feedback up to event number ``upto``: it may name incidents that go, so it cannot be undone any more."""
    for scope, id in index.feedback(upto):
        state.drop_feedback(scope, id)


def forget_incidents(
    state: State, index: Index, announcer: Announcer, upto: int, after: bytes | None
) -> tuple[int, bytes | None]:
    """Delete some incidents that nothing was said of after event ``upto``; how many, and the key to go on after."""
    entries = list(islice(index.untouched(upto, after), BITE))
    count = 0
    for entry in entries:
        scope = state.scope(entry.scope)
        for id in forget(state, scope, entry.id):
            index.drop(id)
            announcer.forget(scope, id)
            count += 1
    return count, entries[-1].key if len(entries) == BITE else None


def forget_lines(store: Store, upto: int) -> None:
    """Delete the outputs and notices of events up to number ``upto``, and the list of their feedback."""
    store.forget_outputs(upto)
    store.forget(NOTICES, upto)
    store.forget(FEEDBACK, upto)
