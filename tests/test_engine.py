"""What happens to alerts and incidents, told as stories with an answer one can see."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from grouping import Config, Engine, emit, parse

T = 1_760_000_000.0


class Story:
    """Alerts told in short; answers as lines."""

    def __init__(self, **settings: Any) -> None:
        self.engine = Engine(Config.of({"policy": "*=60s", "explore": 0.0} | settings))
        self.number = 0

    def tell(self, **event: Any) -> list[dict[str, Any]]:
        """The output lines of one event."""
        self.number += 1
        outputs = self.engine.step(parse(orjson.dumps({"kind": "alert"} | event)))
        return [orjson.loads(emit(self.number, output)) for output in outputs]

    def alert(self, id: str, after: float = 0.0, **fields: Any) -> dict[str, Any]:
        """The decision on a firing alert."""
        fields = {"summary": "disk full"} | fields
        decisions = [line for line in self.tell(id=id, at=T + after, **fields) if line["kind"] == "decision"]
        assert len(decisions) == 1, "exactly one decision for every accepted firing alert"
        return decisions[0]

    def resolve(self, key: str, after: float = 0.0) -> list[dict[str, Any]]:
        """The lines when an alert is over."""
        return self.tell(at=T + after, status="resolved", dedup_key=key, summary="over")


def test_the_first_alert_opens_an_incident_and_the_next_joins_it() -> None:
    """Open, then join, with the same incident."""
    story = Story()
    lines = story.tell(id="a1", at=T, summary="disk full", severity="error")
    assert [line["kind"] for line in lines] == ["incident", "decision"]
    opened, decision = lines
    assert (opened["event"], opened["title"], opened["severity"], opened["alerts"]) == (
        "opened",
        "disk full",
        "error",
        1,
    )
    assert (decision["action"], decision["reason"], decision["propensity"]) == ("open", "only_choice", 1.0)
    second = story.alert("a2", 10)
    assert (second["action"], second["incident"]) == ("join", opened["incident"])
    assert second["runner_up"] == {"incident": None, "score": 0.5}


def test_an_alert_of_long_ago_sent_again_is_a_no_op_while_another_has_its_key() -> None:
    """It was decided once; that its id is no longer among the recent ones does not make it a repeat."""
    story = Story()
    story.alert("a1", dedup_key="k")
    story.resolve("k", 1)
    story.alert("a2", 2, dedup_key="k")
    scope = story.engine.state.scope("default")
    scope.ids.clear()  # as after twice as many others as are remembered
    scope.ids_before.clear()
    before = story.engine.snapshot()
    assert story.tell(id="a1", at=T, summary="disk full", dedup_key="k") == []
    assert story.engine.snapshot() == before


def test_an_event_given_twice_is_a_no_op() -> None:
    """Resends of each kind of event answer nothing and change nothing."""
    story = Story()
    events: list[dict[str, Any]] = [
        {"id": "a1", "at": T, "summary": "x", "dedup_key": "k"},
        {"id": "a2", "at": T, "summary": "x", "dedup_key": "k"},  # a repeat
        {"id": "a3", "at": T, "summary": "x", "dedup_key": "k", "status": "resolved"},
        {"kind": "feedback", "id": "f1", "action": "confirm", "incident": "nowhere"},  # refused
        {"kind": "policy", "id": "p1", "mode": "auto", "policy": "*=5s"},
    ]
    first = [story.tell(**event) for event in events]
    assert all(first)
    before = story.engine.snapshot()
    assert [story.tell(**event) for event in events] == [[]] * 5
    assert story.engine.snapshot() == before


def test_an_event_without_id_given_twice_is_a_no_op_too() -> None:
    """The id is derived from the content and the time."""
    story = Story()
    assert story.tell(at=T, summary="x", details={"a": 1, "b": 2})
    assert story.tell(summary="x", at=T, details={"b": 2, "a": 1}) == []
    assert story.tell(at=T + 1, summary="x", details={"a": 1, "b": 2})


def test_a_dedup_key_on_an_open_alert_is_a_duplicate() -> None:
    """Counted, no new alert, in the same incident; also when it comes hours later."""
    story = Story()
    first = story.alert("a1", dedup_key="k", host="db-1")
    for number, after in enumerate((1, 500, 20_000)):
        again = story.alert(f"r{number}", after, dedup_key="k", host="db-2")
        assert (again["action"], again["reason"], again["incident"]) == ("duplicate", "duplicate", first["incident"])
        assert "score" not in again
        assert again["propensity"] == 1.0


def test_a_missing_dedup_key_never_joins_alerts() -> None:
    """Two alerts without a key are two alerts, blank keys too."""
    story = Story()
    story.alert("a1", dedup_key="")
    assert story.alert("a2", 1000, dedup_key=" ")["action"] == "open"


def test_an_incident_resolves_with_the_last_of_its_alerts() -> None:
    """Not with the first: one resolve leaves the other alert's incident open."""
    story = Story()
    incident = story.alert("a1", dedup_key="k1")["incident"]
    assert story.alert("a2", 1, dedup_key="k2")["incident"] == incident
    assert story.resolve("k1", 2) == []
    lines = story.resolve("k2", 3)
    assert [(line["incident"], line["event"], line["alerts"]) for line in lines] == [(incident, "resolved", 2)]


