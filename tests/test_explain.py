"""A decision can be explained: what it adds up from is what was scored, and the words say what settled it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from grouping.__main__ import main
from grouping.config import Config
from grouping.emit import emit
from grouping.engine import Engine
from grouping.keyspace import unpack
from grouping.parse import parse
from grouping.records import Action, Decision, Feedback, Reason, Verb
from grouping.views import Views

DATA = Path(__file__).parent.parent / "data"


def story(policy: str) -> tuple[Engine, list[Decision]]:
    """A storm of two faults in which somebody splits an incident, and goes on."""
    engine = Engine(Config(policy=policy))
    decisions: list[Decision] = []
    with gzip.open(DATA / "two_faults.jsonl.gz") as lines:
        events = [parse(raw) for raw in lines]
    late = max(event.at or 0.0 for event in events) + 1e6
    for day in range(2):
        for gap, service in enumerate(("front", "back")):
            alert = {
                "id": f"{service}{day}",
                "at": late + 86_400 * day + gap,
                "scope": events[0].scope,
                "service": service,
            }
            events.append(parse(orjson.dumps({"kind": "alert", "summary": f"{service} is down", **alert})))
        if not day:
            events.append(Feedback("f1", None, events[0].scope, "ana", Verb.MOVE, alerts=("back0",)))
    for event in events:
        decisions += [output for output in engine.step(event) if isinstance(output, Decision)]
    return engine, decisions


POLICIES = [
    "default",
    "learned(service~5s)",
    "linear(*~2s)",
    "linear(service~5s)",
    "service=300s",
    "service~5s",
    "host=2s",
    "kin~1-4s",
]


def added_up(parts: dict[str, float]) -> float:
    """The score that contributions give, in order and single precision."""
    total = np.float32(0)
    for part in parts.values():
        total += np.float32(part)
    return float(total)


RULES = [name for name in POLICIES if name != "default" and not name.startswith("linear")]


@pytest.mark.parametrize("policy", POLICIES)
def test_contributions_are_the_score_to_the_last_bit(policy: str) -> None:
    _, decisions = story(policy)
    scored = [decision for decision in decisions if decision.choice is not None]
    assert len(scored) > 500
    for decision in scored:
        line: dict[str, Any] = orjson.loads(emit(1, decision))
        assert added_up(line["why"]) == line["score"]


@pytest.mark.parametrize("policy", POLICIES)
def test_words_and_numbers_of_every_decision(policy: str) -> None:
    """Every stored decision is explained: what settled it is a lesson where one did, else what the policy decides by."""
    engine, decisions = story(policy)
    views = Views(engine.config, unpack(engine.snapshot()))
    settled = set()
    for decision in decisions:
        found = views.explanation(decision.scope, decision.alert)
        if decision.choice is None:
            continue
        assert found is not None
        settled.add(found["ruled"])
        assert found["score"] == decision.score == added_up(found["why"])
        assert found["incident"] == decision.incident
        assert (found["ruled"] == "lesson") == (decision.reason is Reason.TOLD)
        if decision.reason is Reason.TOLD:
            assert "f1 by ana said that these" in found["words"]
        if decision.runner_up is not None and found["runner_up"] is not None:
            assert found["runner_up"]["incident"] == decision.runner_up[0]
            assert found["margin"] == decision.score - decision.runner_up[1]
        if found["ruled"] in ("rule", "score"):
            by_rule = not decision.choice.policy.startswith("linear") and decision.choice.policy != "default"
            assert found["ruled"] == ("rule" if by_rule else "score")
    assert settled >= {"no choice", "rule" if policy in RULES else "score"}
    assert ("lesson" in settled) == (policy not in ("service=300s", "service~5s", "learned(service~5s)", "host=2s"))


@pytest.mark.parametrize("policy", POLICIES)
def test_the_silence_that_is_named_agrees_with_the_action(policy: str) -> None:
    """A rule names the silence that it allows, a score the one at which it turns: joined within it, opened beyond."""
    engine, decisions = story(policy)
    views = Views(engine.config, unpack(engine.snapshot()))
    named = 0
    for decision in decisions:
        found = views.explanation(decision.scope, decision.alert)
        if found is None or not found["silence"] or decision.reason is not Reason.BEST_SCORE or found["told"]:
            continue
        if any(said in found["words"] for said in ("could take it", "is unknown", "too long ago to be looked at")):
            assert decision.action is Action.OPEN
            continue
        assert (found["silence"] <= found["limit"]) == (decision.action is Action.JOIN)
        assert ("allowed (" in found["words"]) == (found["ruled"] == "rule")
        assert ("the score takes alerts up to" in found["words"]) == (found["ruled"] == "score")
        named += 1
    assert named > 300


def grouped(config: Config, *alerts: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    """Plays alerts of a scope; what it gives explains one of them."""
    engine = Engine(config)
    for alert in alerts:
        engine.step(parse(orjson.dumps({"kind": "alert", "summary": "disk full", **alert})))
    views = Views(config, unpack(engine.snapshot()))

    def explained(id: str) -> dict[str, Any]:
        found = views.explanation("default", id)
        assert found is not None
        return found

    return explained


def every(gap: float, count: int) -> list[dict[str, Any]]:
    return [{"id": f"a{number}", "at": 1e6 + gap * number, "service": "db"} for number in range(count)]


@pytest.mark.parametrize("policy", ["service=300s", "learned(service=300s)", "linear(service=300s)"])
@pytest.mark.parametrize(
    ("settings", "alerts", "opened", "why", "said"),
    [
        ({"size_max": 3}, every(1.0, 4), "a3", "full", "1 s away, is full (size_max)"),
        ({"age_max_s": 60.0}, every(20.0, 5), "a4", "old", "20 s away, began too long ago (age_max_s)"),
    ],
)
def test_a_bound_that_kept_an_alert_out_is_named(
    policy: str, settings: dict[str, Any], alerts: list[dict[str, Any]], opened: str, why: str, said: str
) -> None:
    """The incident that the alert would have joined, and which bound it has reached; joins before it do not speak of it."""
    explained = grouped(Config(policy=policy, **settings), *alerts)
    first, found = explained("a0"), explained(opened)
    assert (found["ruled"], found["action"]) == ("cap", "open")
    assert found["left_out"]["incident"] == first["incident"]
    assert found["left_out"]["why"] == why
    assert f"{first['incident']}, the latest with the same service, {said}" in found["words"]
    assert explained("a1")["left_out"] is None


def test_a_bound_is_not_blamed_where_the_rule_would_have_opened_too() -> None:
    explained = grouped(
        Config(policy="service=5s", size_max=3), *every(1.0, 3), {"id": "b", "at": 1e6 + 50, "service": "db"}
    )
    found = explained("b")
    assert found["left_out"]["why"] == "full"
    assert found["ruled"] == "no choice"


def test_an_incident_out_of_the_window_is_named_where_the_rule_would_have_waited() -> None:
    alerts = [*every(1.0, 2), {"id": "b", "at": 1e6 + 320, "service": "db"}]
    found = grouped(Config(policy="service=600s"), *alerts)("b")
    assert (found["ruled"], found["left_out"]["why"]) == ("window", "silent")
    assert "had its last alert too long ago to be looked at" in found["words"]


def test_the_line_of_a_decision_says_what_was_left_out() -> None:
    engine = Engine(Config(policy="service=300s", size_max=2))
    lines = []
    for alert in every(1.0, 3):
        outputs = engine.step(parse(orjson.dumps({"kind": "alert", "summary": "disk full", **alert})))
        lines += [orjson.loads(emit(1, output)) for output in outputs if isinstance(output, Decision)]
    assert [line.get("left_out") for line in lines] == [None, None, {"incident": lines[0]["incident"], "why": "full"}]


def test_a_key_that_is_unknown_is_named() -> None:
    explained = grouped(Config(policy="host=300s"), *every(1.0, 2))
    assert "its host is unknown" in explained("a1")["words"]


def test_kinds_that_are_seen_together_are_told() -> None:
    """The counts are those from before the alert; a kind does not speak for itself."""
    pairs = [{"id": f"a{number}", "at": 1e6 + number, "service": ("web", "db")[number % 2]} for number in range(30)]
    explained = grouped(Config(policy="*=60s"), *pairs)
    assert explained("a29")["together"] == [28, 14]
    assert (
        "usually seen together (next to each other 28 times; the rarer was seen 14 times)" in explained("a29")["words"]
    )
    assert grouped(Config(policy="*=60s"), *every(1.0, 30))("a29")["together"] is None


def test_the_command_takes_alerts_and_decisions(tmp_path: Path) -> None:
    events, state = tmp_path / "e.jsonl", tmp_path / "state"
    lines = [
        b'{"kind":"alert","id":"a1","at":0,"service":"db","summary":"disk full on db-1"}\n',
        b'{"kind":"alert","id":"a2","at":1,"service":"db","summary":"disk full on db-2"}\n',
    ]
    events.write_bytes(b"".join(lines))
    cli = CliRunner()
    done = cli.invoke(main, ["replay", str(events), "--state", str(state), "--out", str(tmp_path / "out.jsonl")])
    assert done.exit_code == 0
    decision = orjson.loads((tmp_path / "out.jsonl").read_bytes().splitlines()[-1])["decision"]
    by_alert = cli.invoke(main, ["explain", "a2", "--state", str(state)])
    by_decision = cli.invoke(main, ["explain", decision, "--state", str(state)])
    assert by_alert.exit_code == 0
    assert by_alert.output == by_decision.output
    assert "same service and kind of title; the latest incident of all, 1 s after its last alert" in by_alert.output
    assert "1.34 s (default); 0.27 ahead of opening a new incident" in by_alert.output
    assert "next best      +0.000000  opening a new incident, 0.268665 behind" in by_alert.output
    unknown = cli.invoke(main, ["explain", "a3", "--state", str(state)])
    assert unknown.exit_code == 2
    assert "no such alert or decision" in unknown.output
    as_json = cli.invoke(main, ["explain", "a2", "--state", str(state), "--json"])
    assert (
        orjson.loads(as_json.output)["incident"]
        == orjson.loads((tmp_path / "out.jsonl").read_bytes().splitlines()[0])["incident"]
    )


def test_a_repeat_is_explained_by_what_it_repeats(tmp_path: Path) -> None:
    """By its own id and by that of its decision; nothing but the output line is kept of it."""
    events, state, out = tmp_path / "e.jsonl", tmp_path / "state", tmp_path / "out.jsonl"
    alert = b'{"kind":"alert","id":"a%d","at":%d,"dedup_key":"db/disk","service":"db","summary":"disk full"}\n'
    events.write_bytes(alert % (1, 0) + alert % (2, 5))
    cli = CliRunner()
    assert cli.invoke(main, ["replay", str(events), "--state", str(state), "--out", str(out)]).exit_code == 0
    line = orjson.loads(out.read_bytes().splitlines()[-1])
    assert (line["action"], line["repeats"]) == ("duplicate", "a1")
    by_alert = cli.invoke(main, ["explain", "a2", "--state", str(state)])
    by_decision = cli.invoke(main, ["explain", line["decision"], "--state", str(state)])
    assert by_alert.exit_code == 0
    assert by_alert.output == by_decision.output
    assert f"A repeat of a1, which was open in {line['incident']}" in by_alert.output
    other = cli.invoke(main, ["explain", "a2", "--state", str(state), "--scope", "shop"])
    assert other.exit_code == 2


def test_what_people_kept_an_alert_out_of_may_have_been_the_latest() -> None:
    """The first steps of docs/start.md: the database's next alert passes over the web's incident, which is the latest."""
    engine = Engine(Config())
    alerts = [("a1", 0.0, "db"), ("a2", 0.4, "db"), ("a3", 0.9, "web"), ("a4", 1.5, "db"), ("a5", 1.8, "db")]
    for id, at, service in alerts:
        raw = {"kind": "alert", "id": id, "at": 1e6 + at, "service": service, "summary": f"{service} is down"}
        engine.step(parse(orjson.dumps(raw)))
        if id == "a3":
            engine.step(Feedback("f1", None, "default", "ana", Verb.MOVE, alerts=("a3",)))
    views = Views(Config(), unpack(engine.snapshot()))
    passed_over, own = (views.explanation("default", id) for id in ("a4", "a5"))
    assert passed_over is not None
    assert own is not None
    assert passed_over["ruled"] == "lesson"
    assert (
        "; the latest incident of all, but for what people kept it out of, 1.1 s after its last" in passed_over["words"]
    )
    assert "; the latest incident of all, 0.3 s after its last" in own["words"]
