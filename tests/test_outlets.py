"""What is announced of incidents, how often, to whom and in which shape: without any network."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping import Config, Engine
from grouping.formats import formats_of
from grouping.outlets import SHAPES
from grouping.outlets.announce import DEPARTED, HELD, Announcer
from grouping.outlets.message import Target
from grouping.outlets.notice import Filter, Happening, Notice
from grouping.outlets.prometheus import LAST
from grouping.outlets.signing import BadSecret, BadSignature, headers, key_of, verify
from grouping.parse import event_of
from grouping.records import Severity
from grouping.simulate import simulate

Event = dict[str, Any]
ALL = "*=600s"  # whatever comes within ten minutes is one group


class Desk:
    """An engine and its announcer over one dictionary of records; may be restarted after any event."""

    def __init__(self, policy: str = ALL) -> None:
        self.config = Config(policy=policy)
        self.records: dict[bytes, bytes] = {}
        self.seq = 0
        self.decided: list[Any] = []
        self.restart()

    def restart(self) -> None:
        self.engine = Engine(self.config, self.records)
        held = [(key, value) for key, value in self.records.items() if key.startswith(HELD)]
        self.announcer = Announcer(self.engine.state, self.records, held)

    def take(self, raw: Event) -> list[Notice]:
        self.seq += 1
        event = event_of({"scope": "s", **raw})
        outputs = self.engine.step(event)
        self.decided += outputs
        return self.announcer.take(self.seq, event, outputs)

    def commit(self) -> None:
        for key, value in {**self.engine.drain(), **self.announcer.drain()}.items():
            if value is None:
                self.records.pop(key, None)
            else:
                self.records[key] = value


def play(events: Iterable[Event], policy: str = ALL) -> list[Notice]:
    desk = Desk(policy)
    return [notice for event in events for notice in desk.take(event)]


def alert(id: str, at: float, service: str, class_: str = "Down", **fields: Any) -> Event:
    row = {
        "id": id,
        "at": at,
        "service": service,
        "class": class_,
        "summary": f"{class_} at {service}",
        "severity": "error",
    }
    return {"kind": "alert", **row, **fields}


def seen(notices: Iterable[Notice]) -> list[str]:
    return [str(notice.event) for notice in notices]


# -- what is announced


@pytest.mark.parametrize("policy", ["default", ALL, "*=3600s"])
@pytest.mark.parametrize("seed", range(3))
def test_a_hidden_outage_is_announced(policy: str, seed: int) -> None:
    """Whatever groups it away: somebody hears of a second failure, by an incident of its own or by name."""
    announced: dict[str, float] = {}
    begun: dict[str, float] = {}
    truth: dict[str, str | None] = {}
    desk = Desk(policy)
    for raw, group in simulate("hidden_outage", seed):
        truth[raw["id"]] = group
        begun.setdefault(str(group), raw["at"])
        for notice in desk.take(raw):
            about = [*notice.departing, *([notice.alert] if notice.alert and notice.event == "opened" else [])]
            for one in about:
                announced.setdefault(str(truth[one["id"]]), notice.at)
    hidden = {group for group in truth.values() if group and group.startswith("hidden")}
    assert hidden
    assert hidden - set(announced) == set()
    assert {group: announced[group] - begun[group] for group in hidden} == dict.fromkeys(hidden, 0.0)  # at once


@pytest.mark.parametrize(
    ("workload", "most"), [("storm", 0), ("drip", 0), ("templated", 0), ("flapping", 0), ("cascade", 2)]
)
@pytest.mark.parametrize("policy", ["default", ALL])
def test_what_is_one_failure_does_not_nag(workload: str, most: int, policy: str) -> None:
    """A storm brings new hosts and titles; it is announced once, and again only when it gets worse."""
    for seed in range(3):
        notices = play((raw for raw, _ in simulate(workload, seed)), policy)
        departs = Counter(notice.incident for notice in notices if notice.event == "departs")
        assert max(departs.values(), default=0) <= most
        worse = Counter(notice.incident for notice in notices if notice.event == "worse")
        assert max(worse.values(), default=0) <= 3


def test_the_worst_stream_is_announced_a_bounded_number_of_times() -> None:
    """Every alert from a place of its own, of a kind of its own: 1,000 in 1,000 s give 5 announcements that count all."""
    events = [alert(f"a{n}", 1e9 + n, f"s{n}", f"C{n}") for n in range(1000)]
    notices = play(events)
    departs = [notice for notice in notices if notice.event == "departs"]
    assert [round(notice.at - 1e9) for notice in departs] == [1, 62, 182, 422, 902]  # the scope's clock is 2 s behind
    named = sum(len(notice.departing) + notice.more for notice in departs)
    assert 895 <= named <= 902  # names are hashed: now and then one looks known
    assert max(len(notice.departing) for notice in departs) <= 16


CASES = {
    "another service with another class": ({"service": "b", "class": "Full", "summary": "Full at b"}, ["departs"]),
    "another service, known class": ({"service": "b"}, []),
    "another class at a known service": ({"class": "Full", "summary": "Full at a"}, []),
    "no service: it is the component that is new": (
        {"service": None, "component": "c", "class": "Full"},
        [],  # no alert of the incident says any: nothing to depart from
    ),
    "no class: it is the kind of title that is new": (
        {"service": "b", "class": None, "summary": "queue grows"},
        ["departs"],
    ),
    "nothing is known of where": ({"service": None, "class": "Full", "summary": "Full"}, []),
    "worse": ({"severity": "critical"}, ["worse"]),
    "not worse": ({"severity": "warning"}, []),
    "unknown is not worse": ({"severity": None}, []),
    "both at once is said once": (
        {"service": "b", "class": "Full", "summary": "Full at b", "severity": "critical"},
        ["departs"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_departs(case: str) -> None:
    """New in two ways at once, where and what, against alerts of which these are known; or of a worse severity."""
    fields, expected = CASES[case]
    desk = Desk()
    for number in range(5):
        desk.take(alert(f"a{number}", 1e9 + number, "a"))
    assert seen(desk.take({**alert("b", 1e9 + 9, "a"), **fields})) == expected


def test_a_departure_says_why() -> None:
    """In words, with the alert's names, and what the severity was before."""
    desk = Desk()
    desk.take(alert("a", 1e9, "web", severity="warning"))
    (notice,) = desk.take(alert("b", 1e9 + 1, "bank", "ProbeFailed", severity="critical", host="bank-1"))
    assert (notice.event, notice.number, notice.was, notice.severity) == ("departs", 1, "warning", "critical")
    (one,) = notice.departing
    assert one["because"] == "service bank and class ProbeFailed are new to the incident"
    assert (one["id"], one["host"]) == ("b", "bank-1")