def test_an_alert_without_key_keeps_its_incident_open() -> None:
    """Nothing can say that it is over but a responder."""
    story = Story()
    story.alert("a1")
    story.alert("a2", 1, dedup_key="k")
    assert story.resolve("k", 2) == []


def test_nothing_joins_a_resolved_incident() -> None:
    """A trigger after the resolve is a new alert in a new incident."""
    story = Story()
    old = story.alert("a1", dedup_key="k")["incident"]
    story.resolve("k", 1)
    again = story.alert("a2", 2, dedup_key="k")
    assert again["action"] == "open"
    assert again["incident"] != old


def test_acknowledge_and_resolve_never_create_an_alert() -> None:
    """For a key nobody fired, or without a key, they say nothing."""
    story = Story()
    assert story.resolve("nobody") == []
    assert story.tell(at=T, status="acknowledged", dedup_key="nobody", summary="x") == []
    assert story.tell(at=T, status="resolved", summary="x") == []
    assert story.alert("a1", 1)["reason"] == "only_choice"


def test_an_acknowledged_alert_is_still_open() -> None:
    """Its repeats are duplicates, and it can be resolved."""
    story = Story()
    story.alert("a1", dedup_key="k")
    assert story.tell(at=T + 1, status="acknowledged", dedup_key="k", summary="x") == []
    assert story.alert("a2", 2, dedup_key="k")["action"] == "duplicate"
    assert story.resolve("k", 3)[0]["event"] == "resolved"


def test_the_window_rolls_from_the_last_alert() -> None:
    """Each alert keeps the incident open for the next; a silence beyond the window ends it."""
    story = Story(policy="*=100000s", window_min_s=300.0, window_max_s=300.0)
    first = story.alert("a0")["incident"]
    assert all(story.alert(f"a{n}", n * 299)["incident"] == first for n in range(1, 9))
    assert story.alert("late", 8 * 299 + 301)["incident"] != first


def test_the_window_follows_the_pace_of_the_scope() -> None:
    """A scope with an alert every ten minutes keeps incidents open longer than a busy one, up to the bound."""
    slow = Story(policy="*=100000s", window_pace=2.0)
    for number in range(5):
        slow.alert(f"a{number}", number * 600)
    assert slow.alert("b", 4 * 600 + 1100)["action"] == "join"
    busy = Story(policy="*=100000s", window_pace=2.0)
    for number in range(5):
        busy.alert(f"a{number}", number)
    assert busy.alert("b", 4 + 1100)["action"] == "open"


