"""A rule that a scope found by itself is watched: it goes when it keeps nothing apart any more, or people object."""

from __future__ import annotations

import math
import random
from typing import Any

import orjson
import pytest

from grouping import Engine, guard, parse
from grouping.records import Action, Decision, Feedback, Output, PolicyLine, Verb
from grouping.responder import Habits
from tests.test_promote import lived
from tests.test_tune import Events, T, faults


def renamed(count: int = 100, size: int = 20, tenants: int = 430) -> Events:
    """Tenants fail at the same time, until a new sender writes one and the same name for all of them.

    From then on bursts follow each other, 3.6 s apart.
    """
    before = faults(count=tenants, every=40.0)
    chance, at = random.Random(2), before[-1]["at"] + 600.0
    after: Events = []
    for burst in range(count):
        for number in range(size):
            host = f"h-{burst}-{number}"
            one = {"kind": "alert", "id": f"b{burst}-{number}", "at": at, "group": "everybody", "host": host}
            after.append(one | {"service": chance.choice(["api", "db", "web"]), "summary": f"{host} is slow"})
            at += 0.02
        at += 3.6
    return before + after


def outputs_of(events: Events, restart: int = 0) -> tuple[list[Output], bytes]:
    engine, outputs = Engine(), list[Output]()
    for number, event in enumerate(events):
        outputs += engine.step(parse(orjson.dumps(event)))
        if restart and number % restart == 0:
            engine = Engine.restore(engine.snapshot())
    return outputs, engine.snapshot()


def test_a_rule_that_swallows_everything_is_dropped() -> None:
    """Said with the figures, once; silence decides again, as before the rule; the same with restarts in between."""
    outputs, state = outputs_of(renamed())
    lines = [line for line in outputs if isinstance(line, PolicyLine)]
    assert lines[-2].policy.startswith("learned(group~")
    fallen = lines[-1]
    assert (fallen.why, fallen.policy, fallen.was) == ("rolled_back", "default", lines[-2].policy)
    assert fallen.evidence["alerts"] == guard.WATCHED
    assert fallen.evidence["largest"] > guard.SWALLOWED
    assert fallen.evidence["incidents_by_silence"] >= 40
    where = outputs.index(fallen)
    opened = [
        sum(isinstance(line, Decision) and line.action is Action.OPEN for line in part)
        for part in (outputs[where - 900 : where], outputs[where : where + 900])
    ]
    assert opened[0] <= 3
    assert opened[1] >= 40
    assert outputs_of(renamed(), restart=149) == (outputs, state)


def scattered() -> Events:
    """Tenants fail, until the sender writes another name with every alert: of the pod, and no longer of the tenant."""
    before = faults(count=430, every=40.0)
    start = before[-1]["at"] + 1000.0 - before[0]["at"]
    again = [event | {"id": f"x{number}", "at": start + event["at"]} for number, event in enumerate(before[:3000])]
    return before + [event | {"group": f"{event['group']}-{number:x}"} for number, event in enumerate(again)]


def test_a_rule_under_which_every_alert_is_alone_is_dropped() -> None:
    """Said with the figures, once; silence decides again, and far fewer are opened; the same with restarts in between."""
    outputs, state = outputs_of(scattered())
    lines = [line for line in outputs if isinstance(line, PolicyLine)]
    place = next(place for place, line in enumerate(lines) if line.why == "rolled_back")
    fallen = lines[place]
    assert (fallen.policy, fallen.was) == ("default", lines[place - 1].policy)
    assert fallen.was.startswith("learned(group~")
    assert fallen.evidence["alone"] >= guard.SCATTERED * guard.WATCHED
    assert fallen.evidence["alone_by_silence"] <= guard.WATCHED / 2
    assert not [line for line in lines[place + 1 :] if line.policy.startswith("learned(group")]
    where = outputs.index(fallen)
    opened = [
        sum(isinstance(line, Decision) and line.action is Action.OPEN for line in part)
        for part in (outputs[where - 800 : where], outputs[where : where + 800])
    ]
    assert opened[0] >= 380  # each with the line of its incident
    assert opened[1] <= opened[0] / 2
    assert outputs_of(scattered(), restart=149) == (outputs, state)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("learned(group=30s)", True),
        ("learned(group+service=30s)", True),
        ("learned(service=30s)", False),
        ("learned(details.nothing=30s)", False),  # a field that nobody ever sent
        ("learned(*=30s)", False),
    ],
)
def test_a_promoted_rule_is_watched_too(rule: str, told: bool) -> None:
    """By any fields; where its key is unknown to all, time alone decides, and nothing is torn."""
    engine = Engine()
    last = scattered()[-guard.WATCHED :]
    for event in last:
        engine.step(parse(orjson.dumps(event)))
    evidence = guard.failed(engine.state.scope("default").tuning, rule)
    assert (evidence is not None) == told


