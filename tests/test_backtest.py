"""A log under another policy: what would have been different, and who says which was right."""

from __future__ import annotations

import gzip
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.example import PAGE, filled
from data.respond import corrected as corrected_log
from grouping import Config, Engine, parse
from grouping.backtest import NOISE, UNKNOWN, Known, Play, Traffic, hold, moved, shifts, stood, wrong
from grouping.carry import carry, intent
from grouping.ledger import Ledger
from grouping.lifecycle import root
from grouping.records import Alert, Decision, Feedback, Mode, Output, PolicyEvent, PolicyLine, Refused
from grouping.runtimes.asked import Asked, explored, odds
from grouping.runtimes.backtest import backtest
from grouping.runtimes.backtest_numbers import numbers
from grouping.simulate import simulate
from tests.logs import Player, logs

ROOT = Path(__file__).parent.parent
T = 1_760_000_000.0


def alert(id: str, after: float, service: str = "shop", **fields: Any) -> dict[str, Any]:
    return {"kind": "alert", "id": id, "at": T + after, "service": service, "summary": f"{service} is slow", **fields}


def feedback(id: str, after: float, action: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "feedback", "id": id, "at": T + after, "action": action, **fields}


def opened(events: list[dict[str, Any]], config: Config, alert: str) -> str:
    """The incident that an alert is in after these events."""
    engine, ledger = Engine(config), Ledger()
    for event in events:
        read = parse(orjson.dumps(event))
        ledger.take(read, engine.step(read))
    found = ledger.incident("default", alert)
    assert found is not None
    return found


def tried(tmp_path: Path, events: list[dict[str, Any]], policy: str, was: str, **options: Any) -> dict[str, Any]:
    """The numbers of a backtest of these events."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events))
    return numbers(backtest([str(path)], policy, config=Config(policy=was), **options), 10)


# -- the ledger


@given(logs())
def test_the_ledger_knows_where_each_alert_is(log):
    """After any log of corrections and undos it agrees with the engine's own state."""
    player, ledger, seen = Player(), Ledger(), set()
    for event in log:
        read = parse(orjson.dumps(player._named(event)))
        outputs = player.engine.step(read)
        for output in outputs:
            if getattr(output, "event", None) == "opened":
                player.opened.setdefault(output.scope, []).append(output.incident)
        ledger.take(read, outputs)
        seen |= {(one.scope, one.alert) for one in outputs if isinstance(one, Decision) and one.action != "duplicate"}
    state = player.engine.state
    for scope, id in seen:
        kept = state.alert(state.scope(scope), id)
        incident = root(state, state.scope(scope), kept.incident)
        assert ledger.incident(scope, id) == incident.id
        assert ledger.is_open(scope, incident.id) == (incident.standing == "open")
        assert id in ledger.alerts(scope, incident.id)


# -- corrections carried over


class Desk:
    """The log's play and another one, each with incidents put together by hand."""

    def __init__(self, log: dict[str, str], play: dict[str, str]) -> None:
        """Incidents by name, and the letters of their alerts."""
        self.log, self.play = self._ledger(log), self._ledger(play)

    @staticmethod
    def _ledger(incidents: dict[str, str]) -> Ledger:
        ledger = Ledger()
        for incident, alerts in incidents.items():
            ledger._put("default", alerts, incident)
        return ledger

    def carry(self, **what: Any) -> tuple[list[tuple[Any, ...]], int]:
        """What comes out: incidents or alerts, and where to; and how much there was to do."""
        event = parse(orjson.dumps(feedback("f", 0, **what)))
        assert isinstance(event, Feedback)
        meant = intent(event, self.log)
        if event.action in ("resolve", "dismiss"):
            self.log.incidents["default", event.incident].open = False
        found = carry(meant, self.log, self.play)
        return [(one.incidents or one.alerts or one.incident, one.into) for one in found.events], found.work