def test_one_place_departs_once() -> None:
    """However often it alerts, also when the incident has long forgotten it."""
    events = [alert("a0", 1e9, "web"), alert("b0", 1e9 + 1, "bank", "Probe")]
    events += [alert(f"a{n}", 1e9 + 1 + n, "web") for n in range(1, 400)]
    events += [alert("b1", 1e9 + 402, "bank", "Queue"), alert("c0", 1e9 + 403, "disk", "Full")]
    notices = [notice for notice in play(events) if notice.event == "departs"]
    assert [[one["service"] for one in notice.departing] for notice in notices] == [["bank"], ["disk"]]


def test_what_is_held_is_said_with_the_next_event_also_a_tick() -> None:
    """Nothing is forgotten when a scope falls silent: it says until when it waits."""
    desk = Desk()
    desk.take(alert("a", 1e9, "a"))
    assert seen(desk.take(alert("b", 1e9, "b", "B"))) == ["departs"]
    assert desk.take(alert("c", 1e9 + 10, "c", "C")) == []
    ((scope, due, wait),) = desk.announcer.waiting()
    assert (scope, due) == ("s", 1e9 + 60)
    assert wait > 0
    assert desk.take({"kind": "tick", "at": due - 1}) == []
    desk.commit()
    desk.restart()
    (notice,) = desk.take({"kind": "tick", "at": due})
    assert [one["id"] for one in notice.departing] == ["c"]
    assert desk.announcer.waiting() == []


def test_what_is_held_is_said_at_the_end_at_the_latest() -> None:
    """An incident that is resolved before says with that what had joined."""
    desk = Desk()
    for event in (alert("a", 1e9, "a"), alert("b", 1e9, "b", "B"), alert("c", 1e9 + 1, "c", "C")):
        desk.take(event)
    incident = desk.decided[0].incident
    (notice,) = desk.take({"kind": "feedback", "id": "f", "at": 1e9 + 5, "action": "resolve", "incident": incident})
    assert (notice.event, notice.by) == ("resolved", "f")
    assert [one["id"] for one in notice.departing] == ["c"]
    assert desk.announcer.waiting() == []


