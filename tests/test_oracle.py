"""The engine agrees with slow, obvious code."""

from __future__ import annotations

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
from grouping.records import Alert, Decision
from grouping.template import mask
from tests.logs import logs
from tests.oracle import Oracle


@pytest.mark.parametrize(
    ("policy", "key", "gap"),
    [("*=5s", (), 5.0), ("service=30s", ("service",), 30.0), ("service+host=1s", ("service", "host"), 1.0)],
)
@given(log=logs(scopes=["default"], most=60, corrections=False))
@settings(max_examples=100)
def test_rules_agree_with_the_oracle(policy: str, key: tuple[str, ...], gap: float, log: list[dict[str, Any]]) -> None:
    """Same action and same incident for every alert, under three rules."""
    events = [parse(orjson.dumps(event)) for event in log]
    engine = Engine(Config(policy=policy, late_s=604_800.0))
    names: dict[str, str] = {}
    answers: list[tuple[str, str] | None] = []
    for event in events:
        decisions = [output for output in engine.step(event) if isinstance(output, Decision)]
        for decision in decisions:
            names.setdefault(decision.incident, decision.alert)
        answers.append((str(decisions[0].action), names[decisions[0].incident]) if decisions else None)
    oracle = Oracle(key, gap)
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
    assert VALUES == NAMED + 1


@given(st.text(min_size=1).filter(lambda text: not text.isspace()))
def test_any_title_can_be_featurised(title: str) -> None:
    """Whatever the title, there are rows for it, all within the profile."""
    alert = parse(orjson.dumps({"kind": "alert", "summary": title}))
    assert isinstance(alert, Alert)
    rows = Featuriser()(alert).rows
    assert rows.min() >= 0
    assert rows.max() < PROFILE_ROWS
