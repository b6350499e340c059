"""Somebody merges everything, and all of it is undone: from then on it is decided as if nobody had been there."""

from __future__ import annotations

import orjson
import pytest

from benchmarks import robustness, tables
from benchmarks.attacker import Attacker, attacked
from benchmarks.streams import sources
from grouping import Engine, parse
from grouping.decided import Decided
from grouping.evaluate import Scores, evaluate
from grouping.records import Decision
from grouping.responder import Habits
from grouping.simulate import simulate


def decided(name: str, *, attack: bool) -> tuple[int, list[Decision]]:
    """How many merges there were in the first half, and the decisions of the second."""
    events = [parse(orjson.dumps(event)) for event, _ in simulate(name, seed=1)]
    engine, attacker, decisions = Engine(), Attacker(), list[Decision]()
    half = len(events) // 2
    for number, event in enumerate(events):
        if attack and number == half:
            for undo in attacker.undone():
                engine.step(undo)
        outputs = engine.step(event)
        if number >= half:
            decisions += [line for line in outputs if isinstance(line, Decision)]
        elif attack:
            for said in attacker.answers(event, outputs):
                attacker.heard(said, engine.step(said))
    return len(attacker.given), decisions


@pytest.mark.parametrize(("name", "merges"), [("noise", 100), ("hidden_outage", 1), ("two_faults", 1)])
def test_what_an_attacker_did_leaves_nothing_once_it_is_undone(name: str, merges: int) -> None:
    """Every alert of the second half goes where it would have gone, for the same reason."""
    given, found = decided(name, attack=True)
    _, expected = decided(name, attack=False)
    assert given >= merges
    assert [line[1:5] for line in found] == [line[1:5] for line in expected]


def test_an_attack_is_judged_like_any_play() -> None:
    """One pair for each alert of the stream, with its group; and the merges show in the figures."""
    rows = list(simulate("templated", seed=1))
    events = [parse(orjson.dumps(event)) for event, _ in rows]
    truth = {str(event["id"]): group for event, group in rows}
    pairs = attacked(events, truth, Habits(budget=0), undone=False)
    assert [group for _, group in pairs] == [truth[event.id] for event in events]
    engine, left_alone = Engine(), Decided()
    for event in events:
        left_alone.take(engine.step(event))
    alone = [(name, truth[alert]) for name, alert in zip(left_alone.names, left_alone.alerts, strict=True)]
    assert evaluate(pairs).f1 < evaluate(alone).f1


def test_a_cap_shortens_what_is_played_and_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decisions judged are those of the first events alone, under attack too."""
    source = next(one for one in sources(None) if one.name == "noise")
    judged: list[int] = []

    def counted(pairs: list[Decided], start: int) -> Scores:
        judged.append(len(pairs))
        return evaluate(pairs, start)

    monkeypatch.setattr(robustness, "evaluate", counted)
    for cap in (100, 0):
        for case in ("cold", "attacked"):
            robustness._play(robustness.Job(source, case, 1, cap))
    assert max(judged[:2]) <= 100 < min(judged[2:])
    row = {"name": "noise", "scores": {"cold": 1.0}, "kept": None, "lost": 0.0}
    said = [tables._robustness({"rows": [row], "cap": cap})[-1] for cap in (100, 0)]
    assert "first 100 events" in said[0]
    assert "first" not in said[1]
