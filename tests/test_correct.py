"""What responders do to incidents, and that it can be undone."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from grouping.config import Config
from grouping.engine import Engine
from grouping.lifecycle import REBUILT_FROM, close, members, newest, root
from grouping.scope import Standing
from tests.logs import Player, logs
from tests.test_engine import Story, T


class Desk(Story):
    """A story with responders."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**({"policy": "host=60s"} | settings))
        self.given = 0

    def do(self, action: str, **fields: Any) -> list[dict[str, Any]]:
        """The lines of a correction."""
        self.given += 1
        event = {"kind": "feedback", "id": f"f{self.given}", "at": T + 100, "actor": "ana", "action": action}
        return self.tell(**(event | fields))

    def incident(self, id: str, after: float = 0.0, **fields: Any) -> str:
        """The incident that an alert ended up in."""
        found: str = self.alert(id, after, **fields)["incident"]
        return found

    def where(self) -> dict[str, str]:
        """The open or resolved incident of every alert."""
        state, scope = self.engine.state, self.engine.state.scope("default")
        ids = [key[10:].decode() for key in _records(self) if key.startswith(b"a")]
        return {id: root(state, scope, state.alert(scope, id).incident).id for id in ids}  # type: ignore[union-attr]

    def standing(self, incident: str) -> str:
        """Where an incident stands."""
        scope = self.engine.state.scope("default")
        return str(self.engine.state.known_incident(scope, incident).standing)


def _records(story: Story) -> dict[bytes, bytes]:
    from grouping.keyspace import unpack  # noqa: PLC0415 — only here

    return unpack(story.engine.snapshot())


def test_merge_puts_all_alerts_into_one() -> None:
    """One line per source; its alerts and what comes for them now belong to the target."""
    desk = Desk()
    one, two = desk.incident("a1", host="x"), desk.incident("a2", 1, host="y", dedup_key="k")
    lines = desk.do("merge", incidents=[two], into=one)
    assert lines == [{"kind": "merged", "seq": 3, "scope": "default", "incident": two, "into": one, "by": "f1"}]
    assert set(desk.where().values()) == {one}
    assert desk.alert("a3", 2, host="y")["incident"] == one, "the merged incident's key leads to the target"
    assert desk.alert("a4", 3, host="y", dedup_key="k")["incident"] == one, "a repeat is counted in the target"


def test_undo_of_a_merge_gives_back_what_was_there() -> None:
    """The source reopens with its alerts; what joined since stays."""
    desk = Desk()
    one, two = desk.incident("a1", host="x"), desk.incident("a2", 1, host="y")
    desk.do("merge", incidents=[two], into=one)
    desk.incident("a3", 2, host="y")
    lines = desk.do("undo", feedback="f1")
    assert [(line["kind"], line.get("event")) for line in lines] == [("incident", "reopened"), ("moved", None)]
    assert (lines[1]["alerts"], lines[1]["from"], lines[1]["into"]) == (["a2"], one, two)
    assert desk.where() == {"a1": one, "a2": two, "a3": one}
    assert desk.standing(two) == Standing.OPEN


def test_a_chain_of_merges_may_be_of_any_length() -> None:
    """Each night the incident of yesterday is merged into that of today, for years: the last merge goes as the first."""
    desk = Desk()
    state, scope = desk.engine.state, desk.engine.state.scope("default")
    chained = [desk.incident(f"a{night}", host=f"h{night}") for night in range(1200)]
    for before, after in pairwise(chained):  # as merges leave it
        part, whole = state.known_incident(scope, before), state.known_incident(scope, after)
        close(scope, part, Standing.MERGED)
        part.into, whole.merged, whole.count = whole.id, [part.id], whole.count + part.count
    new = desk.incident("new", host="new")
    assert [line["kind"] for line in desk.do("merge", incidents=[chained[-1]], into=new)] == ["merged"]
    assert len(list(members(state, scope, state.known_incident(scope, new)))) == 1201


class Counted(dict[bytes, bytes]):
    """Records that count how often they are read."""

    reads = 0

    def get(self, key: bytes, default: Any = None) -> Any:
        """The value under a key."""
        self.reads += 1
        return super().get(key, default)