def test_a_storm_of_one_fault_drops_nothing() -> None:
    """Where silence would make one incident too, it is one."""
    steady: list[dict[str, Any]] = []
    for number, event in enumerate(event for event in renamed() if event["group"] == "everybody"):
        steady.append(event | {"at": T + 100_000.0 + 0.2 * number})
    outputs, _ = outputs_of(faults(every=40.0) + steady)
    assert [line.why for line in outputs if isinstance(line, PolicyLine) if line.why == "rolled_back"] == []


def objected(restart: int = 0, given: list[Feedback] | None = None) -> tuple[list[Output], bytes]:
    """A rule is found while a responder changes one decision in five; then what it joins has nothing in common.

    Each alert of a tenant is then a story of its own, in bursts of six, and all of them are taken apart.
    """
    before = faults(every=40.0)
    rows = [(event, f"{event['group']}-{number // 12}") for number, event in enumerate(before)]
    start = float(before[-1]["at"]) + 7200.0
    for number in range(600):
        at = start + 3.0 * number + 900.0 * (number // 6)
        event = {"kind": "alert", "id": f"own-{number}", "at": at, "group": "tenant-1", "service": f"t{number}"}
        rows.append((event | {"class": f"c{number}", "summary": f"way {number} to break"}, f"o{number}"))
    return lived(list(rows), Habits(), restart, given)


def test_a_rule_that_people_object_to_is_dropped() -> None:
    """When clearly more of what it decided is corrected than of what was decided before it; and with restarts alike."""
    outputs, state = objected()
    lines = [line for line in outputs if isinstance(line, PolicyLine)]
    place = next(place for place, line in enumerate(lines) if line.why == "rolled_back")
    assert (lines[place - 1].why, lines[place].policy, lines[place].was) == (
        "tuned",
        "default",
        lines[place - 1].policy,
    )
    told = lines[place].evidence
    share = told["alerts"] / (told["alerts"] + told["alerts_before"])
    total = told["corrections"] + told["corrections_before"]  # were none worse, they would fall on both by their alerts
    assert told["corrections"] - total * share >= 2.33 * math.sqrt(total * share * (1 - share))
    assert objected(restart=41) == (outputs, state)


def test_a_rule_comes_back_with_the_undoing_of_what_spoke_against_it() -> None:
    """As soon as too little of it stands; said with how much that is, and the same after a restart."""
    given: list[Feedback] = []
    outputs, state = objected(given=given)
    dropped = next(line for line in outputs if isinstance(line, PolicyLine) and line.why == "rolled_back")
    engine, lines = Engine.restore(state), list[PolicyLine]()
    assert engine.state.policy_name(engine.state.scope("default")) == "default"
    for number, one in enumerate(reversed(given)):
        undo = Feedback(f"undo{number}", one.at, one.scope, "unlearn", Verb.UNDO, feedback=one.id)
        lines += [line for line in engine.step(undo) if isinstance(line, PolicyLine) and line.why == "rolled_back"]
    assert (lines[0].was, lines[-1].policy) == ("default", dropped.was)
    assert all(line.evidence["standing"] < line.evidence["feedback"] for line in lines)
    again = Engine.restore(engine.snapshot())
    assert again.state.policy_name(again.state.scope("default")) == dropped.was
    assert again.state.scope("default").tuning.since >= 0
