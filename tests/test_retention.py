"""What is old is deleted, and what is left goes on as ever: the log, the decisions, what was learned."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rocksdict import Options, Rdict

from grouping import Config, Engine
from grouping.keyspace import record_key, unpack
from grouping.lifecycle import root
from grouping.outlets.announce import NOTICES, Announcer
from grouping.parse import parse
from grouping.records import Alert, Event, IncidentLine, Output
from grouping.runtimes.forgetting import forget_feedback, forget_incidents, forget_lines
from grouping.runtimes.held import Busy, alone, together
from grouping.runtimes.index import Index
from grouping.runtimes.log import Log, LogError, note, read, remove, removed, segments
from grouping.runtimes.retention import _resolved
from grouping.runtimes.store import Store
from grouping.scope import ID_GENERATION
from grouping.state import State
from tests.live import Live, grouping, until
from tests.logs import SCOPES, Player, logs

# -- the engine


class Noting:
    """An engine whose lists and notices are kept as the service does."""

    def __init__(self, store: Store) -> None:
        self.engine = Engine(None, store)
        self.state = self.engine.state
        self.store, self.index, self.announcer = store, Index(store, self.state), Announcer(self.state, store)
        self.number = 0
        self.named: dict[tuple[str, str], int] = {}  # scope and incident -> the last event that said anything of it

    def step(self, event: Event) -> list[Output]:
        self.number += 1
        outputs = self.engine.step(event)
        self.announcer.take(self.number, event, outputs)
        self.index.take(self.number, event, outputs)
        for output in outputs:
            for name in ("incident", "into", "source"):
                if getattr(output, name, None) is not None:
                    self.named[output.scope, getattr(output, name)] = self.number
        if isinstance(event, Alert) and not outputs:  # known: it says that it still holds
            scope = self.state.scope(event.scope)
            latest = self.state.latest(scope, event.dedup_key) if event.dedup_key else None
            known = self.state.alert(scope, event.id) or latest
            if known is not None:
                self.named[event.scope, root(self.state, scope, known.incident).id] = self.number
        return outputs

    def commit(self) -> None:
        """As the service does."""
        records = dict(self.engine.drain()) | self.index.drain() | self.announcer.drain()
        self.store.commit(records, b"", self.number, {"seq": self.number})
        # The open ones are counted as they are listed, and after a restart too.
        listed = sum(1 for _ in self.index.newest(None, opened=True, before=None))
        assert self.index.open == Index(self.store, self.state).open == listed

    def forget(self, upto: int) -> None:
        """As the service does."""
        forget_feedback(self.state, self.index, upto)
        for resolve in (True, False):
            after = None
            while True:
                _, opened, after = forget_incidents(self.engine, self.index, self.announcer, upto, after)
                self.commit()
                assert resolve or not opened
                for line in _resolved(opened, upto):
                    named = dict(self.named)
                    assert [type(output) for output in self.step(parse(line))] == [IncidentLine]
                    self.named = named
                if after is None:
                    break
        forget_lines(self.store, upto)


@settings(max_examples=60)
@given(logs(), st.data())
def test_what_is_left_goes_on(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Exactly what nothing was said of is gone; no record names what is gone; any log can follow, as after a restart."""
    middle = data.draw(st.integers(0, len(events)))
    upto = data.draw(st.integers(0, middle))
    store = Store(tmp_path_factory.mktemp("kept") / "store", sync=False)
    engine = Noting(store)
    player = Player(engine)
    for event in events[:middle]:
        player.play(event)
    engine.commit()
    into = {
        (scope, id): found.into
        for scope, id in engine.named
        if (found := engine.state.incident(engine.state.scope(scope), id)) is not None
    }
    engine.forget(upto)
    for (scope, id), last in engine.named.items():
        end = id
        while into.get((scope, end)) is not None:
            end = into[scope, end] or ""
        gone = engine.state.incident(engine.state.scope(scope), id) is None
        assert gone == (engine.named[scope, end] <= upto), (scope, id, last)
        assert (engine.index.scope_of(id) is None) == gone
    _assert_whole(engine)
    count = engine.index.open
    store.commit({b"\0c": None}, b"", engine.number, {"seq": engine.number})  # as before there was a count
    assert Index(store, engine.state).open == count
    twin = Player(Engine.restore(engine.engine.snapshot()))
    twin.opened, twin.number = {scope: list(ids) for scope, ids in player.opened.items()}, player.number
    assert [player.play(event) for event in events[middle:]] == [twin.play(event) for event in events[middle:]]
    store.close()