def test_a_merge_of_what_is_one_already_is_not_needed():
    assert Desk({"i": "abc", "j": "de"}, {"x": "abcde"}).carry(action="merge", incidents=["j"], into="i") == ([], 0)


def test_a_merge_is_carried_to_the_incidents_that_hold_the_alerts():
    desk = Desk({"i": "abc", "j": "de"}, {"x": "ab", "y": "c", "z": "de"})
    assert desk.carry(action="merge", incidents=["j"], into="i") == ([(("y", "z"), "x")], 2)


def test_a_merge_leaves_an_incident_alone_that_is_mostly_something_else():
    desk = Desk({"i": "abc", "j": "de", "k": "uvw"}, {"x": "abc", "y": "duvw", "z": "e"})
    assert desk.carry(action="merge", incidents=["j"], into="i") == ([(("z",), "x")], 2)


def test_a_split_of_what_is_apart_already_is_not_needed():
    desk = Desk({"i": "abcd"}, {"x": "ab", "y": "cd"})
    assert desk.carry(action="move", alerts=["c", "d"], into=None) == ([], 0)


def test_a_split_is_carried_for_the_alerts_that_are_still_together_with_the_rest():
    desk = Desk({"i": "abcd"}, {"x": "abc", "y": "d"})
    assert desk.carry(action="move", alerts=["c", "d"], into=None) == ([(("c",), "y")], 1)
    desk = Desk({"i": "abcd"}, {"x": "abcd"})
    assert desk.carry(action="move", alerts=["c", "d"], into=None) == ([(("c", "d"), None)], 2)


def test_a_move_goes_where_most_of_its_new_company_is():
    desk = Desk({"i": "abc", "j": "defg"}, {"x": "abc", "y": "def", "z": "g"})
    assert desk.carry(action="move", alerts=["c"], into="j") == ([(("c",), "y")], 1)
    desk = Desk({"i": "abc", "j": "defg"}, {"x": "ab", "y": "cdef", "z": "g"})
    assert desk.carry(action="move", alerts=["c"], into="j") == ([], 0)


def test_a_move_between_what_is_one_incident_cannot_be_carried():
    """It would still be needed, but no single move puts it right."""
    assert Desk({"i": "abc", "j": "de"}, {"x": "abcde"}).carry(action="move", alerts=["c"], into="j") == ([], 1)


def test_an_incident_is_closed_when_all_its_alerts_are():
    desk = Desk({"i": "abc", "j": "de"}, {"x": "ab", "y": "cd", "z": "e"})
    assert desk.carry(action="resolve", incident="i") == ([("x", None)], 0)
    assert desk.carry(action="dismiss", incident="j") == ([("y", None), ("z", None)], 0)


def test_a_confirmation_is_carried_to_the_same_incident_only():
    assert Desk({"i": "ab"}, {"x": "ab"}).carry(action="confirm", incident="i") == ([("x", None)], 0)
    assert Desk({"i": "ab"}, {"x": "abc"}).carry(action="confirm", incident="i") == ([], 0)


# -- two plays held against what is known


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def play(*incidents: int) -> Play:
    """A play in which the first alert of an incident opened it."""
    firsts = [number not in incidents[:place] for place, number in enumerate(incidents)]
    return Play(ints(*incidents), np.array(firsts))


def traffic(before: Play, after: Play, *at: float) -> Traffic:
    n = len(before.incident)
    return Traffic(np.array(at or range(n), float), np.zeros(n, bool), before, after)