def test_the_life_of_an_incident() -> None:
    """Opened, acknowledged, worse (which asks for a look again), acknowledged again, resolved; nothing twice."""
    key = {"dedup_key": "k"}
    steps = [
        (alert("a", 1e9, "a", severity="warning", **key), ["opened"]),
        (alert("a", 1e9, "a", severity="warning", **key), []),
        (alert("ack1", 1e9 + 1, "a", status="acknowledged", **key), ["acknowledged"]),
        (alert("ack2", 1e9 + 2, "a", status="acknowledged", **key), []),
        (alert("a2", 1e9 + 3, "a", severity="critical", **key), ["worse"]),
        (alert("ack1", 1e9 + 1, "a", status="acknowledged", **key), []),
        (alert("ack3", 1e9 + 4, "a", status="acknowledged", **key), ["acknowledged"]),
        (alert("r", 1e9 + 5, "a", status="resolved", **key), ["resolved"]),
        (alert("r2", 1e9 + 6, "a", status="resolved", **key), []),
    ]
    desk = Desk()
    assert [seen(desk.take(event)) for event, _ in steps] == [expected for _, expected in steps]


def test_a_merge_ends_one_and_tells_if_the_other_gets_worse() -> None:
    """And what the first one had held goes on in the second."""
    desk = Desk("service=600s")
    first = desk.take(alert("a", 1e9, "a", severity="critical"))[0].incident
    second = desk.take(alert("b", 1e9 + 1, "b", severity="warning"))[0].incident
    merge = {"kind": "feedback", "id": "f", "at": 1e9 + 2, "action": "merge", "incidents": [first], "into": second}
    notices = desk.take(merge)
    assert [(notice.event, notice.incident) for notice in notices] == [("merged", first), ("worse", second)]
    assert notices[0].into == second
    assert seen(desk.take({"kind": "feedback", "id": "u", "at": 1e9 + 3, "action": "undo", "feedback": "f"})) == [
        "reopened"
    ]


def stream() -> Iterator[Event]:
    yield from (raw | {"scope": "s"} for raw, _ in simulate("hidden_outage", 3, alerts=600))
    yield {"kind": "tick", "at": 2e9}


def test_a_restart_after_any_event_changes_no_notice() -> None:
    """What was announced is kept with what was decided: nothing is said twice, nothing is lost."""
    events = list(stream())
    whole = play(events)
    desk, found = Desk(), []
    for number, raw in enumerate(events):
        found += desk.take(raw)
        if number % 7 == 0:
            desk.commit()
            desk.restart()
    assert found == whole
    assert len({notice.id for notice in whole}) == len(whole)


def test_what_is_kept_is_what_was_said() -> None:
    """A notice survives its row."""
    for notice in play(stream()):
        assert Notice.of(orjson.loads(orjson.dumps(notice.row()))) == notice


# -- who hears what


def test_who_hears_of_an_incident_hears_all_of_it_from_there_on() -> None:
    """What made it bad enough opens it, for this subscription; then its end is heard too."""
    key = {"dedup_key": "k"}
    notices = play(
        [
            alert("a", 1e9, "a", severity="warning", **key),
            alert("b", 1e9 + 1, "a", severity="critical", **key),
            alert("r", 1e9 + 2, "a", status="resolved", **key),
        ]
    )
    assert seen(notices) == ["opened", "worse", "resolved"]
    some = [heard for notice in notices if (heard := Filter(severity=Severity.ERROR).heard(notice))]
    assert seen(some) == ["opened", "resolved"]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["info", "warning", "error", "critical", None])), max_size=30
    )
)
def test_every_subscription_hears_a_beginning_before_an_end(steps: list[tuple[str, str | None]]) -> None:
    """Whatever comes: what is first heard of an incident opens it, and what was opened is heard to end."""
    desk = Desk("service=600s")
    notices: list[Notice] = []
    for number, (service, severity) in enumerate(steps):
        notices += desk.take(alert(f"a{number}", 1e9 + number, service, f"C{number % 3}", severity=severity))
    for number, incident in enumerate({notice.incident: None for notice in notices}):
        event = {"kind": "feedback", "id": f"f{number}", "at": 1e9 + 99, "action": "resolve", "incident": incident}
        notices += desk.take(event)
    for least in (None, *Severity):
        heard = [one for notice in notices if (one := Filter(severity=least).heard(notice))]
        for incident in {one.incident for one in heard}:
            events = [one.event for one in heard if one.incident == incident]
            assert (events[0], events[-1]) == (Happening.OPENED, Happening.RESOLVED)