def test_an_incident_has_a_bound_on_age() -> None:
    """However steady the alerts, after `age_max_s` a new incident begins."""
    story = Story(age_max_s=600.0)
    incidents = [story.alert(f"a{n}", n * 50)["incident"] for n in range(26)]
    assert incidents[12] == incidents[0]
    assert incidents[13] != incidents[0]
    assert len(set(incidents)) == 2


def test_an_incident_has_a_bound_on_size() -> None:
    """A full incident takes no more alerts."""
    story = Story(size_max=3)
    incidents = [story.alert(f"a{n}", n)["incident"] for n in range(7)]
    assert [incidents.index(one) for one in incidents] == [0, 0, 0, 3, 3, 3, 6]


def test_scopes_are_walls() -> None:
    """The same alert in another scope opens another incident, and shares no dedup key."""
    story = Story()
    one = story.alert("a1", scope="payments", dedup_key="k")
    other = story.alert("a1", scope="shop", dedup_key="k")
    assert other["action"] == "open"
    assert one["incident"] != other["incident"]


def test_a_late_alert_is_judged_at_its_own_time() -> None:
    """It joins the incident of its time, not that of its arrival."""
    story = Story(policy="service=60s")
    early = story.alert("a1", 0, service="db")
    story.alert("a2", 200, service="web")
    story.alert("a3", 201, service="web")
    late = story.alert("a4", 30, service="db")
    assert late["incident"] == early["incident"]
    before = story.alert("a5", -1000, service="db")
    assert before["action"] == "open"


@pytest.mark.parametrize("policy", ["service=60s", "service~60s", "learned(service~60s)"])
def test_a_late_alert_does_not_end_the_incident_of_the_present(policy: str) -> None:
    """The incident of its own time takes it, and the next alert goes on where the one before it was."""
    story = Story(policy=policy)
    early = story.alert("a1", 0, service="db")["incident"]
    present = story.alert("a2", 200, service="db")["incident"]
    assert present != early
    assert story.alert("late", 30, service="db")["incident"] == early
    assert story.alert("a3", 220, service="db")["incident"] == present


def test_late_alerts_pass_over_an_incident_that_is_full() -> None:
    """The one that goes on where it ended takes them: they do not open one each."""
    story = Story(policy="*=60s", size_max=4)
    found = [story.alert(f"a{number}", 10 * number)["incident"] for number in range(6)]
    assert [found.index(one) for one in found] == [0, 0, 0, 0, 4, 4]
    assert [story.alert(f"late{number}", 5)["incident"] for number in range(2)] == [found[4]] * 2


def test_where_clocks_differ_each_alert_joins_the_nearest_incident() -> None:
    """Two hosts report one fault, one of them with a clock two minutes slow: two incidents, and not one an alert."""
    story = Story(policy="*=60s")
    found = [story.alert(f"a{number}", number - 120 * (number % 2))["incident"] for number in range(40)]
    assert found == found[:2] * 20
    assert found[0] != found[1]


def test_one_wrong_clock_ends_nothing() -> None:
    """An alert from the year 2040 gets an incident of its own, and the others go on as before."""
    story = Story()
    first = story.alert("a1")["incident"]
    future = story.alert("wrong", 500_000_000.0)
    assert future["incident"] != first
    assert {story.alert(f"b{number}", 1 + number / 10)["incident"] for number in range(200)} == {first}


def test_a_rule_with_a_key_leaves_alerts_without_it_alone() -> None:
    """An absent field is unknown, never equal: two alerts without service do not join by service."""
    story = Story(policy="service=60s")
    story.alert("a1")
    assert story.alert("a2", 1)["action"] == "open"
    story.alert("a3", 2, service="db")
    assert story.alert("a4", 3, service="db")["action"] == "join"


