"""A decision can be explained: what it adds up from is what was scored, and the words say what settled it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from grouping.__main__ import main
from grouping.config import Config
from grouping.emit import emit
from grouping.engine import Engine
from grouping.explain import added_up
from grouping.parse import parse
from grouping.records import Decision, Feedback, Reason, Verb
from grouping.state import unpack
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


@pytest.mark.parametrize("policy", ["default", "learned(service~5s)", "linear(*~2s)"])
def test_contributions_are_the_score_to_the_last_bit(policy: str) -> None:
    _, decisions = story(policy)
    scored = [decision for decision in decisions if decision.choice is not None]
    assert len(scored) > 500
    for decision in scored:
        line: dict[str, Any] = orjson.loads(emit(1, decision))
        assert added_up(line["why"]) == line["score"]


def test_words_and_numbers_of_every_decision() -> None:
    """Every stored decision is explained; what settled it agrees with its reason, and a lesson is named with its giver."""
    engine, decisions = story("default")
    views = Views(engine.config, unpack(engine.snapshot()))
    settled = set()
    for decision in decisions:
        found = views.explanation(decision.scope, decision.alert)
        if decision.choice is None:
            continue
        assert found is not None
        settled.add(found["ruled"])
        assert found["score"] == decision.score == added_up(found["why"])
        assert found["words"]
        if decision.reason is Reason.TOLD:
            assert "f1 by ana said that these" in found["words"]
        if decision.runner_up is not None and found["runner_up"] is not None:
            assert found["runner_up"]["incident"] == decision.runner_up[0]
            assert found["margin"] == decision.score - decision.runner_up[1]
    assert settled >= {"rule", "lesson", "no choice"}


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
    unknown = cli.invoke(main, ["explain", "a3", "--state", str(state)])
    assert unknown.exit_code == 2
    assert "no such alert or decision" in unknown.output
    as_json = cli.invoke(main, ["explain", "a2", "--state", str(state), "--json"])
    assert (
        orjson.loads(as_json.output)["incident"]
        == orjson.loads((tmp_path / "out.jsonl").read_bytes().splitlines()[0])["incident"]
    )