@pytest.mark.parametrize(
    ("incident", "group", "expected"),
    [
        ((0, 0, 0, 1, 1), (0, 0, 0, 1, 1), (0, 0, 0, 0, 0)),
        ((0, 0, 0, 0, 0), (0, 0, 0, 1, 1), (0, 0, 0, 1, 1)),  # the smaller group is in the larger one's incident
        ((0, 0, 1, 1, 1), (0, 0, 0, 0, 0), (1, 1, 0, 0, 0)),  # the smaller part is apart
        ((0, 1), (0, 0), (0, 1)),  # of equal parts the first counts
        ((0, 0, 1), (0, NOISE, NOISE), (0, 1, 0)),  # noise is wrong beside a group, not alone
        ((0, 0, 1), (UNKNOWN, 0, UNKNOWN), (0, 0, 0)),  # what is unknown is neither wrong nor in the way
    ],
)
def test_an_alert_is_wrong_apart_from_its_group_or_in_anothers_incident(incident, group, expected):
    assert wrong(ints(*incident), ints(*group)).tolist() == [bool(one) for one in expected]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-2, 3)), max_size=30))
def test_wrong_by_counting_again(rows):
    """The same by the definition, alert by alert."""
    found = wrong(ints(*(one for one, _ in rows)), ints(*(two for _, two in rows)))
    for row, (incident, group) in enumerate(rows):
        inside = [two for one, two in rows if one == incident and two >= 0]
        own = [one for one, two in rows if two == group]
        if group == UNKNOWN:
            assert not found[row]
        elif group == NOISE:
            assert found[row] == bool(inside)
        else:
            assert found[row] == (max(own, key=own.count) != incident or max(inside, key=inside.count) != group)


def test_a_second_outage_is_hidden():
    """Four alerts of one fault, two of another: apart before, one incident after. Nobody is paged for the second."""
    both = traffic(play(0, 0, 1, 0, 1, 0), play(0, 0, 0, 0, 0, 0))
    held = hold(both, Known(ints(0, 0, 1, 0, 1, 0), np.ones(6, bool)))
    assert [(one.group, one.first, one.page, one.host, one.alerts) for one in held.hidden] == [(1, 2, None, 0, 2)]
    assert (held.unpaged_before, held.unpaged_after, held.found, held.late) == (0, 1, [], [])
    back = hold(
        Traffic(both.at, both.critical, both.after, both.before), Known(ints(0, 0, 1, 0, 1, 0), np.ones(6, bool))
    )
    assert ([one.group for one in back.found], back.hidden) == ([1], [])


def test_a_page_that_comes_later_is_told():
    """The second fault joins the first one's incident, and only its third alert opens its own."""
    both = traffic(play(0, 0, 0, 1, 1, 1), play(0, 0, 0, 0, 0, 1), 0, 1, 2, 10, 20, 100)
    held = hold(both, Known(ints(0, 0, 0, 1, 1, 1), np.ones(6, bool)))
    assert [(one.group, one.first, one.page) for one in held.late] == [(1, 3, 5)]
    assert held.hidden == []


def test_an_outage_is_not_hidden_in_an_incident_that_is_mostly_its_own():
    """A lone alert opened the incident, the outage filled it: whoever was paged for the one finds the other."""
    both = traffic(play(0, 1, 1, 1), play(0, 0, 0, 0))
    for first in (NOISE, UNKNOWN, 0):
        assert hold(both, Known(ints(first, 1, 1, 1), np.ones(4, bool))).hidden == []


def test_noise_that_pages():
    """Three lone alerts: three pages before, one after; the one incident holds no group, so nothing is wrong."""
    held = hold(traffic(play(0, 1, 2), play(0, 0, 0)), Known(ints(NOISE, NOISE, NOISE), np.ones(3, bool)))
    assert (held.noise_pages_before, held.noise_pages_after) == (3, 1)
    assert held.wrong_after.tolist() == [False] * 3


def test_what_a_decision_earned():
    """Opening is right for the first of a group and for noise, joining where the incident is mostly the own group's."""
    one = Play(ints(0, 0, 1, 2, 0, 3, 0), np.array([1, 0, 1, 1, 0, 1, 0], bool))
    known = Known(ints(0, 0, 0, 1, 1, NOISE, NOISE), np.ones(7, bool))
    assert stood(one, known).tolist() == [True, True, False, True, False, True, False]


