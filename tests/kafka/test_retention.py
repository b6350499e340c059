"""What is old is deleted with a checkpoint, and all that is left goes on, whoever has the partition."""

from __future__ import annotations

import functools
import signal
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping import Engine
from grouping.learn import clock
from grouping.parse import parse
from grouping.records import Change, Event, IncidentLine, Output
from grouping.runtimes.kafka.retention import Retention
from grouping.runtimes.store import Store
from tests.kafka.stage import T
from tests.logs import Player, logs

pytestmark = pytest.mark.xdist_group("kafka")
KEEP_S = 4000.0  # longer than an incident takes alerts


class Keeping:
    """An engine, and what a worker does with its records."""

    def __init__(self, store: Store, number: int = 0, keep_s: float = KEEP_S) -> None:
        self.engine = Engine(None, store)
        self.state = self.engine.state
        self.store, self.number = store, number
        self.retention = Retention(store, self.engine, keep_s)

    def step(self, event: Event) -> list[Output]:
        self.number += 1
        outputs = self.engine.step(event)
        self.retention.take(event, outputs)
        return outputs

    def checkpoint(self, events: int = 10) -> list[str]:
        """As the worker does; what resolves old incidents comes in as the next events."""
        gone, resolve = self.retention.forget(events)
        records = {**self.engine.drain(), **self.retention.drain()}
        self.store.commit(records, b"", self.number, {"stepped": self.number})
        for _, event in resolve:
            (line,) = self.step(parse(event))
            assert isinstance(line, IncidentLine)
            assert line.event is Change.RESOLVED
        return gone

    def sweep(self) -> list[str]:
        """Until all are looked at that were there."""
        self.checkpoint()
        gone = self.checkpoint()  # what was open is over now
        return gone + self.checkpoint()


def of_long_ago(scope: str) -> list[dict[str, Any]]:
    """Incidents with corrections of every kind, that are old when the log begins."""
    begun = [alert(f"old{number}", 5000.0 * number - 60_000, scope) for number in range(5)]
    said = [
        {"action": "merge", "incidents": [0], "into": 1},
        {"action": "merge", "incidents": [1], "into": 2},
        {"action": "move", "alerts": ["old3"], "into": None},
        {"action": "dismiss", "incident": 4},
        {"action": "undo", "feedback": "f3"},
        {"action": "confirm", "incident": 4},
    ]
    feedback = [
        {"kind": "feedback", "id": f"f{n}", "at": T - 39_000, "scope": scope} | one for n, one in enumerate(said)
    ]
    return [*begun, *feedback, {"kind": "tick", "at": T - 20_000, "scope": scope}]


@settings(max_examples=80, deadline=None)
@given(logs(), st.data())
def test_what_is_left_goes_on(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]], data: st.DataObject
) -> None:
    """No record names what is gone, corrections and undos of any age follow, and the next owner answers the same."""
    events = [*of_long_ago("default"), *of_long_ago("pay"), *events]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=4)))
    store = Store(tmp_path_factory.mktemp("kept") / "store", sync=False)
    engine = Keeping(store)
    player = Player(engine)
    begun = 0
    for cut in cuts:
        for event in events[begun:cut]:
            player.play(event)
        begun = cut
        gone = engine.sweep()
        known = {(one.name, id) for one in engine.state._scopes.values() for id in one.incidents}
        assert not {id for _, id in known} & set(gone)
        assert_whole(engine)
    after = Player(Keeping(store, engine.number))
    after.opened, after.number = {scope: list(ids) for scope, ids in player.opened.items()}, player.number
    assert [player.play(event) for event in events[begun:]] == [after.play(event) for event in events[begun:]]
    store.close()


def assert_whole(engine: Keeping) -> None:
    """Every record that another one names is there."""
    records = engine.state.records()
    for key, value in records.items():
        scope = key[1 : 3 + int.from_bytes(key[1:3], "big")]
        here = functools.partial(is_there, records, scope)
        if key[:1] == b"a":
            assert here(b"i", orjson.loads(value.partition(b"\n")[0])[0])
        if key[:1] == b"i":
            head = orjson.loads(value.partition(b"\n")[0])
            assert all(here(b"i", one) for one in [head[4], *head[5]] if one is not None)
        if key[:1] == b"f":
            told = orjson.loads(value)
            named = [told.get("incident"), told.get("into"), *told.get("closed", [])]
            assert all(here(b"i", id) for id in named if id is not None), told


def is_there(records: dict[bytes, bytes], scope: bytes, kind: bytes, id: str) -> bool:
    return kind + scope + id.encode() in records


def alert(id: str, at: float, scope: str = "s") -> dict[str, Any]:
    return {"kind": "alert", "id": id, "at": T + at, "scope": scope, "summary": f"{id} down", "dedup_key": id}