@settings(max_examples=60)
@given(logs(), st.data())
def test_what_plays_along_forgets_with_it_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]], data: st.DataObject
) -> None:
    """An incident of a shadow is there as long as one of its alerts is; any log can follow, undoing too, as after a restart."""
    middle = data.draw(st.integers(0, len(events)))
    store = Store(tmp_path_factory.mktemp("kept") / "store", sync=False)
    engine = Noting(store)
    player = Player(engine)
    playing = {"kind": "policy", "mode": "shadow", "policy": "host+service=60s", "at": events[0]["at"]}
    for event in [*(playing | {"scope": scope} for scope in SCOPES), *events[:middle]]:
        player.play(event)
    engine.commit()
    engine.forget(data.draw(st.integers(0, engine.number)))
    records = unpack(engine.engine.snapshot())
    for name in SCOPES:
        shadow = engine.state.scope(name).shadow
        if shadow is not None:
            scope = f"{len(name)} {name} {shadow.by}"
            held = _roots(records, b"S", scope)
            assert set(held.values()) == {held[alert] for alert in _roots(records, b"", name) if alert in held}
    twin = Player(Engine.restore(engine.engine.snapshot()))
    twin.opened, twin.number = {scope: list(ids) for scope, ids in player.opened.items()}, player.number
    assert [player.play(event) for event in events[middle:]] == [twin.play(event) for event in events[middle:]]
    store.close()


def _roots(records: Mapping[bytes, bytes], under: bytes, scope: str) -> dict[str, str]:
    """The alerts of a scope, each with the incident that it belongs to."""
    kept = {key.removeprefix(under): value for key, value in records.items() if key.startswith(under)}
    alerts, incidents = (record_key(kind, scope) for kind in (b"a", b"i"))
    found = {}
    for key, value in kept.items():
        if key.startswith(alerts):
            id = orjson.loads(value.partition(b"\n")[0])[0]
            while (into := orjson.loads(kept[incidents + id.encode()].partition(b"\n")[0])[4]) is not None:
                id = into
            found[key[len(alerts) :].decode()] = id
    return found


def test_a_shadow_takes_no_more_room_for_what_is_gone(tmp_path: Path) -> None:
    """As many records after a year as after a day, where as much is kept."""
    store = Store(tmp_path / "store", sync=False)
    engine = Noting(store)
    player = Player(engine)
    player.play({"kind": "policy", "mode": "shadow", "policy": "service=60s", "at": 0.0})
    sizes = []
    for number in range(5):
        for part in range(20):
            id = f"{number}-{part}"
            told = {"service": f"s{part}", "summary": f"s{part} down", "at": number * 1e6 + part}
            player.play({"kind": "alert", "id": id, **told})
        engine.commit()
        engine.forget(engine.number - 20)
        sizes.append(sum(key[:2] in (b"Sa", b"Si") for key in unpack(engine.engine.snapshot())))
    assert sizes == [40] * 5  # an alert and an incident of its own each
    store.close()


def test_a_shadow_does_not_look_for_what_is_gone_when_a_correction_is_undone(tmp_path: Path) -> None:
    """An alert was taken out of an incident that the shadow alone had, and whose other alert is gone."""
    store = Store(tmp_path / "store", sync=False)
    engine = Noting(store)
    player = Player(engine)
    for mode, name in (("auto", "service=60s"), ("shadow", "*=60s")):
        player.play({"kind": "policy", "mode": mode, "policy": name, "at": 0.0})
    for id, at in (("a", 1.0), ("m", 2.0), ("y", 5000.0)):
        player.play({"kind": "alert", "id": id, "service": f"of {id}", "summary": "down", "at": at})
    assert len(player.opened["default"]) == 3
    before = engine.number
    feedback = {"kind": "feedback", "id": "f", "action": "move", "alerts": ["m"], "into": 2, "at": 5001.0}
    assert b'"moved"' in player.play(feedback)
    engine.commit()
    engine.forget(before)
    assert engine.state.alert(engine.state.scope("default"), "a") is None
    undo = {"kind": "feedback", "id": "u", "action": "undo", "feedback": "f", "at": 5002.0}
    assert b'"moved"' in player.play(undo)
    store.close()