def test_alerts_move_when_their_incident_is_not_the_one_that_takes_its_place():
    assert moved(ints(0, 0, 0, 1), ints(5, 5, 5, 6)).tolist() == [False] * 4
    assert moved(ints(0, 0, 0, 1), ints(5, 5, 5, 5)).tolist() == [False, False, False, True]
    assert moved(ints(0, 0, 0), ints(5, 6, 6)).tolist() == [True, False, False]


def test_examples_tell_the_worst_first_and_are_not_many():
    """One of each kind before a second of any."""
    both = traffic(play(0, 0, 1, 0, 1, 0, 2, 2), play(0, 0, 0, 0, 0, 0, 2, 3))
    held = hold(both, Known(ints(0, 0, 1, 0, 1, 0, UNKNOWN, UNKNOWN), np.ones(8, bool)))
    found = [(one.verdict, one.rows) for one in shifts(both, held, 10)]
    assert found == [("hidden", [2]), ("worse", [2, 4]), ("unknown", [7])]
    assert [one.verdict for one in shifts(both, held, 2)] == ["hidden", "worse"]
    assert shifts(both, held, 0) == []


# -- whole logs


# A fault in two services, an alert every two seconds from each in turn; then the database fails on its own.
FAULT = [alert(f"a{number}", 2 * number, "cart" if number % 2 else "shop") for number in range(12)]
SECOND = [alert(f"b{number}", 13 + 2 * number, "db", severity="critical") for number in range(4)]
BOTH = sorted(FAULT + SECOND, key=lambda event: event["at"])
BY_SERVICE = Config(policy="service~5s")


@pytest.fixture(scope="module")
def corrected() -> list[dict[str, Any]]:
    """Grouped by service; a responder merges the two halves of the first fault and confirms the second."""
    events = list(BOTH)
    cart, shop, db = (opened(events, BY_SERVICE, id) for id in ("a1", "a0", "b0"))
    events.append(feedback("f1", 60, "merge", incidents=[cart], into=shop))
    events.append(feedback("f2", 61, "confirm", incident=db))
    return events


def test_a_merge_that_would_not_have_been_needed(tmp_path, corrected):
    """One incident for everything needs no merge, and hides the database."""
    found = tried(tmp_path, corrected, "*=300s", "service~5s")
    assert (found["before"]["opened"], found["after"]["opened"]) == (3, 1)
    assert (found["corrections"]["needless"], found["corrections"]["work_after"]) == (1, 0)
    known = found["responders"]
    assert (known["alerts"], known["groups"], known["hidden"]) == (16, 2, 1)
    hidden = known["hidden_examples"][0]
    assert (hidden["alert"], hidden["alerts"], hidden["critical"], hidden["said"]) == ("b0", 4, True, True)
    assert (hidden["title"], hidden["into"]) == ("db is slow", "shop is slow")
    assert (known["wrong_before"], known["wrong_after"]) == (6, 4)
    assert found["examples"][0]["verdict"] == "hidden"


def test_the_same_policy_changes_nothing(tmp_path, corrected):
    """Every correction is needed just as before, nothing moves, every decision is worth what it earned."""
    found = tried(tmp_path, corrected, "service~5s", "service~5s")
    assert found["before"] == found["after"]
    assert (found["moved"], found["examples"], found["corrections"]["needed"]) == (0, [], 1)
    worth = found["off_policy"]
    assert worth["ips"]["value"] == pytest.approx(worth["logged"])
    assert worth["overlap"] == pytest.approx(1)


def test_what_was_undone_is_no_evidence(tmp_path, corrected):
    """A merge taken back needs nothing of the other policy; neither is its grouping held against it."""
    undone = [*corrected, feedback("f3", 70, "undo", feedback="f1"), feedback("f4", 71, "undo", feedback="f2")]
    found = tried(tmp_path, undone, "*=300s", "service~5s")
    assert (found["corrections"]["merges"], found["responders"]["alerts"], found["feedback"]) == (0, 0, 4)