@pytest.mark.parametrize("where", ["plain", "details", "nested", "unlisted"])
def test_fields_under_details_count_like_any_other(where: str) -> None:
    """A rule can name any of them; a key that the format does not list is kept under details."""
    region = {
        "plain": ("host", {"host": "eu"}),
        "details": ("details.region", {"details": {"region": "eu"}}),
        "nested": ("details.cloud.region", {"details": {"cloud": {"region": "eu"}}}),
        "unlisted": ("details.region", {"region": "eu"}),
    }
    field, content = region[where]
    story = Story(policy=f"{field}=60s")
    story.alert("a1", **content)
    assert story.alert("a2", 1)["action"] == "open"
    assert story.alert("a3", 2, **content)["action"] == "join"


@pytest.mark.parametrize("others", [0, 11, 12, 40])
def test_a_policy_finds_its_pair_among_any_number_under_details(others: int) -> None:
    """Alerts of one zone join by it, however many pairs stand before it by name; those of another do not."""
    story = Story(policy="details.zone=300s")
    details = {f"a{number:02d}": "x" for number in range(others)}
    first = story.alert("a1", details=details | {"zone": "eu-1"})
    assert story.alert("a2", 1, details=details | {"zone": "eu-1"})["incident"] == first["incident"]
    assert story.alert("a3", 2, details=details | {"zone": "eu-2"})["action"] == "open"


def test_the_severity_is_that_of_the_worst_alert() -> None:
    """Repeats can raise it; unknown is below info."""
    story = Story()
    story.alert("a1", dedup_key="k1")
    story.alert("a2", 1, dedup_key="k2", severity="warning")
    story.alert("a3", 2, dedup_key="k1", severity="critical")  # a repeat
    story.resolve("k1", 3)
    assert story.resolve("k2", 4)[0]["severity"] == "critical"


def test_the_title_is_what_the_alerts_share() -> None:
    """Words that differ show as their type; other kinds are counted."""
    story = Story()
    for number, title in enumerate(["CPU high on db-1", "CPU high on db-2", "CPU high on db-3", "disk full"]):
        story.alert(f"a{number}", number, dedup_key=f"k{number}", summary=title)
    closing = [story.resolve(f"k{number}", 10) for number in range(4)]
    assert closing[-1][0]["title"] == "CPU high on <host> (+1 other kind)"


def test_exploration_is_rare_logged_and_never_for_critical() -> None:
    """Only near ties are explored; the propensity says how likely the draw was; critical alerts take the best."""
    story = Story(policy="linear(*~2s)", explore=0.5)
    reasons: list[tuple[str, float]] = []
    for number in range(400):
        severity = "critical" if number % 2 else "info"
        decision = story.alert(f"a{number}", number * 17.0, severity=severity, host=f"h{number % 5}")
        reasons.append((decision["reason"], decision["propensity"]))
        if severity == "critical":
            assert decision["propensity"] == 1.0
            assert decision["reason"] != "explored"
        if decision["reason"] == "explored":
            assert 0 < decision["propensity"] <= 0.5
    assert all(0 < propensity <= 1 for _, propensity in reasons)


def test_a_policy_event_changes_what_decides_and_can_be_rolled_back() -> None:
    """From the next alert on, with a line that says so; only in its scope."""
    story = Story()
    story.alert("a1", service="db")
    lines = story.tell(kind="policy", id="p1", mode="auto", policy="service=60s", at=T)
    assert lines == [
        {
            "kind": "policy",
            "seq": 2,
            "scope": "default",
            "policy": "service=60s",
            "was": "default",
            "why": "set",
            "evidence": {"by": "p1"},
        }
    ]
    assert story.alert("a2", 1, service="web")["action"] == "open"
    assert story.alert("a3", 2, service="db")["action"] == "join"
    back = story.tell(kind="policy", id="p2", mode="rollback", at=T)
    assert (back[0]["policy"], back[0]["was"], back[0]["why"]) == ("default", "service=60s", "rolled_back")
    assert "nothing" not in story.tell(kind="policy", id="p3", mode="rollback", at=T)[0]["error"]