def test_what_a_feedback_of_long_ago_taught_stays_but_it_moves_nothing_any_more(tmp_path: Path) -> None:
    """Its incident is gone: undoing it takes the lesson back and says so; nothing is tried on what is gone."""
    store = Store(tmp_path / "store", sync=False)
    engine = Noting(store)
    player = Player(engine)
    a, b = ({"kind": "alert", "id": id, "at": 0.0, "dedup_key": id, "summary": f"{id} down"} for id in ("a", "b"))
    player.play(a)
    player.play(b | {"at": 5000.0})
    assert len(player.opened["default"]) == 2
    move = {"kind": "feedback", "id": "f", "action": "move", "alerts": ["a"], "into": 1}
    assert b'"moved"' in player.play(move)
    player.play({"kind": "feedback", "id": "g", "action": "confirm", "incident": 1})
    player.play(b | {"id": "b2", "at": 5001.0})
    engine.commit()
    scope = engine.state.scope("default")
    first, second = player.opened["default"]
    assert set(scope.promotion.touched) == {first, second}
    engine.forget(4)
    assert (engine.state.incident(scope, first), engine.state.feedback(scope, "f")) == (None, None)
    assert set(scope.promotion.touched) == {second}
    assert "f" in scope.memory.lessons
    assert player.play({"kind": "feedback", "id": "u", "action": "undo", "feedback": "f"}) == b""
    assert "f" not in scope.memory.lessons
    assert player.play({"kind": "feedback", "id": "v", "action": "undo", "feedback": "g"}) == b""
    assert b"no feedback h in scope" in player.play({"kind": "feedback", "id": "w", "action": "undo", "feedback": "h"})
    kept = engine.state.alert(scope, "a")
    assert kept is not None
    assert kept.incident == second
    store.close()


def _notices(store: Store) -> list[tuple[str, str]]:
    return [(row["incident"], row["event"]) for _, value in store.under(NOTICES) for row in orjson.loads(value)]


def test_what_retention_resolved_and_deleted_cannot_be_opened_again(tmp_path: Path) -> None:
    """Whoever tries is told so: it is no fault of the engine, on which it would have to be started again."""
    store = Store(tmp_path / "store", sync=False)
    engine = Noting(store)
    player = Player(engine)
    player.play({"kind": "alert", "id": "a", "at": 0.0, "summary": "down"})
    (incident,) = player.opened["default"]
    engine.commit()
    engine.forget(1)
    assert engine.state.incident(engine.state.scope("default"), incident) is None
    undo = {"kind": "feedback", "id": "u", "action": "undo", "feedback": f"keep_days/{incident}/1"}
    assert f"keep_days/{incident}/1 closed {incident}, which was deleted since".encode() in player.play(undo)
    store.close()


def test_what_is_still_sent_is_kept_and_what_goes_is_told_to_be_over(tmp_path: Path) -> None:
    """An outage of weeks is sent again and again under one id: it stays. One of which nothing is heard is resolved, with
    a notice, before it goes; sent again it is a new one, also under its old id and after a restart.
    """
    store = Store(tmp_path / "store", sync=False)
    engine = Noting(store)
    player = Player(engine)
    still, silent = ({"kind": "alert", "id": id, "at": 0.0, "dedup_key": id, "summary": f"{id} down"} for id in "ab")
    keyless = {"kind": "alert", "id": "c", "at": 0.0, "summary": "c down", "scope": "other"}
    silent["at"] = 9000.0
    for event in (still, silent, keyless):
        player.play(event)
    assert player.play(still) == b""
    engine.commit()
    (kept, gone), (other,) = player.opened["default"], player.opened["other"]
    assert kept != gone
    engine.forget(3)
    found = [engine.index.scope_of(id) for id in (kept, gone, other)]
    assert found == ["default", None, None]
    assert _notices(store) == [(gone, "resolved"), (other, "resolved")]
    twin = Player(Engine.restore(engine.engine.snapshot()))
    for one in (player, twin):
        one.number = 9
        assert one.play(still) == b""
        assert b'"action":"open"' in one.play(silent)
        assert b'"action":"open"' in one.play(keyless)
        assert one.play(silent) == one.play(keyless) == b""
    assert engine.engine.snapshot() == twin.engine.snapshot()
    store.close()