SCOPES = [
    ((), "shop", True),
    (("shop",), "shop", True),
    (("shop",), "shop2", False),
    (("sh*", "x"), "shop2", True),
    (("*",), "", True),
]


@pytest.mark.parametrize(("patterns", "scope", "heard"), SCOPES)
def test_scopes_by_name_or_beginning(patterns: tuple[str, ...], scope: str, heard: bool) -> None:
    """A name, or the beginning of one with a star behind it."""
    (notice,) = play([alert("a", 1e9, "a", scope=scope or "default")])
    assert (Filter(scopes=patterns).heard(notice) is not None) is heard


# -- shapes


TARGET = Target("ops", routing_key="R" * 32, link="https://g.example/{scope}/{incident}")


def life() -> list[Notice]:
    """Everything that can happen, in one incident and a merged one."""
    desk = Desk()
    notices = desk.take(alert("a", 1e9, "web", severity="warning", host="web-1", dedup_key="k"))
    incident = notices[0].incident
    notices += desk.take(alert("b", 1e9 + 1, "bank", "ProbeFailed", severity="critical"))
    notices += desk.take(alert("x", 1e9 + 2, "web", status="acknowledged", dedup_key="k"))
    notices += desk.take(alert("c", 1e9 + 5000, "web", severity="warning"))
    other = notices[-1].incident
    notices += desk.take({"kind": "feedback", "id": "m", "action": "merge", "incidents": [other], "into": incident})
    notices += desk.take({"kind": "feedback", "id": "f", "action": "resolve", "incident": incident})
    notices += desk.take({"kind": "feedback", "id": "u", "action": "undo", "feedback": "f"})
    return notices


def bodies(shape: str, notices: Iterable[Notice], target: Target = TARGET) -> list[Any]:
    return [orjson.loads(body) for notice in notices for body in SHAPES[shape](notice, target)]


def test_the_life_covers_all_but_worse() -> None:
    assert {*seen(life()), "worse"} == {str(one) for one in Happening}


def test_pagerduty_takes_what_we_send() -> None:
    """Our own door, held to PagerDuty's rules, reads it: the keys that were opened are acknowledged and resolved."""
    notices = [notice for notice in life() if notice.event in ("opened", "departs", "acknowledged", "resolved")]
    first = [notice for notice in notices if notice.incident == notices[0].incident]
    sent = bodies("pagerduty", first)
    translate = formats_of({})["pagerduty"]
    events = [event for body in sent for event in translate(orjson.dumps(body), {}, 1e9)]
    assert [isinstance(event, dict) for event in events] == [True] * len(events)
    incident = first[0].incident
    actions = [(body["event_action"], body["dedup_key"]) for body in sent]
    assert actions == [
        ("trigger", incident),
        ("trigger", f"{incident}/1"),
        ("acknowledge", incident),
        ("acknowledge", f"{incident}/1"),
        ("resolve", incident),
        ("resolve", f"{incident}/1"),
    ]
    assert {body["routing_key"] for body in sent} == {"R" * 32}
    assert "ProbeFailed at bank" in sent[1]["payload"]["summary"]


def test_alertmanager_webhooks_are_read_as_such() -> None:
    """Our own door for Alertmanager's webhook reads it; what departs is an alert of its own."""
    notices = life()
    translate = formats_of({})["alertmanager"]
    for body in bodies("alertmanager", notices):
        assert body["version"] == "4"
        events = translate(orjson.dumps(body), {}, 1e9)
        assert [isinstance(event, dict) for event in events] == [True] * len(body["alerts"])
    opened, departs, *_ = bodies("alertmanager", notices)
    assert (len(opened["alerts"]), len(departs["alerts"])) == (1, 2)
    assert opened["alerts"][0]["fingerprint"] == departs["alerts"][0]["fingerprint"]
    assert departs["alerts"][1]["labels"]["alertname"] == "ProbeFailed"
    assert departs["alerts"][0]["startsAt"].startswith("2001-09-09T01:46:4")
    assert bodies("alertmanager", [one for one in notices if one.event == "resolved"])[0]["status"] == "resolved"