@pytest.mark.parametrize("chained", [True, False])
def test_what_a_merge_reads_does_not_grow_with_the_merges_before(chained: bool) -> None:
    """Into one incident, one after the other, or each into the next; and so with undoing the latest."""
    records = Counted()
    desk = Desk()
    desk.engine = Engine(Config(policy="host=60s"), records)
    made = [desk.incident(f"a{number}", number, host=f"h{number}") for number in range(300)]
    reads: list[int] = []

    def read(action: str, **fields: Any) -> None:
        for key, value in desk.engine.drain().items():
            if value is None:
                records.pop(key, None)
            else:
                records[key] = value
        before = records.reads
        assert desk.do(action, **fields)[0]["kind"] != "refused"
        reads.append(records.reads - before)

    for number in range(1, 300):
        one, two = made[number - 1], made[number]
        read("merge", incidents=[one if chained else two], into=two if chained else made[0])
    assert max(reads[200:]) <= max(reads[70:100]) < 400
    for number in range(299, 150, -1):
        read("undo", feedback=f"f{number}")
    if not chained:  # where each was merged into the next, undoing names all alerts that go back
        assert max(reads[299:]) < 100


def test_an_incident_looks_like_its_latest_alerts_whatever_was_merged_into_it() -> None:
    """As many as all its alerts sorted by time would give; and it begins and ends with the first and the last of them."""
    chance = random.Random(7)
    desk = Desk(policy="host=1s")
    state, scope = desk.engine.state, desk.engine.state.scope("default")
    whole: list[str] = []
    for number in range(200):
        host, after = f"h{number}", chance.choice([0.0, 50.0, 100.0]) + chance.randrange(100)
        opened = {desk.incident(f"a{number}-{alert}", after, host=host) for alert in range(chance.choice([1, 1, 3]))}
        whole += list(opened)
    while len(whole) > 1:
        chance.shuffle(whole)
        into, *some = whole[: chance.choice([2, 2, 30, 90])]
        assert desk.do("merge", incidents=some, into=into)[0]["kind"] == "merged"
        whole = [id for id in whole if id not in some]
        if chance.random() < 0.3 and len(whole) > 1:
            desk.do("undo", feedback=f"f{desk.given}")
            whole += some
        for id in (into, whole[-1]):
            one = state.known_incident(scope, id)
            rows = sorted((kept.at, alert) for alert, kept in members(state, scope, one))
            assert [row[:2] for row in newest(state, scope, one)] == rows[-REBUILT_FROM:]
            assert (one.first_at, one.last_at) == (rows[0][0], rows[-1][0])


def test_no_line_grows_with_what_is_moved() -> None:
    """Undoing a merge of many alerts is said in lines of at most a thousand, which name each of them once."""
    desk = Desk()
    alerts = [f"a{number}" for number in range(2500)]
    (one,) = {desk.incident(id, host="x") for id in alerts}
    two = desk.incident("b", host="y")
    desk.do("merge", incidents=[one], into=two)
    moved = [line["alerts"] for line in desk.do("undo", feedback="f1") if line["kind"] == "moved"]
    assert [len(some) for some in moved] == [1000, 1000, 500]
    assert [id for some in moved for id in some] == alerts


def test_a_split_makes_a_new_incident() -> None:
    """Named after the correction; new alerts of the same key follow it."""
    desk = Desk(policy="*=60s")
    one = desk.incident("a1", host="x")
    desk.incident("a2", 1, host="y")
    desk.incident("a3", 2, host="y")
    lines = desk.do("move", alerts=["a2", "a3"], into=None)
    assert [line["kind"] for line in lines] == ["incident", "moved"]
    new = lines[0]["incident"]
    assert (lines[0]["event"], lines[0]["alerts"]) == ("opened", 2)
    assert (lines[1]["alerts"], lines[1]["from"], lines[1]["into"]) == (["a2", "a3"], one, new)
    assert desk.where() == {"a1": one, "a2": new, "a3": new}


def test_undo_of_a_split_closes_the_new_incident() -> None:
    """Its alerts go back where they came from."""
    desk = Desk(policy="*=60s")
    one = desk.incident("a1")
    desk.incident("a2", 1)
    new = desk.do("move", alerts=["a2"], into=None)[0]["incident"]
    lines = desk.do("undo", feedback="f1")
    assert [(line["kind"], line.get("event")) for line in lines] == [("moved", None), ("incident", "resolved")]
    assert desk.where() == {"a1": one, "a2": one}
    assert desk.standing(new) == Standing.RESOLVED