def test_feedback_that_was_refused_or_resent_counts_once(tmp_path, corrected):
    found = tried(
        tmp_path, [*corrected, corrected[-2], feedback("f9", 80, "confirm", incident="i-0")], "*=30s", "service~5s"
    )
    assert (found["feedback"], found["refused"], found["corrections"]["merges"]) == (2, 1, 1)


def test_silence_is_weaker_than_a_word(tmp_path):
    """An incident that was only resolved is evidence, but marked as such; a dismissed one is noise."""
    events = list(BOTH)
    events += [
        feedback("f1", 90, "resolve", incident=opened(BOTH, BY_SERVICE, "b0")),
        feedback("f2", 91, "dismiss", incident=opened(BOTH, BY_SERVICE, "a0")),
    ]
    known = tried(tmp_path, events, "*=300s", "service~5s")["responders"]
    assert (known["alerts"], known["said"], known["noise"], known["groups"]) == (10, 6, 6, 1)
    assert known["noise_pages_before"] == 1
    assert known["hidden_examples"][0]["said"] is False


def test_a_resolved_incident_takes_no_more_alerts_in_the_second_play_either(tmp_path):
    """What a responder closed is closed: the next alert opens a new incident under both policies."""
    events = [alert("a0", 0), alert("a1", 1), alert("a2", 2)]
    events.append(feedback("f1", 10, "resolve", incident=opened(events, Config(policy="*=60s"), "a0")))
    found = tried(tmp_path, [*events, alert("a3", 20)], "*=300s", "*=60s")
    assert (found["before"]["opened"], found["after"]["opened"]) == (2, 2)


def test_a_policy_set_in_the_log_is_part_of_the_first_play_alone(tmp_path):
    """The second play keeps the policy that is tried."""
    events = [{"kind": "policy", "id": "p1", "at": T, "mode": "auto", "policy": "service=60s"}, *BOTH]
    found = tried(tmp_path, events, "*=300s", "default")
    assert (found["before"]["opened"], found["after"]["opened"], found["policy_events"]) == (3, 1, 1)


def test_known_groups_stand_in_for_responders(tmp_path):
    """With a truth file nobody need have corrected anything."""
    truth = {event["id"]: "db" if event["service"] == "db" else "shop" for event in BOTH} | {"b3": None}
    found = tried(tmp_path, BOTH, "*=300s", "service~5s", truth=truth)
    assert found["responders"]["alerts"] == 0
    assert (found["truth"]["alerts"], found["truth"]["groups"], found["truth"]["noise"]) == (16, 2, 1)
    assert (found["truth"]["hidden"], found["truth"]["wrong_after"]) == (1, 4)
    assert found["off_policy"]["by"] == "truth"
    assert found["off_policy"]["decisions"] == 16


@settings(max_examples=60)
@given(logs(), st.sampled_from(["*~1s", "service=60s", "host+service~5s", "linear(service~5s)", "default"]))
def test_a_play_that_is_only_asked_does_what_was_done(log, policy):
    """Whatever the other policy would have done, its incidents stay those of the log, corrections included."""
    player, asked = Player(config=Config(explore=0.5)), Asked(Config(policy=policy, explore=0.5))
    for event in log:
        read = parse(orjson.dumps(player._named(event)))
        done = player.engine.step(read)
        for output in done:
            if getattr(output, "event", None) == "opened":
                player.opened.setdefault(output.scope, []).append(output.incident)
        decision = next((one for one in done if isinstance(one, Decision)), None)
        if isinstance(read, PolicyEvent):
            read = replace(read, mode=Mode.AUTO, policy=policy)
        asked._done, asked._wish = decision, None
        seen = asked.engine.step(read)
        plain = [[one for one in lines if not isinstance(one, PolicyLine)] for lines in (done, seen)]
        assert _told(plain[0]) == _told(plain[1])
        if isinstance(read, Alert) and decision is not None and decision.choice is not None:
            assert asked._wish is not None
            assert set(asked._wish.choice.actions) == set(decision.choice.actions)