def test_what_alertmanager_s_receivers_are_told_to_fire_ends() -> None:
    """Each alert of each group, also the departing ones, also of an incident that was merged; with the start it had."""
    desk = Desk()
    services = [alert(f"a{n}", 1e9 + n, "web") for n in range(30)]
    storm = [*services, *(alert(f"d{n}", 1e9 + 100 + 100 * n, f"other{n}", f"Other{n}") for n in range(3))]
    notices = [notice for event in storm for notice in desk.take(event)]
    desk.commit()
    desk.restart()
    (incident,) = {notice.incident for notice in notices}
    assert seen(notices) == ["opened", "departs", "departs"]
    notices += desk.take(alert("z", 1e9 + 9000, "far"))
    target = notices[-1].incident
    assert target != incident
    notices += desk.take({"kind": "feedback", "id": "m", "action": "merge", "incidents": [incident], "into": target})
    notices += desk.take({"kind": "feedback", "id": "f", "action": "resolve", "incident": target})
    firing: dict[str, tuple[str, dict[str, str]]] = {}
    ended = 0
    for body in bodies("alertmanager", map(Notice.of, [notice.row() for notice in notices])):
        for one in body["alerts"]:
            start, labels = firing.get(one["fingerprint"], (one["startsAt"], one["labels"]))
            assert (one["startsAt"], one["labels"]) == (start, labels)
            if one["status"] == "firing":
                firing[one["fingerprint"]] = start, labels
            else:
                assert one["endsAt"] >= start
                del firing[one["fingerprint"]]
                ended += 1
    assert firing == {}
    assert ended == 2 + sum(len(notice.departing) for notice in notices) == 5


class Kept:
    """What Alertmanager has of what it was sent: alerts by all of their labels."""

    def __init__(self) -> None:
        self.alerts: dict[str, dict[str, Any]] = {}

    def take(self, alerts: list[dict[str, Any]]) -> None:
        for one in alerts:
            assert one["startsAt"] <= one["endsAt"]
            assert all(one["labels"].values())
            self.alerts[str(sorted(one["labels"].items()))] = one

    def firing(self) -> list[dict[str, Any]]:
        return [one for one in self.alerts.values() if one["endsAt"] == LAST]


def test_alertmanager_itself_has_each_incident_once_with_its_severity_and_its_end() -> None:
    """Whatever is told: one alert that fires for each open incident, as bad as was announced; none when all is over."""
    for least in (None, Severity.ERROR):
        kept, bad = Kept(), {"warning": 0, "critical": 0}
        for notice in [*life(), *life_of_growing()]:
            heard = Filter((), least).heard(notice)
            if heard is None:
                continue
            for body in bodies("prometheus", [heard]):
                kept.take(body)
            whole = [one["labels"] for one in kept.firing() if one["labels"]["alertname"] == "Incident"]
            assert max(Counter(one["incident"] for one in whole).values(), default=0) <= 1
            for one in whole:
                bad[one["severity"]] = bad.get(one["severity"], 0) + (one["incident"] == notice.incident)
            if notice.event in ("resolved", "merged"):
                assert [one for one in kept.firing() if one["labels"]["incident"] == notice.incident] == []
        assert (bad["warning"] > 0, bad["critical"] > 0) == (least is None, True)


def life_of_growing() -> list[Notice]:
    """An incident of which nothing is known first gets worse in steps, is resolved, comes back, and goes."""
    desk, notices = Desk("service=600s"), []
    for number, severity in enumerate(("info", "warning", None, "error", "critical")):
        notices += desk.take(alert(f"g{number}", 1e9 + number, "shop", severity=severity))
    end = {"kind": "feedback", "action": "resolve", "incident": notices[0].incident}
    notices += desk.take({**end, "id": "f"})
    notices += desk.take({"kind": "feedback", "id": "u", "action": "undo", "feedback": "f"})
    notices += desk.take({**end, "id": "g"})
    assert seen(notices) == ["opened", "worse", "worse", "worse", "resolved", "reopened", "resolved"]
    return notices


def test_what_is_remembered_of_departing_alerts_is_bounded() -> None:
    """The oldest are told to be over instead of being forgotten."""
    storm = [alert(f"a{n}", 1e9 + n, "web") for n in range(30)]
    at = 1e9 + 60
    for burst in range(7):  # each is announced together, when the pause after the one before is over
        for n in range(16):
            at += 0.1
            storm.append(alert(f"d{burst}-{n}", at, f"other{burst}-{n}", f"Other{burst}-{n}"))
        for step in range(2 * 2**burst):
            at += 40.0
            storm.append(alert(f"w{burst}-{step}", at, "web"))
    notices = play(storm)
    told = [one["id"] for notice in notices for one in notice.departing]
    over = [one["id"] for notice in notices for one in notice.over]
    assert over
    assert over == told[: len(told) - DEPARTED]