@pytest.mark.parametrize("policy", ["*=60s", "host=60s", "learned(host=60s)"])
@pytest.mark.parametrize("action", ["merge", "resolve", "dismiss"])
def test_what_an_undo_opens_again_is_not_the_last_one_for_that(policy: str, action: str) -> None:
    """The next alert goes where it would have gone without the correction: to what took an alert last."""
    desk = Desk(policy=policy)
    one, two = desk.incident("a1", host="x"), desk.incident("a2", 100, host="x")
    assert one != two
    desk.do(action, **({"incidents": [one], "into": two} if action == "merge" else {"incident": one}))
    desk.do("undo", feedback="f1")
    assert desk.standing(one) == Standing.OPEN
    desk.engine = Engine.restore(desk.engine.snapshot(), desk.engine.config)
    assert desk.incident("a3", 150, host="x") == two


def test_undo_of_a_move_leaves_what_was_moved_again_and_says_so() -> None:
    """One alert was carried on by somebody else, one is back already, one is still where the move put it."""
    desk = Desk(policy="*=60s")
    one = desk.incident("a1")
    for number in (2, 3, 4):
        desk.incident(f"a{number}", 1)
    new = desk.do("move", alerts=["a2", "a3", "a4"], into=None)[0]["incident"]
    other = desk.do("move", alerts=["a2"], into=None)[0]["incident"]
    desk.do("move", alerts=["a3"], into=one)
    lines = desk.do("undo", feedback="f1")
    assert [(line["kind"], line.get("event")) for line in lines] == [
        ("moved", None),
        ("incident", "resolved"),
        ("undone", None),
    ]
    assert (lines[0]["alerts"], lines[0]["from"], lines[0]["into"]) == (["a4"], new, one)
    assert lines[2] == {
        "kind": "undone",
        "seq": lines[2]["seq"],
        "scope": "default",
        "feedback": "f1",
        "by": "f4",
        "stayed": ["a2"],
        "why": "moved again since",
    }
    assert desk.where() == {"a1": one, "a2": other, "a3": one, "a4": one}
    assert desk.do("undo", feedback="f1")[0]["error"] == "$.feedback: f1 is undone already"


@pytest.mark.parametrize("action", ["resolve", "dismiss"])
def test_undo_of_a_closing_leaves_a_merged_incident_where_it_is_and_says_so(action: str) -> None:
    """What somebody did with the closed incident since stands."""
    desk = Desk()
    one, two = desk.incident("a1", host="x"), desk.incident("a2", 1, host="y")
    desk.do(action, incident=two)
    desk.do("merge", incidents=[two], into=one)
    lines = desk.do("undo", feedback="f1")
    assert [(line["kind"], line["stayed"], line["why"]) for line in lines] == [
        ("undone", [two], f"merged into {one} since")
    ]
    assert desk.where() == {"a1": one, "a2": one}


def test_an_incident_that_lost_all_its_alerts_is_closed() -> None:
    """And undo opens it again."""
    desk = Desk()
    one, two = desk.incident("a1", host="x"), desk.incident("a2", 1, host="y")
    lines = desk.do("move", alerts=["a2"], into=one)
    assert [(line["kind"], line.get("event"), line.get("alerts")) for line in lines] == [
        ("moved", None, ["a2"]),
        ("incident", "resolved", 0),
    ]
    lines = desk.do("undo", feedback="f1")
    assert [line.get("event", line["kind"]) for line in lines] == ["reopened", "moved"]
    assert desk.where() == {"a1": one, "a2": two}


@pytest.mark.parametrize("action", ["resolve", "dismiss"])
def test_a_closed_incident_takes_nothing_and_can_be_reopened(action: str) -> None:
    """Resolve and dismiss close; a repeat of its key is a new alert; undo opens."""
    desk = Desk()
    one = desk.incident("a1", host="x", dedup_key="k")
    assert [line["event"] for line in desk.do(action, incident=one)] == ["resolved"]
    again = desk.alert("a2", 1, host="x", dedup_key="k")
    assert again["action"] == "open"
    assert desk.do(action, incident=one)[0]["kind"] == "refused"
    lines = desk.do("undo", feedback="f1")
    assert [line["event"] for line in lines] == ["reopened", "resolved"], "its only alert is firing elsewhere now"
    assert desk.alert("a3", 2, host="x", dedup_key="k")["incident"] == again["incident"]


def test_reopened_incidents_take_alerts_again() -> None:
    """While they are recent enough."""
    desk = Desk()
    one = desk.incident("a1", host="x")
    desk.do("resolve", incident=one)
    desk.do("undo", feedback="f1")
    assert desk.incident("a2", 5, host="x") == one