@settings(max_examples=20)
@given(st.sets(st.integers(0, 2 * ID_GENERATION + 700)), st.integers(1, 2 * ID_GENERATION + 700))
def test_ids_that_are_dropped_are_new_and_the_others_stay_known(dropped: set[int], count: int) -> None:
    """Wherever they stand among those remembered, and the same after a restart; ids that follow are remembered as ever."""
    state = Engine().state
    scope = state.scope("s")
    for number in range(count):
        state.remember_id(scope, str(number))
    scope.changed = True
    known = {id: None for id in [*scope.ids_before, *scope.ids] if int(id) not in dropped}
    state.drop_ids(scope, map(str, sorted(dropped)))
    for number in range(count, count + 1500):
        state.remember_id(scope, str(number))
    scope.changed = True
    again = State(Config(), state.records()).scope("s")
    for one in (scope, again):
        assert [*one.ids_before, *one.ids][-1500:] == list(map(str, range(count, count + 1500)))
        if count // ID_GENERATION == (count + 1500) // ID_GENERATION:
            assert [*one.ids_before, *one.ids][:-1500] == list(known)
    assert (again.ids, again.ids_before, again.id_page) == (scope.ids, scope.ids_before, scope.id_page)


def _assert_whole(engine: Noting) -> None:
    """Every record that another one names is there."""
    records = engine.state.records()
    for key, value in records.items():
        scope, id = key[1 : 3 + int.from_bytes(key[1:3], "big")], key[3 + int.from_bytes(key[1:3], "big") :]
        head = orjson.loads(value.partition(b"\n")[0]) if key[:1] in (b"a", b"i", b"k") else None
        match key[:1]:
            case b"a":
                assert b"i" + scope + head[0].encode() in records, (id, head[0])
            case b"k":
                assert b"a" + scope + head[0].encode() in records
                assert b"i" + scope + head[1].encode() in records
            case b"i":
                assert all(b"i" + scope + one.encode() in records for one in [head[4], *head[5]] if one is not None)


def test_what_is_forgotten_gives_its_room_back(tmp_path: Path) -> None:
    """Without anybody asking: the store is less than half of what it was when nearly all is gone."""
    store = Store(tmp_path / "store", sync=False)
    chance = random.Random(1)

    def write(numbers: range, value: Callable[[], bytes | None]) -> None:
        for start in range(numbers.start, numbers.stop, 1000):
            store.commit({b"a%08d" % number: value() for number in range(start, start + 1000)}, b"", 1, {})

    def size() -> int:
        with suppress(FileNotFoundError):  # one that is just being replaced
            return sum(path.stat().st_size for path in (tmp_path / "store").iterdir())
        return size()

    write(range(60_000), lambda: chance.randbytes(600))
    before = size()
    assert before > 20 << 20
    write(range(59_000), lambda: None)
    write(range(60_000, 80_000), lambda: b"")  # life goes on: what is in memory comes to disk
    write(range(80_000, 90_000), lambda: chance.randbytes(600))
    until(lambda: size() < before / 2)
    store.close()


# -- the log


def test_removed_segments_are_not_missed(tmp_path: Path) -> None:
    """Whole segments up to an event go, never the last one; what else is missing is an error; the numbers go on."""
    log = Log(tmp_path, segment=10)
    for number in range(1, 7):
        log.append([b'{"n":%d}' % number])
    assert remove(tmp_path, 0) == 0
    assert remove(tmp_path, 3) == 3
    assert [first for first, _ in segments(tmp_path)] == [4, 5, 6]
    assert (removed(tmp_path), [batch.first for batch in read(tmp_path)]) == (3, [4, 5, 6])
    assert remove(tmp_path, 6) == 2
    assert log.append([b'{"n":7}']) == 7
    log.close()
    segments(tmp_path)[0][1].unlink()
    with pytest.raises(LogError, match="events 6 to 6 are missing"):
        list(read(tmp_path))


def test_removing_that_was_interrupted_leaves_a_log(tmp_path: Path) -> None:
    """What was to go is noted before it goes."""
    log = Log(tmp_path, segment=10)
    for number in range(1, 5):
        log.append([b'{"n":%d}' % number])
    log.close()
    note(tmp_path, 3)
    segments(tmp_path)[0][1].unlink()
    assert [batch.first for batch in read(tmp_path)] == [2, 3, 4]
    assert remove(tmp_path, 3) == 2
    assert [batch.first for batch in read(tmp_path)] == [4]


def test_nothing_goes_while_the_log_is_read(tmp_path: Path) -> None:
    """Readers hold it together; who removes is alone or does not."""
    with together(tmp_path), together(tmp_path), pytest.raises(Busy), alone(tmp_path):
        pass
    with alone(tmp_path), pytest.raises(Busy), alone(tmp_path):
        pass


# -- the service

KEEP = "[service]\nkeep_days = 0.00003\n"  # 2.6 s


def alert(id: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "alert", "id": id, "summary": "disk full", "dedup_key": id, **fields}


