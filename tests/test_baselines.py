"""Baselines: what the documents of others say they do, on alerts one can count on one hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from benchmarks.baselines.alertmanager import Alertmanager
from benchmarks.baselines.base import Grouper, grouped
from benchmarks.baselines.learners import CHOOSERS, Taught
from benchmarks.baselines.newrelic import Decisions
from benchmarks.baselines.pagerduty import TitleSimilarity
from benchmarks.baselines.rules import key_silence, rule
from benchmarks.baselines.streams import dbstream, drain, textclust
from grouping import Config, Engine, parse
from grouping.memory import Memory
from grouping.records import Alert, Decision
from grouping.simulate import simulate


def _alert(id: str, at: float, summary: str = "", **fields: Any) -> Alert:
    event = {"kind": "alert", "id": id, "at": 1e9 + at, "scope": "shop", "summary": summary or id} | fields
    made = parse(orjson.dumps(event))
    assert isinstance(made, Alert)
    return made


def _together(make: Callable[[], Grouper], *alerts: Alert) -> str:
    """The incidents, as letters: "aab" = the first two together, the third alone."""
    letters: dict[str, str] = {}
    return "".join(letters.setdefault(label, "abcdefgh"[len(letters)]) for _, label in grouped(make, alerts))


@pytest.mark.parametrize(
    "policy",
    [
        "*=30s",
        "*=300s",
        "service=300s",
        "service+class=60s",
        "details.region=120s",
        "*~2s",
        "service~5s",
        "host~5-120s",
    ],
)
@pytest.mark.parametrize("workload", ["demo", "flapping", "hidden_outage", "noise", "templated"])
def test_rules_in_plain_python_agree_with_the_engine(policy: str, workload: str) -> None:
    """Alert for alert, the same incidents as a rule policy of the engine makes."""
    alerts = [event for raw, _ in simulate(workload, 1) if isinstance(event := parse(orjson.dumps(raw)), Alert)]
    alerts.sort(key=lambda alert: alert.at or 0.0)  # late alerts are judged at their own time by the engine alone
    engine = Engine(Config(policy=policy))
    ours = [(one.alert, one.incident) for alert in alerts for one in engine.step(alert) if isinstance(one, Decision)]
    theirs = grouped(lambda: rule(policy), alerts)
    assert [alert for alert, _ in ours] == [alert for alert, _ in theirs]
    pairs = {(mine, other) for (_, mine), (_, other) in zip(ours, theirs, strict=True)}
    assert len(pairs) == len({mine for mine, _ in pairs}) == len({other for _, other in pairs})


def test_a_missing_field_equals_nothing_for_a_rule_and_everything_for_alertmanager() -> None:
    """As dispatch.go leaves the label out of the group's labels."""
    alerts = [_alert("1", 0.0), _alert("2", 1.0), _alert("3", 2.0, service="web")]
    assert _together(lambda: key_silence("service", silence=300.0), *alerts) == "abc"
    assert _together(lambda: Alertmanager("service"), *alerts) == "aab"


def test_alertmanager_ends_a_group_when_its_alerts_end() -> None:
    """Resent alerts live on, others end after the resolve timeout; resolved ones at once."""
    key = {"service": "web", "dedup_key": "k"}
    resent = [_alert("1", 0.0, **key), _alert("2", 200.0, **key), _alert("3", 450.0, service="web")]
    assert _together(lambda: Alertmanager("service"), *resent) == "aaa"
    assert _together(lambda: Alertmanager("service"), resent[0], resent[2]) == "ab"
    over = [_alert("1", 0.0, **key), _alert("2", 9.0, status="resolved", **key), _alert("3", 10.0, service="web")]
    assert _together(lambda: Alertmanager("service"), *over) == "ab"


def test_pagerduty_groups_as_its_own_examples_say() -> None:
    """From its blog: another threshold goes with it, another server and region does not."""
    titles = ("memory usage on host is high (>90%)", "memory usage on host is high (>95%)")
    assert _together(TitleSimilarity, *(_alert(title, 0.0, title, service="db") for title in titles)) == "aa"
    titles = (
        "memory usage high (>90%) on server db-7 in region eu-1",
        "memory usage high (>95%) on server web-3 in region us-2",
    )
    assert _together(TitleSimilarity, *(_alert(title, 0.0, title, service="db") for title in titles)) == "ab"


