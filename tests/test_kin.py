"""Kinds of alert that keep to themselves are told apart from those that take part in faults."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping import Engine, kin, parse
from grouping.records import Decision, PolicyLine
from grouping.runtimes.tally import PolicyChange
from grouping.runtimes.tuning_report import pictures

T = 1_760_000_000.0


def stream(seed: int = 1, faults: int = 200, logins: int = 400, pairs: bool = False) -> list[dict[str, Any]]:
    """Faults of half a minute over all services; and logins that come whenever they like, alone or in twos."""
    chance = random.Random(seed)
    events = []
    for fault in range(faults):
        at = T + 1800 * fault + chance.uniform(0, 600)
        for _ in range(12):
            at += chance.expovariate(1 / 3)
            service = f"{chance.choice(['api', 'db', 'web'])}-{chance.randrange(20)}"
            events.append(_event(at, service, chance.choice(["slow", "down"]), f"f{fault}"))
    for _ in range(logins):
        at = chance.uniform(T, T + 1800 * faults)
        events.append(_event(at, "vpn", "login", None))
        if pairs:
            events.append(_event(at + 0.5, "vpn", "session", None))
    events.sort(key=lambda event: event["at"])
    return [event | {"id": f"a{number}"} for number, event in enumerate(events)]


def _event(at: float, service: str, what: str, fault: str | None) -> dict[str, Any]:
    summary = f"{service} {what}"
    return {"kind": "alert", "at": at, "service": service, "class": what, "summary": summary, "fault": fault}


def played(events: Iterable[dict[str, Any]], engine: Engine) -> tuple[list[PolicyLine], dict[str, str]]:
    """The policy lines, and the incident of each alert."""
    lines: list[PolicyLine] = []
    incidents: dict[str, str] = {}
    for event in events:
        sent = {key: value for key, value in event.items() if key != "fault"}
        for output in engine.step(parse(orjson.dumps(sent))):
            if isinstance(output, PolicyLine):
                lines.append(output)
            elif isinstance(output, Decision):
                incidents[output.alert] = output.incident
    return lines, incidents


@pytest.mark.parametrize("pairs", [False, True])
def test_what_comes_at_any_time_is_kept_out_of_faults(pairs: bool) -> None:
    """Logins are never part of a fault's incident once the scope has seen enough of them; sessions are of their kin."""
    events, engine = stream(pairs=pairs), Engine()
    lines, incidents = played(events, engine)
    last = lines[-1]
    assert last.policy.startswith("learned(kin~")
    kinds = ["login vpn", "session vpn"] if pairs else ["login vpn"]
    assert [family["kinds"] for family in last.evidence["kin"]] == [kinds]
    late = events[len(events) // 2 :]
    faulty = {incidents[event["id"]] for event in late if event["fault"]}
    others = {incidents[event["id"]] for event in late if not event["fault"]}
    assert not faulty & others
    if pairs:
        together = [incidents[one["id"]] for one in late if one["class"] == "login"]
        assert set(together) == {incidents[one["id"]] for one in late if one["class"] == "session"}


def test_the_services_of_a_fault_stay_together() -> None:
    """Without the logins nothing is taken apart: every service fails with every other."""
    engine = Engine()
    lines, _ = played(stream(logins=0), engine)
    assert lines[-1].policy.startswith("learned(*~")
    assert engine.state.scope("default").tuning.families == {}


def test_a_kind_that_belongs_half_of_the_time_belongs() -> None:
    """Logins that fail in every fault as well: a meeting with a fault is then hardly ever chance."""
    events = stream(logins=100)
    chance, at = random.Random(2), {event["fault"]: event["at"] for event in events if event["fault"]}
    events += [
        _event(end - chance.uniform(0, 20), "vpn", "login", fault) | {"id": f"b{fault}"} for fault, end in at.items()
    ]
    events.sort(key=lambda event: event["at"])
    lines, _ = played(events, Engine())
    assert all("kin" not in line.policy for line in lines)


def test_a_restore_in_the_middle_of_the_look_changes_nothing() -> None:
    """The engine is written down and read back after every event while kinds are compared."""
    whole, broken = Engine(), Engine()
    restored = 0
    for event in stream(faults=20, logins=130):
        sent = orjson.dumps({key: value for key, value in event.items() if key != "fault"})
        assert broken.step(parse(sent)) == whole.step(parse(sent))
        look = whole.state.scope("default").tuning.look
        if look is not None and look.rule:
            broken, restored = Engine.restore(broken.snapshot()), restored + 1
    assert restored > 4
    assert broken.snapshot() == whole.snapshot()


# -- the statistic


def families(at: list[float], code: list[int], reach: float) -> dict[int, int]:
    """Kinds that keep to themselves."""
    work = kin.begin(np.array(at), np.array(code, np.uint32), reach)
    while not kin.advance(work):
        pass
    return work.apart


def slow_families(at: list[float], code: list[int], reach: float) -> dict[int, int]:
    """The same by plain loops over all alerts."""

    def episodes(numbers: list[int]) -> list[float]:
        first = [at[n] for place, n in enumerate(numbers) if not place or at[n] - at[numbers[place - 1]] > reach]
        return [time for time in first if time - 16 * reach >= at[0] and time + 16 * reach <= at[-1]]

    def meets(time: float, numbers: list[int]) -> tuple[float, float]:
        shifts = [0.0] + [sign * lag * reach for lag in kin.LAGS for sign in (1, -1)]
        there = [
            any(time + (shift - reach) <= at[n] <= time + (shift + reach) for n in numbers)
            for shift in (lag * 1.0 for lag in shifts)
        ]
        return float(there[0]), sum(there[1:]) / 8

    def counted(of: list[int], met: list[int]) -> tuple[float, float, float, int]:
        pairs = [meets(time, met) for time in episodes(of)]
        spread = sum(far * (1 - far) + 1 / 64 for _, far in pairs)
        return sum(near for near, _ in pairs), sum(far for _, far in pairs), spread, len(pairs)

    of_code: dict[int, list[int]] = {}
    for number, one in enumerate(code):
        of_code.setdefault(one, []).append(number)
    kinds = {one: numbers for one, numbers in of_code.items() if one and len(episodes(numbers)) >= kin.EPISODES}
    nodes = {0: [number for number, one in enumerate(code) if one not in kinds]} | kinds
    family = {one: one for one in nodes}
    for one, numbers in nodes.items():
        for other, met in nodes.items():
            near, far, spread, count = counted(numbers, met)
            beyond = near - far
            if one != other and beyond > 0 and beyond**2 >= 4 * spread and beyond >= max(near / 2, 0.05 * count):
                old, new = max(family[one], family[other]), min(family[one], family[other])
                family = {node: new if own == old else own for node, own in family.items()}
    found = {}
    for own in set(family.values()) - {0}:
        members = sorted(number for one in nodes if family[one] == own for number in nodes[one])
        others = [number for number in range(len(at)) if number not in set(members)]
        near, far, _, count = counted(members, others)
        if others and count and far <= 0.6 * count and 2 * far >= near + 4:
            found |= {one: own for one in nodes if family[one] == own}
    return found


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_families_are_what_plain_loops_find(data: st.DataObject) -> None:
    """Streams of a few kinds, some of which follow each other, against loops over everything."""
    chance = random.Random(data.draw(st.integers(0, 1 << 32)))
    follows = data.draw(st.lists(st.integers(0, 5), min_size=5, max_size=5))
    rows: list[tuple[float, int]] = []
    for kind in range(1, 6):
        for _ in range(data.draw(st.integers(4, 25))):
            at = float(chance.randrange(2000))
            rows.append((at, kind))
            if follows[kind - 1]:
                rows.append((at + chance.randrange(3), follows[kind - 1]))
    rows.sort()
    at, code = [time for time, _ in rows], [kind for _, kind in rows]
    assert families(at, code, 2.0) == slow_families(at, code, 2.0)


def test_too_busy_a_scope_tells_nothing() -> None:
    """Where something else comes every few seconds a kind always has company: nothing is learned from that."""
    chance = random.Random(4)
    rows = sorted(
        [(chance.uniform(0, 4000), 1) for _ in range(80)] + [(float(s), 2 + s % 40) for s in range(0, 4000, 2)]
    )
    assert families([at for at, _ in rows], [kind for _, kind in rows], 4.0) == {}
    assert families([at for at, _ in rows], [kind for _, kind in rows], 0.5)[1] == 1


def test_no_alert_and_one_alert_have_no_families() -> None:
    """Nothing to compare."""
    assert families([1.0], [7], 1.0) == {}
    assert families([float(n) for n in range(50)], [0] * 50, 1.0) == {}


def test_the_picture_of_what_was_found_names_them() -> None:
    """The chosen rule is drawn as the silence it is, with the kinds beside it."""
    lines, _ = played(stream(), Engine())
    changes = [PolicyChange(T, one.scope, one.was, one.policy, one.why, one.evidence) for one in lines]
    row = pictures(changes)[-1].rows[0]
    assert (row.key, row.chosen) == ("*", True)
    assert row.verdict == "chosen; apart from all others: login vpn"