def test_what_is_old_is_deleted_and_the_service_goes_on(tmp_path: Path) -> None:
    """Log and decisions of it too; a restart, a lost store, a backup: all give what is left, and go on alike.

    What is old but sent again and again, as by Prometheus, is not old.
    """
    fires = alert("fires", scope="noisy")
    with Live(tmp_path / "state", KEEP) as live:
        live.ask("POST", "/events", fires)
        live.ask("POST", "/events", [alert("old"), alert("older", scope="quiet")])
        told = {"kind": "feedback", "id": "f", "action": "confirm", "incident": _incident(live, "old")}
        live.ask("POST", "/events", told)
        live.settled()
        old = _incident(live, "old")
        count = 0

        def gone() -> bool:
            nonlocal count
            count += 1
            live.ask("POST", "/events", alert(f"n{count}", scope="news", host=f"h{count}"))
            live.ask("POST", "/events", fires)
            return live.ask("GET", f"/incidents/{old}").status == 404

        until(gone)
        until(lambda: removed(live.state / "log") >= 4)  # the two, what fires, and what was said of one of them
        assert live.ask("GET", "/alerts/old").status == 404
        assert live.ask("GET", "/alerts/fires?scope=noisy").json["status"] == "firing"
        assert live.ask("GET", "/incidents", None).json["incidents"][0]["scope"] == "news"
        live.ask("POST", "/events", alert("again", dedup_key="old"))
        live.settled()
        assert live.ask("GET", "/alerts/again").json["decision"]["reason"] == "only_choice"
        said = [line for line in live.logs() if line["say"] == "forgotten"]  # in one go, or in two on a slow machine
        assert sum(line["incidents"] for line in said) >= 2
        assert live.stop() == 0
        events = [orjson.loads(line) for line in grouping("log", live.state).stdout.splitlines()]
        numbers = [event["id"] for event in events]
        assert {event["actor"] for event in events if event.get("incident") == old} <= {"keep_days"}
        assert "old" not in numbers
        assert "again" in numbers
    _assert_had_again(live, tmp_path)


def _older_version(store: Path) -> None:
    """As if an older version had written the store."""
    raw = Rdict(str(store), Options(raw_mode=True))
    raw.put(b"\x00format", b"1")
    raw.close()


def test_a_store_of_another_version_is_decided_anew(tmp_path: Path) -> None:
    """Nobody has to do anything, and the old one is kept; but not where its base stands for a part of the log."""
    with Live(tmp_path / "state") as live:
        live.ask("POST", "/events", [alert(f"a{number}") for number in range(9)])
        live.settled()
        live.stop()
        before = grouping("outputs", live.state).stdout
        assert before.count(b'"decision"') >= 9
        _older_version(live.state / "store")
        live.start()
        live.settled()
        (said,) = [line for line in live.logs() if line["say"].startswith("store of another version")]
        assert (said["format"], Path(said["aside"]).is_dir()) == ("1", True)
        live.stop()
        assert grouping("outputs", live.state).stdout == before
    (live.state / "base").mkdir()
    shutil.copytree(live.state / "store.format-1", live.state / "base" / "9")
    _older_version(live.state / "store")
    done = grouping("serve", "--state", live.state, "--listen", "127.0.0.1:0")
    assert done.returncode != 0
    assert b"grouping model export" in done.stderr


def _assert_had_again(live: Live, tmp_path: Path) -> None:
    """Without its store the directory decides the same anew; so does a backup of it, and what is restored from that."""
    (tmp_path / "state.toml").write_text("")
    kept = _since_base(live.state)
    assert grouping("backup", live.state, tmp_path / "saved").returncode == 0
    done = grouping("restore", tmp_path / "saved", tmp_path / "restored")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(live.state / "store")
    for directory in (live.state, tmp_path / "saved", tmp_path / "restored"):
        with Live(directory) as again:
            again.settled()
            assert again.ask("GET", "/alerts/old").status == 404
            assert again.ask("GET", "/alerts/again").status == 200
            assert again.stop() == 0
        assert _since_base(directory) == kept


def _incident(live: Live, id: str) -> str:
    live.settled()
    found = live.ask("GET", f"/alerts/{id}" + ("?scope=quiet" if id == "older" else ""))
    return str(found.json["incident"])


def _since_base(directory: Path) -> list[bytes]:
    """The output lines of the events after the base."""
    (base,) = (directory / "base").iterdir()
    lines = grouping("outputs", directory).stdout.splitlines()
    return [line for line in lines if orjson.loads(line)["seq"] > int(base.name)]