def test_pagerduty_rolls_its_window_within_a_service() -> None:
    """300 s from the last alert that was grouped; never across services."""
    times = (0.0, 290.0, 580.0, 881.0)
    assert _together(TitleSimilarity, *(_alert(f"{at}", at, "disk full", service="db") for at in times)) == "aaab"
    other = _alert("2", 1.0, "disk full", service="web")
    assert _together(TitleSimilarity, _alert("1", 0.0, "disk full", service="db"), other) == "ab"


def test_new_relic_merges_what_a_third_alert_connects() -> None:
    """A goes with B and B with C: one issue, although A and C share nothing and were apart before."""
    one = _alert("1", 0.0, service="web", class_="Slow")
    two = _alert("2", 5.0, service="db", class_="Full")
    three = _alert("3", 9.0, service="web", host="h", **{"class": "Full"})
    two = _alert("2", 5.0, service="db", **{"class": "Full"})
    assert _together(Decisions, one, two) == "ab"
    assert _together(Decisions, one, two, three) == "aaa"
    assert _together(Decisions, one, _alert("4", 1201.0, service="web")) == "ab"


def test_the_door_takes_repeats_resends_and_resolves_as_the_engine_does() -> None:
    """An id twice: nothing; an open dedup key: its incident, however long ago; nothing joins a closed one."""
    key = {"service": "web", "dedup_key": "k"}
    alerts = [
        _alert("1", 0.0, **key),
        _alert("1", 0.0, **key),
        _alert("2", 5000.0, **key),
        _alert("3", 5001.0, status="resolved", **key),
        _alert("4", 5002.0, **key),
    ]
    assert grouped(lambda: key_silence("service", silence=9e9), alerts) == [
        ("1", "shop/1"),
        ("2", "shop/1"),
        ("4", "shop/4"),
    ]


def test_stream_clusterers_tell_titles_or_fields_apart() -> None:
    """Drain3 and TextClust by title, DBSTREAM by service, host and class."""
    pytest.importorskip("drain3")
    one = _alert("1", 0.0, "disk of node full", service="db", host="a", **{"class": "Disk"})
    like = _alert("2", 1.0, "disk of node full", service="db", host="b", **{"class": "Disk"})
    other = _alert("3", 2.0, "payments cannot reach bank", service="pay", host="c", **{"class": "Bank"})
    again = _alert("4", 900.0, "disk of node full", service="db", host="a", **{"class": "Disk"})
    for make in (drain, textclust, dbstream):
        assert _together(make, one, like, other, again) == "aabc", make.__name__


@pytest.mark.parametrize("name", ["VowpalWabbit", "river LogisticRegression", "river HoeffdingAdaptiveTree"])
def test_learners_of_others_learn_from_corrections_in_the_engine(name: str) -> None:
    """A responder moves every alert of the back end out of the front end's incident: after a while none needs it."""
    if name == "VowpalWabbit":
        pytest.importorskip("vowpalwabbit")
    engine = Taught(CHOOSERS[name], Config(policy="*=300s"))
    mixed: list[bool] = []
    inside: dict[str, str] = {}  # incident -> service of its first alert
    for number in range(400):
        service = ("front", "back")[number % 2]
        alert = _alert(f"a{number}", 5.0 * number, f"{service} is down", service=service)
        incident = next(one.incident for one in engine.step(alert) if isinstance(one, Decision))
        mixed.append(inside.setdefault(incident, service) != service)
        if not mixed[-1]:
            said = {"action": "confirm", "incident": incident}
        else:
            right = [one for one, whose in inside.items() if whose == service]
            said = {"action": "move", "alerts": [alert.id], "into": right[-1] if right else None}
        event = {"kind": "feedback", "id": f"f{number}", "at": 1e9 + 5.0 * number, "scope": "shop", **said}
        for output in engine.step(parse(orjson.dumps(event))):
            if said.get("into", "") is None and hasattr(output, "into"):
                inside[output.into] = service
        engine.engine.state.scope("shop").memory = Memory()  # its own lessons, which hold from the first correction on
    assert sum(mixed[:50]) >= 20
    assert sum(mixed[-100:]) <= 10