def test_a_chat_shows_what_alerts_say_and_never_obeys_it() -> None:
    """No mention, no channel call, no hidden link, whatever a title holds."""
    bad = "<!channel> @here <https://evil.example|click> `rm` <@U1> & more"
    (notice,) = play([alert("a", 1e9, "<!here>", summary=bad, host="@all")])
    (body,) = bodies("slack", [notice])
    told = body["text"] + body["attachments"][0]["text"]
    for word in ("<!", "<@", "<https://evil", "@here", "@all", "`"):
        assert word not in told
    assert "&lt;!channel&gt;" in told
    assert f"<https://g.example/s/{notice.incident}|" in told
    assert " 1 alert " in told


def test_the_generic_shape_says_everything() -> None:
    """All that a notice holds, but for how filters count."""
    opened, departs, *_ = bodies("generic", life())
    assert {"id", "seq", "scope", "incident", "event", "at", "title", "alerts", "alert", "severity", "link"} <= set(
        opened
    )
    assert departs["departing"][0]["because"]
    assert departs["was"] == "warning"
    assert not {"rank", "rank_before"} & set(departs)


@pytest.mark.parametrize("shape", sorted(SHAPES))
@given(text=st.text(max_size=1100), name=st.text(min_size=1, max_size=40))
def test_every_shape_bears_every_text(shape: str, text: str, name: str) -> None:
    """Titles and names of any characters become JSON of bounded size."""
    try:
        notices = play([alert("a", 1e9, name, summary=text + "x", scope=name), alert("b", 1e9, "b", "B", scope=name)])
    except ValueError:  # refused at the door
        return
    for notice in notices:
        for body in SHAPES[shape](notice, TARGET):
            orjson.loads(body)
            assert len(body) < 64_000


# -- signatures


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the published example
OTHER = "whsec_" + b64encode(b"k" * 32).decode()


def test_the_published_example() -> None:
    """Standard Webhooks' own: id, time, body and secret give this signature."""
    found = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [key_of(SECRET)])
    assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_the_documentation_says_verifies() -> None:
    """The code in docs/notifications.md, as it stands there."""
    page = (Path(__file__).parent.parent / "docs" / "notifications.md").read_text()
    names: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], names)
    at = int(time())
    assert names["verify"](headers("n-1", at, b"{}", [key_of(SECRET), key_of(OTHER)]), b"{}", OTHER)
    assert not names["verify"](headers("n-1", at, b"{}", [key_of(SECRET)]), b"{}", OTHER)
    assert not names["verify"](headers("n-1", at, b"{}", [key_of(SECRET)]), b"[]", SECRET)
    assert not names["verify"](headers("n-1", at - 999, b"{}", [key_of(SECRET)]), b"{}", SECRET)


def test_the_documentation_names_every_event_and_shape() -> None:
    page = (Path(__file__).parent.parent / "docs" / "notifications.md").read_text()
    assert [word for word in (*Happening, *SHAPES) if f"`{word}`" not in page and f"**{word}**" not in page] == []


def test_while_a_secret_is_exchanged_either_verifies() -> None:
    """Signed with both; the old one is then taken away."""
    both = headers("n-1", 1000, b"{}", [key_of(SECRET), key_of(OTHER)])
    for secret in (SECRET, OTHER):
        verify(both, b"{}", [key_of(secret)], 1000.0)
    with pytest.raises(BadSignature):
        verify(headers("n-1", 1000, b"{}", [key_of(SECRET)]), b"{}", [key_of(OTHER)], 1000.0)


FORGED = {
    "another body": ({}, b"[]", 1000.0),
    "another id": ({"webhook-id": "n-2"}, b"{}", 1000.0),
    "another time": ({"webhook-timestamp": "1001"}, b"{}", 1000.0),
    "too old": ({}, b"{}", 1301.0),
    "from the future": ({}, b"{}", 699.0),
    "not a time": ({"webhook-timestamp": "soon"}, b"{}", 1000.0),
    "no signature": ({"webhook-signature": ""}, b"{}", 1000.0),
}


@pytest.mark.parametrize("case", FORGED)
def test_what_was_changed_does_not_verify(case: str) -> None:
    changed, body, now = FORGED[case]
    with pytest.raises(BadSignature):
        verify(headers("n-1", 1000, b"{}", [key_of(SECRET)]) | changed, body, [key_of(SECRET)], now)


@pytest.mark.parametrize("secret", ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!", "whsec_c2hvcnQ="])
def test_a_weak_secret_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(BadSecret) as error:
        key_of(secret)
    assert not secret.removeprefix("whsec_") or secret.removeprefix("whsec_") not in str(error.value)