def test_what_was_joined_need_not_be_what_the_other_policy_would_look_at(tmp_path):
    """Forty services take turns: the log's rule joins its own, another looks at the latest sixteen only."""
    events = [alert(f"a{n}", 1.0 * n, service=f"v{n % 40}", summary=f"slow {n}") for n in range(200)]
    found = tried(tmp_path, events, "*=30s", "service=300s")
    assert (found["before"]["opened"], found["after"]["opened"]) == (40, 1)


def _told(lines: list[Output]) -> list[Output]:
    """Outputs without what a policy decides of them: how often it has changed, and what was no choice under it."""
    return [_bare(one) if isinstance(one, Decision) else one for one in lines if not isinstance(one, Refused)]


def _bare(decision: Decision) -> Decision:
    choice = decision.choice
    return decision._replace(model=0, choice=None if choice is None else choice._replace(left_out=None))


@settings(max_examples=40)
@given(logs(scopes=["default"]), st.sampled_from(["*~1s", "service=60s"]))
def test_any_log_can_be_tried(tmp_path_factory, log, policy):
    """No log of corrections, late alerts and repeats breaks a backtest; the numbers hang together."""
    player, events = Player(), []
    for event in log:
        events.append(player._named(event))
        player.play(event)
    found = tried(
        tmp_path_factory.mktemp("log"), events, policy, "default", truth={f"a{n}": f"g{n % 3}" for n in range(9)}
    )
    for held in (found["responders"], found["truth"]):
        assert held["wrong_after"] == held["wrong_before"] - held["better"] + held["worse"]
        assert held["unpaged_after"] == held["unpaged_before"] + held["hidden"] - held["found"]
        assert held["noise"] <= held["alerts"] <= found["alerts"]
    assert orjson.loads(orjson.dumps(found)) is not None


# -- the command


def run(*arguments: str | Path, columns: int | None = 200) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grouping", "backtest", *map(str, arguments)]
    environment = {"PATH": ""} | ({} if columns is None else {"COLUMNS": str(columns)})
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)


@pytest.fixture(scope="module")
def log(tmp_path_factory, corrected) -> Path:
    path = tmp_path_factory.mktemp("backtest") / "log.jsonl"
    evil = alert("x", 200, "<script>alert(1)</script>\x1b[31m[red]", summary="<b>\x1b[31m[red]is slow")
    evil["at"] += 4000
    path.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in [*corrected, evil, alert("y", 4201, "shop")]))
    return path


@pytest.fixture(scope="module")
def config(log) -> Path:
    path = log.with_name("grouping.toml")
    path.write_text('policy = "service~5s"\n')
    return path


def test_the_command_prints_tables_and_writes_json_and_a_page(log, config, tmp_path):
    """The three say the same; what stands in alerts steers neither terminal nor page."""
    arguments = ("--policy", "*=300s", "--from", log, "--config", config)
    done = run(*arguments, "--json", tmp_path / "a.json", "--report", tmp_path / "page")
    assert (done.returncode, done.stdout.count("\x1b")) == (0, 0), done.stderr
    assert "nobody would be paged for" in done.stdout
    assert "1 not needed" in done.stdout
    found = orjson.loads((tmp_path / "a.json").read_bytes())
    assert found["responders"]["hidden"] == 1
    page = (tmp_path / "page" / "index.html").read_text()
    assert "Hidden outages" in page
    assert "<script" not in page
    assert "&lt;b&gt;" in page
    assert "\x1b" not in page
    again = run(*arguments, "--json", tmp_path / "b.json")
    assert again.stdout == done.stdout
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "a.json").read_bytes()