def test_exactly_what_is_old_goes(tmp_path):
    """By the clock of each scope: not what a feedback spoke of lately, and in no other scope."""
    store = Store(tmp_path / "store", sync=False)
    engine = Keeping(store)
    player = Player(engine)
    for scope in ("s", "other"):
        for id, at in (("a", 0.0), ("b", 10_000.0), ("c", 20_000.0)):
            player.play(alert(f"{scope}-{id}", at, scope))
    first, second, _ = player.opened["s"]
    player.play({"kind": "tick", "at": T + 20_000, "scope": "s"})
    player.play({"kind": "feedback", "id": "f", "at": T + 20_001, "scope": "s", "action": "confirm", "incident": first})
    for number in range(40):
        player.play(alert(f"s-late{number}", 22_000.0 + number, "s"))
    player.play({"kind": "tick", "at": T + 22_040, "scope": "s"})  # what takes no more alerts is swept out
    assert engine.sweep() == [second]
    kept = Keeping(store).state
    assert kept.alert(kept.scope("s"), "s-b") is None
    assert kept.latest(kept.scope("s"), "s-b") is None
    assert kept.alert(kept.scope("s"), "s-a") is not None
    for number in range(40):
        player.play(alert(f"s-later{number}", 25_000.0 + number, "s"))
    player.play({"kind": "tick", "at": T + 25_040, "scope": "s"})
    assert first in engine.sweep()
    assert clock(engine.state.scope("other")) < T + 20_000
    undo = {"kind": "feedback", "id": "u", "at": T + 26_000, "scope": "s", "action": "undo", "feedback": "f"}
    assert b"no feedback f in scope" in player.play(undo)
    store.close()


def test_an_outage_that_is_still_sent_is_kept(tmp_path):
    """Its one alert is older than what is kept, and is sent again and again; when that ends, it is resolved and goes."""
    store = Store(tmp_path / "store", sync=False)
    engine = Keeping(store)
    player = Player(engine)
    player.play(alert("down", 0.0))
    (incident,) = player.opened["s"]
    for number in range(1, 100):
        player.play(alert("down", 600.0 * number) | {"id": f"again{number}"})
        player.play({"kind": "tick", "at": T + 600.0 * number, "scope": "s"})
        assert engine.checkpoint() == []
    player.play({"kind": "tick", "at": T + 60_000.0 + KEEP_S, "scope": "s"})
    assert engine.sweep() == [incident]
    store.close()


def test_a_sweep_comes_to_every_incident(tmp_path):
    """A bite at a time, each as large as it must be for what comes in meanwhile; nothing goes without a limit of age."""
    store = Store(tmp_path / "store", sync=False)
    engine = Keeping(store)
    player = Player(engine)
    for number in range(1500):
        player.play(alert(f"a{number}", 1000.0 * number))
    player.play({"kind": "tick", "at": T + 1_500_000.0, "scope": "s"})
    engine.checkpoint(0)
    assert Keeping(store, keep_s=0.0).checkpoint(10_000) == []
    gone = [engine.checkpoint(0) for _ in range(14)]
    assert max(map(len, gone)) <= 256
    assert 1480 < sum(map(len, gone)) < 1500
    store.close()


def test_old_incidents_leave_the_topics_and_the_disk(stage):
    """Killed while they go: outputs are those of a replay, and whoever is next has neither more nor less."""
    rows = []
    for number in range(600):
        scope = f"s{number % 4}"
        rows.append((scope.encode(), orjson.dumps(alert(f"a{number}", 1500.0 * number, scope))))
    stage.produce(rows[:400])
    more = {"keep_days": 0.1, "checkpoint_events": 60}
    assert stage.loop(step="forgotten", times=2, **more).wait(20) == -signal.SIGKILL
    stage.produce(rows[400:])
    stage.loop("two", **more)
    stage.until(lambda: stage.decisions() == stage.straight(), what="the last output")

    def left(topic: str, kind: bytes) -> set[bytes]:
        latest = {one.key: one.value for part in stage.read(topic) for one in part if one.key[:1] == kind}
        return {key for key, value in latest.items() if value is not None}

    def few() -> bool:
        tick = {"kind": "tick", "at": T + 950_000.0}
        stage.produce([(f"s{n}".encode(), orjson.dumps(tick | {"scope": f"s{n}"})) for n in range(4)])
        return len(left("state", b"a")) == 0

    stage.until(few, what="all alerts gone from the state")
    stage.until(lambda: stage.decisions() == stage.straight(), what="the last output")
    assert left("state", b"i") == left("state", b"k") == left("state", b"f") == left("incidents", b"i") == set()
    told = b"".join(stage.decisions())
    assert told.count(b'"resolved"') == told.count(b'"opened"')
    assert len(left("state", b"u")) == 4  # what the scopes have learned stays
