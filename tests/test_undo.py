"""A correction that was undone leaves no trace: afterwards the engine decides as if both had never been."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, event, given, reject, settings
from hypothesis import strategies as st

from grouping.config import Config
from grouping.engine import Engine
from grouping.lifecycle import members
from grouping.scope import Incident, Scope
from tests.logs import Player, alerts, feedbacks, policies, ticks
from tests.test_correct import Desk
from tests.test_memory import verdicts

POLICIES = ["service~5s", "service=60s", "*=60s", "host+service~5s", "linear(*~2s)", "learned(host=60s)"]
SCOPE = ["default"]
NAMED = ("alerts", "incidents", "into", "incident", "feedback")
CORRECTIONS = ("merge", "move", "resolve", "dismiss")


def looks(engine: Engine, known: list[str]) -> dict[str, Any]:
    """All that decisions are made by, and what can be asked of the known incidents; orders without their numbers."""
    scope = engine.state.scope("default")
    here = scope.joinable
    found = {id: engine.state.known_incident(scope, id) for id in known}
    said = {
        "joinable": [one.id for one in here.values()],
        "columns": {one.id: _column(scope, one) for one in here.values()},
        "turns": {key: [here[slot].id for slot in slots] for key, slots in scope.turns.items()},
        "marks": {code: [here[slot].id for slot in slots] for code, slots in scope.marks.items()},
        "seen": {one.id: [(code, sight.at) for code, sight in one.seen.items()] for one in here.values()},
        "said": {id: _said(one) for id, one in found.items()},
        "members": {
            id: [alert for alert, _ in members(engine.state, scope, one)]
            for id, one in found.items()
            if one.into is None
        },
        "lessons": ([repr(lesson) for lesson in scope.memory.lessons.values()], verdicts(scope.memory)),
        "promotion": scope.promotion,
    }
    return deepcopy(said)


def _column(scope: Scope, incident: Incident) -> tuple[Any, ...]:
    arena, slot = scope.arena, incident.slot
    return arena.profile[:, slot].tobytes(), arena.stats[:, slot].tobytes(), incident.weight, incident.kind


def _said(incident: Incident) -> tuple[Any, ...]:
    title = list(incident.title.kinds.items()), incident.title.others
    times = incident.born_at, incident.first_at, incident.last_at
    counts = incident.count, incident.keyless, incident.firing, incident.ranks
    return incident.standing, incident.into, incident.merged, counts, times, title


def _numbers(engine: Engine, known: list[str]) -> dict[str, Any]:
    scope = engine.state.scope("default")
    found = [engine.state.known_incident(scope, id) for id in known]
    return deepcopy({one.id: (one.slot, one.keys, one.seen, one.touched, one.placed, one.revised) for one in found})


def restored(player: Player) -> None:
    """Go on from a snapshot."""
    player.engine = Engine.restore(player.engine.snapshot(), player.engine.config)


def done(lines: bytes) -> bool:
    """Whether a correction was carried out."""
    return b'"kind":"refused"' not in lines


@st.composite
def lives(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Alerts, ticks, policies, and corrections that can mostly be carried out."""
    kinds = {"a": alerts(SCOPE), "f": feedbacks(SCOPE), "t": ticks(SCOPE), "p": policies(SCOPE)}
    found: list[dict[str, Any]] = []
    at = 1_760_000_000.0
    for number, kind in enumerate(draw(st.lists(st.sampled_from("aaaaaaaaafffffftp"), min_size=6, max_size=40))):
        one = draw(kinds["a" if number < 4 else kind])
        gap = one.pop("gap")
        at += gap if gap < 1000.0 or draw(st.booleans()) else 2.0
        one["at"] = at
        if one["kind"] in ("alert", "feedback"):
            one["id"] = f"{one['kind'][0]}{number}"
        for key in NAMED:
            if key in one:
                one[key] = _known(one[key], number)
        found.append(one)
    return found