@pytest.mark.parametrize(("mode", "name"), [("shadow", "nonsense"), ("suggest", "*~"), ("auto", "whatever you like")])
def test_a_policy_that_cannot_be_used_is_refused(mode: str, name: str) -> None:
    """With the place and what to do, and nothing changes."""
    story = Story()
    lines = story.tell(kind="policy", id="p1", mode=mode, policy=name, at=T)
    assert lines[0]["kind"] == "refused"
    assert lines[0]["error"].startswith("$.")
    assert story.engine.state.scope("default").policy == "default"


def test_the_decision_is_written_down_with_all_that_was_weighed() -> None:
    """Action set, scores, the features of the options that mattered, propensity."""
    story = Story(policy="linear(*~2s)")
    first = story.alert("a1", service="db")
    second = story.alert("a2", 1, service="db")
    kept = story.engine.state.alert(story.engine.state.scope("default"), "a2")
    assert kept is not None
    assert kept.decision is not None
    decision, reason, propensity, model, actions, scores, columns, *_ = kept.decision
    assert decision == second["decision"]
    assert (reason, propensity, model) == (second["reason"], second["propensity"], 0)
    assert actions == ["open", first["incident"]]
    assert scores[columns[1]] == second["score"]
    assert len(kept.features) % len(columns) == 0


def test_ids_never_depend_on_seq() -> None:
    """The same event at another place in the log gets the same decision and incident id."""
    one, other = Story(), Story()
    other.alert("before", -100_000.0)
    a, b = one.alert("a1"), other.alert("a1")
    assert (a["decision"], a["incident"]) == (b["decision"], b["incident"])
    assert a["seq"] != b["seq"]


def test_memory_does_not_grow_with_history() -> None:
    """After many short incidents only the recent ones are in memory; the old ones are in the records."""
    store: dict[bytes, bytes] = {}
    engine = Engine(Config(policy="*=1s"), store)
    for number in range(20_000):
        line = orjson.dumps(
            {"kind": "alert", "id": f"a{number}", "at": T + 60 * number, "summary": f"job {number} failed"}
        )
        engine.step(parse(line))
        if number % 500 == 0:
            store |= {key: value for key, value in engine.drain().items() if value is not None}
    scope = engine.state.scope("default")
    assert len(scope.joinable) <= 200
    assert len(scope.incidents) <= 3 * 1024
    assert sum(key.startswith(b"i") for key in store) > 19_000


def test_open_incidents_have_a_bound() -> None:
    """Beyond `open_max` the ones longest untouched take no more alerts."""
    story = Story(policy="host=60s", open_max=100)
    for number in range(1000):
        story.alert(f"a{number}", number / 100, host=f"h{number}")
        assert len(story.engine.state.scope("default").joinable) <= 164
    assert story.alert("b1", 11, host="h999")["action"] == "join"
    assert story.alert("b2", 11, host="h0")["action"] == "open"


def test_a_policy_can_be_given_to_a_share_of_the_scopes() -> None:
    """To about that share, to the same ones every time, and to these still when the share grows."""
    scopes = [f"team-{number}" for number in range(1000)]

    def given(share: float) -> set[str]:
        engine = Engine(Config(policy="service~5s", policy_share=share))
        return {name for name in scopes if engine.state.scope(name).given == "service~5s"}

    tenth, third = given(0.1), given(0.3)
    assert 70 <= len(tenth) <= 130
    assert 250 <= len(third) <= 350
    assert tenth < third
    assert given(0.0) == set()
    assert given(1.0) == set(scopes)


def test_outside_the_share_a_scope_finds_its_policy_by_itself() -> None:
    """As if nothing were configured: same lines."""
    config = Config(policy="service~5s", policy_share=0.5)
    scope = next(name for name in map(str, range(99)) if Engine(config).state.scope(name).given == "default")
    shared, plain = Story(policy="service~5s", policy_share=0.5), Story(policy="default")
    for number in range(300):
        event = {
            "id": f"a{number}",
            "at": T + 7.0 * number,
            "scope": scope,
            "service": f"s{number % 3}",
            "summary": "down",
        }
        assert shared.tell(**event) == plain.tell(**event)
