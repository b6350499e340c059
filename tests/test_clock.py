"""A scope tells the time by its events: one that is wrong changes nothing, a real pause is believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping import Config, Engine, parse
from grouping.evaluate import evaluate
from grouping.learn import clock
from grouping.records import Action, Decision
from grouping.scope import Pace
from grouping.simulate import simulate

T = 1_760_000_000.0
DAY = 86_400.0
Wrong = Sequence[tuple[int, dict[str, Any]]]  # after so many events of a stream, an event of a wrong time


def alert(at: float) -> dict[str, Any]:
    """An alert of that time."""
    return {"kind": "alert", "at": at, "summary": "the clock is wrong here"}


def tick(at: float) -> dict[str, Any]:
    """It is that time, somebody says."""
    return {"kind": "tick", "at": at}


FUTURE, PAST = 4e9, DAY
WRONG: dict[str, Wrong] = {
    "an alert of 2096": [(50, alert(FUTURE))],
    "the first alert of 2096": [(0, alert(FUTURE))],
    "the first alert of 1970": [(0, alert(PAST))],
    "an alert of 1970": [(400, alert(PAST))],
    "two alerts of 2096 at once": [(50, alert(FUTURE)), (50, alert(FUTURE + 1))],
    "and far apart": [(50, alert(FUTURE)), (400, alert(FUTURE + 1))],
    "an alert of next week": [(400, alert(T + 7 * DAY))],
}


def tell(engine: Engine, **event: Any) -> list[Any]:
    """The outputs of one event."""
    return engine.step(parse(orjson.dumps(event)))


def scores(name: str, wrong: Wrong = ()) -> list[float]:
    """How well a labelled stream is grouped, with some events of a wrong time put into it."""
    engine = Engine()
    pairs = []
    for number, (event, group) in enumerate(simulate(name, 1)):
        for place, (after, bad) in enumerate(wrong):
            if after == number:
                tell(engine, **bad, scope=event["scope"], **({"id": f"w{place}"} if bad["kind"] == "alert" else {}))
        for line in tell(engine, **event):
            if isinstance(line, Decision) and line.action is not Action.DUPLICATE:
                pairs.append((line.incident, group))
    found = evaluate(pairs)
    return [round(score, 2) for score in (found.macro_jaccard, found.f1, found.f1_noise)]


@pytest.fixture(scope="module")
def unspoilt() -> dict[str, list[float]]:
    """The scores of the streams as they are."""
    return {name: scores(name) for name in ("demo", "noise", "drip")}


@pytest.mark.parametrize("name", ["demo", "noise", "drip"])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_time_costs_nothing(name: str, wrong: Wrong, unspoilt: dict[str, list[float]]) -> None:
    """All that comes after it is grouped as well as without it."""
    assert scores(name, wrong) == unspoilt[name]


@pytest.mark.parametrize("at", [FUTURE, PAST])
@pytest.mark.parametrize("policy", ["*=60s", "service=60s", "default"])
def test_the_next_alert_goes_on_where_the_last_one_was(at: float, policy: str) -> None:
    """The incident of a wrong time does not stand before that of the present, whatever decides."""
    engine = Engine(Config(policy=policy, explore=0.0))
    said = {"kind": "alert", "summary": "slow", "service": "db"}
    [first] = [
        line for n in (0, 1) for line in tell(engine, **said, id=f"a{n}", at=T + n) if isinstance(line, Decision)
    ][1:]
    tell(engine, **said, id="wrong", at=at)
    [_, after] = [
        line for n in (2, 3) for line in tell(engine, **said, id=f"a{n}", at=T + n) if isinstance(line, Decision)
    ]
    assert first.incident == after.incident


@given(st.lists(st.sampled_from([0.0, 0.5, 20.0, 590.0, 700.0, 4000.0, 2 * DAY, 30 * DAY]), min_size=1, max_size=60))
def test_a_pause_is_no_wrong_clock(gaps: list[float]) -> None:
    """Alerts that come in order all count at their own time, after a quiet weekend and where they are weeks apart."""
    engine, pace, at = Engine(), Pace(), T
    times = []
    for number, gap in enumerate(gaps):
        at += gap
        times.append(at)
        tell(engine, kind="alert", id=f"a{number}", at=at, summary=f"s{number}", host=f"h{number}")
        if number:
            pace.fast += (gap - pace.fast) / min(number, 16)
            pace.mean += (gap - pace.mean) / min(number, 64)
            pace.slow += (gap - pace.slow) / min(number, 1024)
    scope = engine.state.scope("default")
    assert scope.pace == Pace(len(gaps), pace.fast, pace.mean, pace.slow, at)
    assert scope.tuning.recent.window(len(gaps))[0].tolist() == times


def test_the_scope_follows_when_all_clocks_are_set_back() -> None:
    """Five hundred alerts of next year, and then right ones: after these have agreed, the pace is theirs."""
    engine = Engine()
    for number in range(500):
        tell(engine, kind="alert", id=f"n{number}", at=T + 300 * DAY + number, summary="x", host=f"h{number % 9}")
    for number in range(2000):
        tell(engine, kind="alert", id=f"a{number}", at=T + number * 2, summary="x", host=f"h{number % 9}")
    scope = engine.state.scope("default")
    assert clock(scope) == T + 1997 * 2
    assert 1.8 < scope.pace.slow < 2.1
    times, _ = scope.tuning.recent.window(scope.tuning.recent.count)
    assert times[-1] == T + 1999 * 2


def test_a_tick_lets_quiet_incidents_go() -> None:
    """However far it is: time has passed."""
    engine = Engine()
    scope = engine.state.scope("default")
    tell(engine, kind="alert", id="a1", at=T, summary="x")
    tell(engine, kind="tick", at=T + 60.0)
    assert (clock(scope), engine.open_incidents()) == (T + 60.0, 1)
    tell(engine, kind="tick", at=T + 30 * DAY)
    assert (clock(scope), engine.open_incidents()) == (T + 30 * DAY, 0)


def test_alerts_take_back_what_ticks_said() -> None:
    """A wrong tick is believed until five alerts say that it is earlier."""
    engine = Engine()
    scope = engine.state.scope("default")
    tell(engine, kind="alert", id="a0", at=T, summary="x")
    tell(engine, kind="tick", at=FUTURE)
    assert clock(scope) == FUTURE
    for number in range(1, 6):
        tell(engine, kind="alert", id=f"a{number}", at=T + number, summary="x")
    assert clock(scope) == T + 3


def test_a_wrong_tick_closes_what_is_open_and_nothing_after_it() -> None:
    """Alerts of the time before it are grouped with each other as ever, five alerts later at the latest."""
    engine, twin = Engine(), Engine()
    opened = [0, 0]
    for number, (event, _) in enumerate(simulate("demo", 1)):
        if number == 50:
            tell(engine, **tick(FUTURE), scope=event["scope"])
        for which, one in enumerate((engine, twin)):
            opened[which] += sum(
                isinstance(line, Decision) and line.action is Action.OPEN for line in tell(one, **event)
            )
    assert opened[0] <= opened[1] + 10


def test_wrong_times_are_written_down_as_they_are_in_memory() -> None:
    """Read back after every event, or every so many, with wrong times among them: the same outputs and state."""
    whole, broken, store = Engine(), Engine(records={}), dict[bytes, bytes]()
    for number, (right, _) in enumerate(simulate("demo", 1)):
        event = right | ({"at": [FUTURE, PAST, T + DAY][number % 3]} if number % 97 == 50 else {})
        assert tell(broken, **event) == tell(whole, **event)
        if number % 97 in (50, 51, 52, 60):
            for key, value in broken.drain().items():
                if value is None:
                    store.pop(key, None)
                else:
                    store[key] = value
            broken = Engine(records=store)
    assert broken.snapshot() == whole.snapshot()


@pytest.mark.parametrize(
    ("told", "ticked", "present"),
    [((), 0, 0.0), ((T,), 0, T), ((T, T + 9, T + 1, FUTURE, T + 5, T + 2), 0, T + 5), ((T, T, T), T + 60, T + 60)],
)
def test_an_alert_without_a_time_is_of_the_present_and_does_not_move_it(
    told: Sequence[float], ticked: float, present: float
) -> None:
    """docs/events.md: the median of the last five times, and never before the last tick."""
    engine = Engine()
    for at in told:
        tell(engine, **alert(at))
    if ticked:
        tell(engine, **tick(ticked))
    tell(engine, kind="alert", id="timeless", summary="without a time")
    scope = engine.state.scope("default")
    kept = engine.state.alert(scope, "timeless")
    assert kept is not None
    assert kept.at == present
    assert clock(scope) == present


def test_ids_are_remembered_for_at_least_as_many_as_the_docs_say() -> None:
    """docs/events.md: a resolved that came before 32,768 others is known, before 65,536 others it is not; an alert always is."""
    engine = Engine(Config(policy="*=1s"))
    over = {"kind": "alert", "id": "over", "at": T, "status": "resolved", "dedup_key": "k", "summary": "x"}
    tell(engine, kind="alert", id="first", at=T, summary="x")
    tell(engine, **over)
    scope = engine.state.scope("default")

    def known(event: dict[str, Any]) -> bool:
        before = scope.events
        tell(engine, **event)
        return scope.events == before

    for number in range(32_768):
        engine.state.remember_id(scope, f"e{number}")
    assert known(over)
    for number in range(32_768):
        engine.state.remember_id(scope, f"f{number}")
    assert not known(over)
    assert known({"kind": "alert", "id": "first", "at": T, "summary": "x"})