def _known(value: Any, number: int) -> Any:
    """Names of alerts and incidents, so that they are likely to be there."""
    if isinstance(value, list):
        return [_known(one, number) for one in value]
    return f"{value[0]}{number - 1 - int(value[1:]) % number}" if isinstance(value, str) else value and value % 3


@given(lives(), st.sampled_from(POLICIES), st.booleans())
@settings(max_examples=200)
def test_undone_at_once_everything_is_as_it_was(log: list[dict[str, Any]], policy: str, restart: bool) -> None:
    """Profiles, titles, times, orders, numbers of turns, lessons: to the last bit, whatever the correction."""
    player = Player(config=Config(policy=policy))
    for number, one in enumerate(log):
        known = list(player.opened.get("default", []))
        before, numbers = looks(player.engine, known), _numbers(player.engine, known)
        lines = player.play(one)
        if restart:
            restored(player)
        if one["kind"] == "feedback" and one["action"] in CORRECTIONS and lines and done(lines):
            assert done(player.play(_undo(number, one["at"], one["id"])))
            event(one["action"])
            assert looks(player.engine, known) == before
            assert _numbers(player.engine, known) == numbers


@given(lives(), st.lists(feedbacks(SCOPE), min_size=2, max_size=5), st.sampled_from(POLICIES))
@settings(max_examples=200)
def test_several_undone_the_last_one_first_leave_nothing(
    log: list[dict[str, Any]], said: list[dict[str, Any]], policy: str
) -> None:
    """Of corrections on corrections, too."""
    player = Player(config=Config(policy=policy))
    for one in log:
        player.play(one)
    known = list(player.opened.get("default", []))
    before, numbers = looks(player.engine, known), _numbers(player.engine, known)
    carried = []
    for number, one in enumerate(said):
        named = {key: _known(value, len(log)) for key, value in one.items() if key in NAMED}
        named |= {"kind": "feedback", "id": f"x{number}", "at": log[-1]["at"], "action": one["action"]}
        if one["action"] in CORRECTIONS and done(player.play(named)):
            carried.append(number)
    for number in reversed(carried):
        restored(player)
        assert done(player.play(_undo(number, log[-1]["at"])))
    event(f"{len(carried)} undone")
    assert looks(player.engine, known) == before
    assert _numbers(player.engine, known) == numbers


