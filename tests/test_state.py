"""Snapshots and records: versioned, checked, canonical."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping import Engine
from grouping.arena import Arena
from grouping.codec import alert_bytes
from grouping.keyspace import BadState, record_key, unpack
from grouping.scope import ID_GENERATION
from tests.test_engine import Story, T


def _snapshot() -> bytes:
    story = Story()
    story.alert("a1", dedup_key="k")
    return story.engine.snapshot()


@pytest.mark.parametrize("damage", [b"", b"hello", b"grouping-snapshot 0\n" + bytes(16), _snapshot()[:-1]])
def test_a_damaged_or_foreign_snapshot_is_refused(damage: bytes) -> None:
    """With a sentence that says what it is, never a half-restored engine."""
    with pytest.raises(BadState, match="snapshot"):
        Engine.restore(damage)


def test_a_flipped_bit_is_seen() -> None:
    """Anywhere in the records."""
    good = _snapshot()
    for place in range(len(good) - 1, 40, -997):
        with pytest.raises(BadState):
            unpack(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])


def test_ids_of_repeats_are_remembered_for_two_generations() -> None:
    """The last 32,768 at least, 65,536 at most; also after a restore; the pages of older ones are deleted."""
    story = Story()
    story.alert("first", dedup_key="k")
    total = 2 * ID_GENERATION + 10
    for number in range(total):
        story.tell(id=f"r{number}", at=T, dedup_key="k", summary="x")
    for engine in (story.engine, Engine.restore(story.engine.snapshot())):
        story.engine = engine
        assert story.tell(id=f"r{total - ID_GENERATION}", at=T, dedup_key="k", summary="x") == []
        assert story.tell(id="first", at=T, dedup_key="k", summary="x") == [], "ids of alerts are never forgotten"
    pages = [key for key in unpack(story.engine.snapshot()) if key.startswith(b"e")]
    assert len(pages) <= 2 * ID_GENERATION // 1024 + 1


@pytest.mark.parametrize("wrong_at", ["i0123456789ab", "é"])
def test_an_alert_that_is_carried_is_written_as_one_that_was_always_there(wrong_at: str) -> None:
    """Decision, features, raised severity and all that is not about the incident are untouched, byte for byte."""
    story = Story()
    story.alert("a1", dedup_key="k", severity="warning", summary='a "quoted" [title]')
    story.tell(id="r1", at=T + 1.0, dedup_key="k", severity="critical", summary="x")
    state = story.engine.state
    scope = state.scope("default")
    kept = state.alert(scope, "a1")
    assert kept is not None
    assert kept.raised
    for incident in (wrong_at, "i1"):
        state.carry_alert(scope, "a1", kept, incident)
        assert state.get(record_key(b"a", "default", "a1")) == alert_bytes(kept)
        assert (kept.incident, state.alert(scope, "a1")) == (incident, kept)


@given(st.sets(st.integers(0, 70)), st.randoms())
def test_incidents_read_back_stand_where_they_stood(slots: set[int], chance: random.Random) -> None:
    """All are claimed at once, in any order; the slots taken next are the lowest free ones."""
    order = sorted(slots)
    chance.shuffle(order)
    arena = Arena()
    arena.claim(order)
    assert (arena.used, arena.top) == (len(slots), max(slots, default=-1) + 1)
    assert [arena.take() for _ in range(20)] == [slot for slot in range(100) if slot not in slots][:20]