def test_confirm_says_nothing_and_changes_no_incident() -> None:
    """It is remembered for learning."""
    desk = Desk()
    one = desk.incident("a1")
    assert desk.do("confirm", incident=one) == []
    assert desk.do("undo", feedback="f1") == []
    assert desk.where() == {"a1": one}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown target": ({"action": "merge", "incidents": ["ONE"], "into": "i-no"}, "$.into: no incident i-no"),
    "unknown source": ({"action": "merge", "incidents": ["i-no"], "into": "ONE"}, "$.incidents[0]: no incident"),
    "into itself": ({"action": "merge", "incidents": ["ONE"], "into": "ONE"}, "$.incidents: nothing to merge"),
    "into a resolved one": ({"action": "merge", "incidents": ["ONE"], "into": "DONE"}, "is resolved; name an open"),
    "into a merged one": ({"action": "merge", "incidents": ["ONE"], "into": "GONE"}, "was merged into TWO"),
    "a merged source": ({"action": "merge", "incidents": ["GONE"], "into": "ONE"}, "was merged into TWO"),
    "unknown alert": ({"action": "move", "alerts": ["a1", "nope"], "into": None}, "$.alerts[1]: no alert nope"),
    "there already": ({"action": "move", "alerts": ["a1"], "into": "ONE"}, "$.alerts: all of them are in"),
    "move to a resolved one": ({"action": "move", "alerts": ["a1"], "into": "DONE"}, "$.into: incident"),
    "confirm nothing": ({"action": "confirm", "incident": "i-no"}, "$.incident: no incident i-no"),
    "resolve twice": ({"action": "resolve", "incident": "DONE"}, "is resolved"),
    "undo nothing": ({"action": "undo", "feedback": "f-no"}, "$.feedback: no feedback f-no"),
    "undo an undo": ({"action": "undo", "feedback": "f4"}, "is an undo itself"),
    "undo twice": ({"action": "undo", "feedback": "f3"}, "f3 is undone already"),
}


@pytest.mark.parametrize(("event", "error"), CASES.values(), ids=CASES.keys())
def test_what_cannot_be_done_is_refused_and_changes_nothing(event: dict[str, Any], error: str) -> None:
    """Place, reason, remedy; the state is as before but for the id of the event."""
    desk = Desk()
    names = {"ONE": desk.incident("a1", host="x"), "TWO": desk.incident("a2", host="y")}
    names |= {"GONE": desk.incident("a3", host="z"), "DONE": desk.incident("a4", host="w")}
    desk.do("merge", incidents=[names["GONE"]], into=names["TWO"])
    desk.do("resolve", incident=names["DONE"])
    desk.do("confirm", incident=names["ONE"])
    desk.do("undo", feedback="f3")

    def put(value: Any) -> Any:
        return [put(item) for item in value] if isinstance(value, list) else names.get(value, value) if value else value

    before = desk.where()
    lines = desk.do(**{key: value if key == "action" else put(value) for key, value in event.items()})
    assert [line["kind"] for line in lines] == ["refused"]
    expected = error
    for short, name in names.items():
        expected = expected.replace(short, name)
    assert expected in lines[0]["error"]
    assert desk.where() == before


def test_a_merge_that_would_be_too_large_is_refused() -> None:
    """The bound on size holds for corrections too."""
    desk = Desk(size_max=3)
    _, one = desk.incident("a1", host="x"), desk.incident("a2", host="x")
    _, two = desk.incident("b1", host="y"), desk.incident("b2", host="y")
    assert "at most 3" in desk.do("merge", incidents=[two], into=one)[0]["error"]


def test_corrections_reach_incidents_that_left_memory() -> None:
    """Days later, from the records: merge, move and undo work on them as on any other."""
    desk = Desk()
    one, two = desk.incident("a1", host="x"), desk.incident("a2", 1, host="y")
    for number in range(5000):
        desk.alert(f"b{number}", 100_000.0 + 100 * number, host="z")
    desk.engine.state.flush(desk.engine.state.scope("default"))
    assert one not in desk.engine.state.scope("default").incidents
    assert desk.do("merge", incidents=[two], into=one)[0]["kind"] == "merged"
    assert desk.where()["a2"] == one
    assert desk.do("undo", feedback="f1")[-1]["alerts"] == ["a2"]
    assert desk.do("move", alerts=["a1"], into=two)[0]["from"] == one