@given(lives(), st.integers(0, 3), st.sampled_from(POLICIES))
@settings(max_examples=200)
def test_undone_at_once_what_comes_is_decided_as_without_it(log: list[dict[str, Any]], skip: int, policy: str) -> None:
    """Later corrections and their undoing included."""
    with_it, without = Player(config=Config(policy=policy)), Player(config=Config(policy=policy))
    undone = False
    for number, one in enumerate(log):
        if not undone and one.get("action") in CORRECTIONS:
            skip -= 1
            opened = list(with_it.opened.get("default", []))
            if skip < 0 and done(with_it.play(one | {"id": f"x{number}"})):
                assert done(with_it.play(_undo(number, one["at"])))
                with_it.opened["default"] = opened
                undone = True
                continue
        assert _plain(with_it.play(one)) == _plain(without.play(one))
    event("undone" if undone else "nothing to undo")


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Alerts that are new, without a key: each joins or opens."""
    found = draw(st.lists(alerts(SCOPE), min_size=2, max_size=25))
    at = 1_760_000_000.0
    for number, one in enumerate(found):
        at += max(one.pop("gap"), 0.0) % 50
        one |= {"id": f"n{number}", "at": at, "status": "firing"}
        one.pop("dedup_key", None)
    return found


@given(streams(), streams(), feedbacks(SCOPE), st.sampled_from(POLICIES), st.booleans())
@settings(max_examples=120, suppress_health_check=[HealthCheck.filter_too_much])
def test_undone_after_alerts_came_everything_is_as_if_only_they_had_come(
    log: list[dict[str, Any]], between: list[dict[str, Any]], said: dict[str, Any], policy: str, restart: bool
) -> None:
    """Where they would have been decided so without the correction too: profiles, titles, times and orders."""
    assume(said["action"] in CORRECTIONS)
    with_it, without = Player(config=Config(policy=policy)), Player(config=Config(policy=policy))
    for one in log:
        assert with_it.play(one) == without.play(one)
    at = log[-1]["at"]
    said["alerts"] = [log[int(id[1:]) % len(log)]["id"] for id in said.get("alerts", ())]
    assume(done(with_it.play({key: value for key, value in said.items() if key != "gap"} | {"id": "x0", "at": at})))
    known = list(without.opened["default"])
    for number, one in enumerate(between):
        one |= {"id": f"b{number}", "at": one["at"] + at - 1_760_000_000.0}
        if _plain(with_it.play(one)) != _plain(without.play(one)):
            reject()
        if restart:
            restored(with_it)
    assert done(with_it.play(_undo(0, at)))
    event(f"{said['action']}, {len(without.opened['default']) - len(known)} opened since")
    assert looks(with_it.engine, without.opened["default"]) == looks(without.engine, without.opened["default"])


def _undo(number: int, at: float, of: str | None = None) -> dict[str, Any]:
    return {"kind": "feedback", "id": f"u{number}", "at": at, "action": "undo", "feedback": of or f"x{number}"}


def _plain(lines: bytes) -> list[dict[str, Any]]:
    """Lines without the numbers that count events and lessons."""
    told = map(orjson.loads, lines.splitlines())
    return [{key: value for key, value in line.items() if key not in ("seq", "model")} for line in told]


def _records(desk: Desk) -> list[bytes]:
    """The keys of what is written down of incidents before corrections."""
    return [key for key in desk.engine.state.records() if key.startswith(b"b")]


@pytest.mark.parametrize("between", [0, 300])
def test_a_long_history_comes_back_too(between: int) -> None:
    """Counts that were halved, a title of many kinds, a key that no recent alert has: also after many alerts more."""
    with_it, without = Desk(policy="learned(host=60s)"), Desk(policy="learned(host=60s)")
    for desk in (with_it, without):
        two = desk.incident("b", host="other")
        one = desk.incident("a", host="old", summary="disk full")
        for number in range(400):
            desk.alert(f"a{number}", number / 10, summary=f"kind {'x' * (number % 12)} {number}")
        if desk is with_it:
            desk.do("merge", incidents=[two], into=one)
        for number in range(between):
            assert desk.incident(f"c{number}", 40 + number / 10) == one
    with_it.do("undo", feedback="f1")
    assert looks(with_it.engine, [one, two]) == looks(without.engine, [one, two])


def test_moved_out_and_back_an_alert_stands_where_it_stood() -> None:
    """Moved back by hand, and when both moves are undone: the incident lists it once."""
    desk = Desk()
    (one,) = {desk.incident(f"a{number}", number, host="x") for number in (1, 2, 3)}
    before = looks(desk.engine, [one])
    desk.do("move", alerts=["a2"], into=None)
    desk.do("move", alerts=["a2"], into=one)
    state, scope = desk.engine.state, desk.engine.state.scope("default")
    assert list(state.members(scope, state.known_incident(scope, one))) == ["a1", "a2", "a3"]
    desk.do("undo", feedback="f2")
    desk.do("undo", feedback="f1")
    assert looks(desk.engine, [one]) == before


def test_what_was_written_down_before_a_correction_goes_with_it() -> None:
    """When it is undone, and when it cannot be undone any more."""
    desk = Desk()
    one, two = desk.incident("a1", host="x"), desk.incident("a2", 1, host="y")
    desk.do("merge", incidents=[two], into=one)
    desk.do("move", alerts=["a1"], into=None)
    assert len(_records(desk)) == 3
    desk.do("undo", feedback="f2")
    assert len(_records(desk)) == 2
    desk.engine.state.drop_feedback("default", "f1")
    assert _records(desk) == []