@pytest.mark.parametrize(("columns", "width"), [(None, 118), (90, 90)])
def test_a_table_without_a_terminal_has_room_for_titles(log, config, columns, width):
    """As wide as that of `evaluate`, but where COLUMNS says otherwise."""
    done = run("--policy", "*=300s", "--from", log, "--config", config, columns=columns)
    assert max(map(len, done.stdout.splitlines())) == width


def test_the_command_says_what_it_cannot_use(log, config, tmp_path):
    """Exit status 2 with place and remedy; 3 where lines of the log are refused."""
    assert run("--policy", "sevice~5s", "--from", log).returncode == 2
    assert run("--policy", "*=3s", "--from", tmp_path / "none").returncode == 2
    truth = tmp_path / "t.csv"
    for text, said in (("id,fault\n", "line 1: expected the header alert,group"), ("alert,group\na\n", "line 2")):
        truth.write_text(text)
        done = run("--policy", "*=3s", "--from", log, "--truth", truth)
        assert (done.returncode, said in done.stderr) == (2, True)
    truth.write_bytes(gzip.compress(b"alert,group\na1,g\na1,h\n"))
    assert "alert 'a1' has two groups" in run("--policy", "*=3s", "--from", log, "--truth", truth).stderr
    truth.write_bytes(b"alert,group\n\xff,\n")
    assert run("--policy", "*=3s", "--from", log, "--truth", truth).returncode == 2
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b"{}\n\n" + log.read_bytes())
    done = run("--policy", "*=3s", "--from", broken, "--config", config)
    assert (done.returncode, "1 of 22 lines refused, first line 1: $.kind: " in done.stderr) == (3, True)
    with log.open("rb") as whole:
        broken.write_bytes(whole.read()[:-9])  # as it is found while somebody writes it
    done = run("--policy", "*=3s", "--from", broken, "--config", config)
    assert (done.returncode, "1 of 20 lines refused, first line 20: " in done.stderr) == (3, True)


def test_other_settings_than_those_of_the_log_are_noticed(log):
    """Under them the incidents that feedback names were never there."""
    done = run("--policy", "*=3s", "--from", log)
    assert (done.returncode, "give its settings with --config" in done.stderr) == (3, True)


def test_an_empty_log_has_nothing_to_tell(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    done = run("--policy", "*=3s", "--from", tmp_path / "empty", "--report", tmp_path / "page")
    assert (done.returncode, "nothing can be said" in done.stdout) == (0, True)


def test_the_page_about_it_shows_what_the_command_prints():
    """docs/backtest.md is filled in by `make data`, never by hand."""
    text = PAGE.read_text()
    assert "1 newly hidden" in text
    assert filled(text) == text


def test_the_log_it_plays_is_the_demo_with_feedback():
    """Made by `make data`; nothing in it is refused, and without its feedback it is the demo."""
    with gzip.open(ROOT / "data" / "demo.corrected.jsonl.gz") as file:
        events = [orjson.loads(line) for line in file]
    assert events == list(corrected_log("demo", simulate("demo", 1), "service~5s"))
    demo = [orjson.loads(line) for line in (ROOT / "data" / "demo.jsonl").read_bytes().splitlines()]
    assert [event for event in events if event["kind"] == "alert"] == demo
    engine = Engine()
    assert not any(isinstance(one, Refused) for event in events for one in engine.step(parse(orjson.dumps(event))))


@settings(max_examples=60)
@given(logs(corrections=False))
def test_asked_itself_a_policy_gives_the_logged_propensities(log):
    """The chances worked out for the log's own policy are those with which it drew, explored decisions included."""
    config = Config(explore=0.5)
    engine, asked = Engine(config), Asked(config)
    for event in log:
        read = parse(orjson.dumps(event))
        done = next((one for one in engine.step(read) if isinstance(one, Decision)), None)
        wish = asked.ask(read, done)
        if done is not None and done.choice is not None:
            found = odds(0, done, wish, explored(config, read))
            assert found.target[found.chosen] == found.propensity
            assert sum(found.target) == pytest.approx(1)