@given(logs(scopes=["default"]))
@settings(max_examples=80)
def test_counts_always_match_the_alerts(log: list[dict[str, Any]]) -> None:
    """After every event each incident counts just the alerts that belong to it, and an open one has a live alert."""
    player = Player(config=Config(policy="service~5s"))
    for event in log:
        player.play(event)
        state = player.engine.state
        scope = state.scope("default")
        for id in player.opened.get("default", []):
            incident = state.known_incident(scope, id)
            held = [kept.fields[0] for _, kept in members(state, scope, incident)]
            assert incident.count == len(held)
            assert incident.keyless == held.count(None)
            assert sum(incident.ranks) == incident.count
            assert min(incident.ranks) >= 0
            assert 0 <= incident.firing <= incident.count - incident.keyless
            if incident.standing is Standing.OPEN:
                assert incident.firing + incident.keyless > 0
            if incident.slot >= 0:
                assert incident.standing is Standing.OPEN
                assert scope.joinable[incident.slot] is incident


def test_a_merge_does_not_lower_a_severity_and_its_undo_gives_it_back() -> None:
    """However many alerts came since the worst one, and though only a repeat of it was that bad."""
    desk = Desk()
    one = desk.incident("a0", host="x", dedup_key="k", severity="info")
    desk.incident("a1", 1, host="x", dedup_key="k", severity="critical")
    for number in range(2, 80):
        desk.incident(f"a{number}", number, host="x", severity="info")
    two, three = desk.incident("b1", 80, host="y", severity="error"), desk.incident("c1", 80, host="z")

    def severities() -> list[int]:
        state, scope = desk.engine.state, desk.engine.state.scope("default")
        return [state.known_incident(scope, id).severity for id in (one, two, three)]

    assert severities() == [4, 3, 0]
    desk.do("merge", incidents=[two], into=one)
    assert severities()[0] == 4
    desk.do("merge", incidents=[one], into=three)
    assert severities()[2] == 4
    desk.do("undo", feedback="f2")
    desk.do("undo", feedback="f1")
    assert severities() == [4, 3, 0]
    desk.alert("a80", 80, host="x", dedup_key="k2", severity="error")
    desk.do("move", alerts=["a0"], into=three)
    assert severities() == [3, 3, 4], "it takes its worst report along"


RANK = {None: 0, "info": 1, "warning": 2, "error": 3, "critical": 4}


@given(logs(scopes=["default"]))
@settings(max_examples=200)
def test_a_severity_is_that_of_the_worst_alert_that_belongs_there_now(log: list[dict[str, Any]]) -> None:
    """Repeats of it included, whoever merged, moved and undid; with a restore after every event."""
    player = Player(config=Config(policy="service~5s"))
    worst: dict[str, int] = {}
    where: dict[str, str] = {}
    for event in log:
        if event["kind"] == "alert":  # all with a key, so that many are repeats
            event |= {"status": "firing", "dedup_key": event.get("dedup_key", "k1")}
        for line in map(orjson.loads, player.play(event).splitlines()):
            match line["kind"]:
                case "decision":
                    alert = line.get("repeats") or line["alert"]
                    worst[alert] = max(worst.get(alert, 0), RANK[event.get("severity")])
                    where.setdefault(alert, line["incident"])
                case "merged":
                    where = {id: line["into"] if home == line["incident"] else home for id, home in where.items()}
                case "moved":
                    where |= dict.fromkeys(line["alerts"], line["into"])
        player.engine = Engine.restore(player.engine.snapshot(), player.engine.config)
        state, scope = player.engine.state, player.engine.state.scope("default")
        for id in player.opened.get("default", []):
            incident = state.known_incident(scope, id)
            if incident.into is None:
                mine = [worst[alert] for alert, home in where.items() if home == id]
                assert incident.severity == max(mine, default=0)


@given(logs(scopes=["default"]))
@settings(max_examples=80)
def test_undo_straight_after_a_correction_restores_membership(log: list[dict[str, Any]]) -> None:
    """Whatever the correction, undoing it at once puts every alert back where it was."""

    def where(player: Player) -> dict[str, str]:
        state = player.engine.state
        scope = state.scope("default")
        found = {}
        for id in player.opened.get("default", []):
            incident = state.known_incident(scope, id)
            if incident.into is None:
                found |= {alert: id for alert, _ in members(state, scope, incident)}
        return found

    player = Player(config=Config(policy="service~5s"))
    for event in log:
        before = where(player)
        fresh = event["kind"] == "feedback" and event["action"] in ("merge", "move", "resolve", "dismiss")
        lines = [orjson.loads(line) for line in player.play(event).splitlines()]
        if fresh and lines and lines[0]["kind"] != "refused":
            undo = {"kind": "feedback", "id": f"u-{player.number}", "at": event["at"], "action": "undo"}
            done = player.play(undo | {"feedback": event["id"]})
            assert b'"refused"' not in done
            assert where(player) == before
