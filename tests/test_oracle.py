"""The engine agrees with slow, obvious code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping import Config, Engine, parse
from grouping.arena import Arena
from grouping.featurise import Featuriser
from grouping.layout import (
    FEATURE_NAMES,
    FEATURES,
    MATCH,
    NAMED,
    NAMED_FIELDS,
    PROFILE_ROWS,
    TEMPLATE,
    VALUES,
)
from grouping.policy import RELATIVE
from grouping.records import Alert, Decision, Mode, PolicyEvent
from grouping.template import mask
from tests.logs import logs, some
from tests.oracle import Oracle

RULES = {
    "*=5s": Oracle((), 5.0),
    "service=30s": Oracle(("service",), 30.0),
    "service+host=1s": Oracle(("service", "host"), 1.0),
    "*~1s": Oracle((), 1.0, 30.0, RELATIVE),
    "service~5-20s": Oracle(("service",), 5.0, 20.0, RELATIVE),
    "service+host~0.25s": Oracle(("service", "host"), 0.25, 30.0, RELATIVE),
    "learned(service=30s)": Oracle(("service",), 30.0, open_minded=True),
    "learned(*~1s)": Oracle((), 1.0, 30.0, RELATIVE, open_minded=True),
    "learned(service+host~1-4s)": Oracle(("service", "host"), 1.0, 4.0, RELATIVE, open_minded=True),
}


@st.composite
def paced(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Alerts of few services at a pace that changes: silences on both sides of what relative rules allow."""
    at, events = 1_760_000_000.0, []
    pace = draw(st.sampled_from([0.125, 0.25, 0.5]))
    for number, (service, host, gap) in enumerate(
        draw(st.lists(st.tuples(some(["api", "db"]), some(["h1"]), st.sampled_from(PACES)), min_size=4, max_size=40))
    ):
        at += pace * gap
        event = {"kind": "alert", "id": f"a{number}", "at": at, "service": service, "host": host, "summary": "down"}
        events.append({key: value for key, value in event.items() if value is not None})
    return events


PACES = [0, 1, 1, 1, 2, 3, 10, 13, 19, 20, 21, 39, 40, 41, 60, 79, 81, 119, 121, 300, -1]  # in steps of the pace


@pytest.mark.parametrize("policy", RULES)
@given(log=paced())
@settings(max_examples=100)
def test_rules_agree_with_the_oracle_about_the_pace(policy: str, log: list[dict[str, Any]]) -> None:
    """Same action and same incident, where the limit follows the mean gap of an incident."""
    agree(policy, log, by_event=False)


@pytest.mark.parametrize("policy", RULES)
@pytest.mark.parametrize("by_event", [False, True], ids=["configured", "set"])
@given(log=logs(scopes=["default"], most=60, corrections=False))
@settings(max_examples=50)
def test_rules_agree_with_the_oracle(policy: str, by_event: bool, log: list[dict[str, Any]]) -> None:
    """Same action and same incident for every alert, whether the rule is configured or a person has set it."""
    agree(policy, log, by_event=by_event)


def agree(policy: str, log: list[dict[str, Any]], *, by_event: bool) -> None:
    events = [parse(orjson.dumps(event)) for event in log]
    engine = Engine(Config(policy="default" if by_event else policy, explore=0.0, late_s=604_800.0))
    if by_event:
        engine.step(PolicyEvent("p1", None, "default", Mode.AUTO, policy))
    names: dict[str, str] = {}
    answers: list[tuple[str, str] | None] = []
    for event in events:
        decisions = [output for output in engine.step(event) if isinstance(output, Decision)]
        for decision in decisions:
            names.setdefault(decision.incident, decision.alert)
        answers.append((str(decisions[0].action), names[decisions[0].incident]) if decisions else None)
    oracle = replace(RULES[policy], members=[], resolved=set(), seen=set())
    assert answers == [oracle.answer(event) for event in events]


@given(log=logs(scopes=["default"], most=30, corrections=False))
@settings(max_examples=100)
def test_the_shares_are_those_of_the_incidents_alerts(log: list[dict[str, Any]]) -> None:
    """The logged share features of a join are what counting the incident's alerts gives."""
    engine = Engine(Config(policy="linear(*~5s)", explore=0.0))
    alerts: dict[str, list[Alert]] = {}
    for raw in log:
        event = parse(orjson.dumps(raw))
        for output in engine.step(event):
            if not isinstance(output, Decision) or output.choice is None or not isinstance(event, Alert):
                continue
            seen = np.frombuffer(output.choice.features, np.float32).reshape(FEATURES, -1)
            for place, column in enumerate(output.choice.columns):
                if column:
                    others = alerts[output.choice.actions[column]]
                    for row, name in enumerate(NAMED_FIELDS):
                        assert seen[MATCH + row, place] == pytest.approx(_match(event, others, name))
                    same = sum(mask(other.summary)[0] == mask(event.summary)[0] for other in others)
                    assert seen[TEMPLATE, place] == pytest.approx(2 * same / len(others) - 1)
            alerts.setdefault(output.incident, []).append(event)


def _match(alert: Alert, others: list[Alert], name: str) -> float:
    """Share that agrees minus share that differs; nothing where the alert does not say."""
    field = "class_" if name == "class" else name
    mine = getattr(alert, field)
    if mine is None:
        return 0.0
    theirs = [getattr(other, field) for other in others]
    return float(sum((value == mine) - (value is not None and value != mine) for value in theirs) / len(theirs))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.sets(st.integers(1, 40), min_size=1, max_size=6)), max_size=120),
    st.sets(st.integers(1, 40), min_size=1, max_size=6),
)
def test_the_most_alike_slots_are_found(adds: list[tuple[int, set[int]]], asked: set[int]) -> None:
    """The gather over all slots finds what comparing one by one finds; ties go to the lower slot."""
    arena = Arena()
    contents: dict[int, list[set[int]]] = {}
    for _ in range(31):
        arena.take()
    for slot, rows in adds:
        before = contents.setdefault(slot, [])
        arena.add(slot, np.array(sorted(rows)), float(len(before)))
        arena.describe(slot, 100.0, 100.0, len(before) + 1, 1.0)
        before.append(rows)
    wanted = np.array(sorted(asked))
    found = arena.alike(0.0, wanted, np.zeros(len(wanted), np.intp), np.ones(1, np.float32), 5)
    score = {slot: sum(any(row in one for one in many) for row in asked) for slot, many in contents.items()}
    best = sorted((slot for slot in score if score[slot] > 0), key=lambda slot: (-score[slot], slot))[:5]
    assert found == sorted(best)


def test_features_have_a_name_each() -> None:
    """As many names as rows, none twice."""
    assert len(FEATURE_NAMES) == FEATURES == len(set(FEATURE_NAMES))
    assert len(NAMED_FIELDS) == NAMED
    assert VALUES == NAMED + 1


@given(st.text(min_size=1).filter(lambda text: not text.isspace()))
def test_any_title_can_be_featurised(title: str) -> None:
    """Whatever the title, there are rows for it, all within the profile."""
    alert = parse(orjson.dumps({"kind": "alert", "summary": title}))
    assert isinstance(alert, Alert)
    rows = Featuriser()(alert).rows
    assert rows.min() >= 0
    assert rows.max() < PROFILE_ROWS
