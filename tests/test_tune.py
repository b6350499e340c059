"""A scope finds which field keeps its incidents apart and which silence ends one; or leaves it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.stress import damaged
from grouping import Config, Engine, pairs, parse, stretches, tune
from grouping.recent import KEPT, PAGE, REPEATS, Recent
from grouping.records import Decision, PolicyLine
from grouping.simulate import simulate

T = 1_760_000_000.0
Events = list[dict[str, Any]]
dumps = orjson.dumps


def faults(
    seed: int = 1, count: int = 60, every: float = 300.0, pace: float = 4.0, size: int = 12, lone: int = 0
) -> Events:
    """Faults of six tenants that overlap, each on services of its own choice; and lone alerts of no fault."""
    chance = random.Random(seed)
    events: Events = []
    at = T
    for _ in range(count):
        at += chance.expovariate(1 / every)
        tenant, then = chance.randrange(6), at
        for _ in range(size):
            then += chance.expovariate(1 / pace)
            events.append(_alert(chance, tenant, then))
    events += [_alert(chance, chance.randrange(6), chance.uniform(T, at)) for _ in range(lone)]
    events.sort(key=lambda event: event["at"])
    return [event | {"id": f"a{number}"} for number, event in enumerate(events)]


def _alert(chance: random.Random, tenant: int, at: float) -> dict[str, Any]:
    service = chance.choice(["api", "db", "web"])
    return {
        "kind": "alert",
        "at": at,
        "group": f"tenant-{tenant}",
        "service": service,
        "host": f"h-{tenant}-{chance.randrange(30)}",
        "severity": chance.choice(["warning", "critical"]),
        "summary": f"{service} is slow",
        "details": {"zone": chance.choice("abc")},
    }


def played(events: Iterable[dict[str, Any]], engine: Engine | None = None) -> list[PolicyLine]:
    """The policy lines that the events cause."""
    engine = engine or Engine()
    return [line for event in events for line in engine.step(parse(dumps(event))) if isinstance(line, PolicyLine)]


def test_a_scope_finds_the_field_that_keeps_its_incidents_apart() -> None:
    """Tenants fail independently, over several services: the tenant is the key, the pace of a fault the silence."""
    line = played(faults(every=40.0))[-1]
    policy = line.policy
    assert policy.startswith("learned(group~")
    low, high = (float(part) for part in policy.removeprefix("learned(group~").removesuffix("s)").split("-"))
    assert 4 <= low <= high <= 64
    keys = line.evidence["keys"]
    assert keys["group"]["score"] > 0.9 > keys["*"]["score"] > keys["service"]["score"]
    assert line.why == "tuned"


def test_a_scope_without_overlap_needs_no_key() -> None:
    """Faults far apart, each over all services: silence alone tells them apart, and fields would only split them."""
    assert played(faults(every=4000.0))[-1].policy.startswith("learned(*~")


NIGHT = 14 * 3600.0


def daily(day: Events, days: int, night: float = NIGHT) -> Events:
    """The same events on several days, with nights between in which nothing comes."""
    long = day[-1]["at"] - day[0]["at"] + night
    return [event | {"at": event["at"] + n * long, "id": f"{event['id']}-{n}"} for n in range(days) for event in day]


@pytest.mark.parametrize("every", [40.0, 400.0])
@pytest.mark.parametrize("weekend", [0, 1])
def test_a_night_is_no_clue_to_what_ends_an_incident(every: float, weekend: int) -> None:
    """After twelve days it is what it is within one: a day is no incident, nor is a week."""
    days = daily(faults(count=40, every=every), 12)
    later = [
        event | {"at": event["at"] + weekend * 48 * 3600 * (number * 12 // len(days) // 5)}
        for number, event in enumerate(days)
    ]
    last = played(later)[-1]
    assert last.policy.startswith("learned(group~")
    assert float(last.policy.removesuffix("s)").rpartition("-")[2]) <= 16
    assert last.evidence["shortened"] >= 4


def test_faults_with_long_pauses_between_are_what_they_are() -> None:
    """Where nothing stands together within what lies between two long pauses, that is the incident, as before."""
    events = daily(faults(count=1, size=150), 40)
    assert len(stretches.breaks(np.array([event["at"] for event in events]))) > 1
    lines = played(events)
    assert lines[-1].policy.startswith("learned(*~")
    assert "shortened" not in lines[-1].evidence


@pytest.mark.parametrize(
    ("gaps", "found"),
    [
        ([60.0] * 400, [0]),
        ([60.0] * 400 + [50_000.0], [1, 0]),
        (([60.0] * 200 + [50_000.0]) * 3, [3, 0]),
        (([60.0] * 200 + [50_000.0]) * 3 + [60.0] * 200 + [500_000.0], [4, 1, 0]),  # nights, and a holiday
        ([60.0] * 400 + [5_000.0], [0]),  # a rule could bridge it
        ([60.0] * 90 + [50_000.0], [0]),  # too few alerts to tell
        ([60.0] * 200 + [10_000.0] * 3 + [50_000.0], [0]),  # neither is of another kind than the next
        ([0.0] * 400 + [50_000.0], [0]),
    ],
)
def test_which_pauses_are_of_another_kind(gaps: list[float], found: list[int]) -> None:
    """Longer than any rule can bridge, and eight times as long as any shorter one; the rarest come last."""
    at = np.cumsum([T, *gaps])
    assert stretches.breaks(at) == found
    for pauses in found:
        now = sorted(np.diff(stretches.shortened(at, pauses)).round(6), reverse=True)
        rest = sorted(gaps, reverse=True)[pauses:]
        assert now == [rest[0]] * pauses + rest


def test_lone_alerts_are_left_to_the_default() -> None:
    """Where nothing stands together beyond chance nothing is chosen."""
    assert played(faults(count=0 + 1, size=1, lone=0)) == []
    chance = random.Random(3)
    at = T
    events = []
    for number in range(700):
        at += chance.expovariate(1 / 30)
        events.append(_alert(chance, chance.randrange(6), at) | {"id": f"a{number}"})
    assert played(events) == []


@pytest.mark.parametrize(
    ("count", "size", "rules"),
    [
        (4, 50, ["learned(*~32-32s)"]),  # the third one goes on when 128 alerts are looked at
        (2, 100, []),  # one of two faults is half of all
        (5, 40, ["learned(*~16-64s)"]),
    ],
)
def test_three_large_faults_are_enough(count: int, size: int, rules: list[str]) -> None:
    """Where next to nothing else is close, a scope need not wait for five."""
    assert [line.policy for line in played(faults(count=count, size=size, every=4000.0))] == rules


@pytest.mark.parametrize("seed", [2, 5])
def test_a_poor_score_is_no_reason_early(seed: int) -> None:
    """By region, .66 at 432 alerts, faults would be torn in two; later another key is better."""
    events = [event for event, _ in damaged("noise 30 s", list(simulate("cascade", seed)), seed)]
    assert [line.policy for line in played(events)] == ["learned(*~32-32s)"]


def test_noise_between_the_faults_does_not_hide_the_key() -> None:
    """As many lone alerts as alerts of faults."""
    assert played(faults(every=60.0, lone=700))[-1].policy.startswith("learned(group~")


def among_steady(chance: random.Random, faults: int) -> Events:
    """Faults of twenty alerts of one tenant within minutes, and all the time a lone alert in every half minute, of a name of its own."""
    events = [_alert(chance, 90 + number, T + 30 * (number + chance.random())) for number in range(faults * 60)]
    for event in events:
        event["service"] = f"only-{event['group']}"
    for fault in range(faults):
        at = T + 1800 * (fault + chance.random())
        events += [_alert(chance, fault % 3, at + chance.uniform(0, 240)) for _ in range(20)]
    events.sort(key=lambda event: event["at"])
    return [event | {"id": f"a{number}"} for number, event in enumerate(events)]


def test_steady_lone_alerts_do_not_hide_the_key() -> None:
    """They shun each other, so that all pairs together are fewer than those of a fault: that speaks for its field, not against it."""
    assert played(among_steady(random.Random(5), 60))[-1].policy.startswith("learned(group~")


@pytest.mark.parametrize("seed", [2, 4])
def test_a_field_by_which_every_second_pair_is_chance_does_not_stay(seed: int) -> None:
    """Lone alerts, many with the severity of the next one, and eight faults: severity is given up, and the default decides."""
    events = [event for event, _ in damaged("noise 30 s", list(simulate("noise", seed)), seed)]
    assert played(events)[-1].policy == "default"


def among_lone(seed: int) -> Events:
    """Many lone alerts, and now and then a fault in three steps of four alerts, and one more, each a second or two later."""
    chance, events, at = random.Random(seed), [], T
    for number in range(2200):
        at += chance.uniform(31, 60)
        if number % 40 == 39:
            for step in range(3):
                events += [_alert(chance, step, at + chance.uniform(0, 0.2)) for _ in range(4)]
                at += chance.uniform(1.2, 1.9)
            events.append(_alert(chance, 3, at))
        else:
            events.append(_alert(chance, chance.randrange(6), at))
    events.sort(key=lambda event: event["at"])
    return [event | {"id": f"a{number}"} for number, event in enumerate(events)]


def test_faults_among_many_lone_alerts_are_not_torn_to_pieces() -> None:
    """The more lone alerts there are, the better the shortest silences look: they hold the fewest of these."""
    lines = played(among_lone(2))
    assert [line.policy for line in lines] == ["learned(*~2-2s)", "default", "learned(*~1-2s)"]
    refused = lines[1].evidence["refused"]
    assert [(one["key"], one["silence_s"]) for one in refused] == [("*", 1.0)]
    assert "pieces" in refused[0]["why"]


def pausing(lone: int) -> Events:
    """Faults of six alerts within a second or two, six more after a pause of 15 s, and after another; and lone alerts."""
    chance, events, at = random.Random(1), [], T
    for _ in range(60):
        at += chance.uniform(500, 1500)
        then = at
        for part in range(18):
            then += chance.expovariate(5) + 15.0 * (part in {6, 12})
            events.append(_alert(chance, 0, then))
    events += [_alert(chance, 0, chance.uniform(T, at)) for _ in range(lone)]
    events.sort(key=lambda event: event["at"])
    return [event | {"id": f"a{number}"} for number, event in enumerate(events)]


@pytest.mark.parametrize(
    ("lone", "rule", "pauses"),
    [
        (0, "learned(*~16-16s)", {"went_on": 14, "chance": 0.0}),
        (60, "learned(*~16-16s)", {"went_on": 13, "chance": 0.2}),
        (600, "learned(*~4-16s)", None),  # what comes then may as well be one of the lone alerts
    ],
)
def test_a_fault_that_pauses_is_one_fault(lone: int, rule: str, pauses: dict[str, float] | None) -> None:
    """Its pace would end it. But it goes on each time, and at other times nothing comes so soon: so it waits."""
    last = played(pausing(lone))[-1]
    assert (last.policy, last.evidence.get("pauses")) == (rule, pauses)


def test_what_comes_at_once_is_no_fault_early() -> None:
    """Four copies within a tenth of a second are all that is seen of the first faults: the scope waits for more of them."""
    chance, events, at = random.Random(1), [], T
    for _ in range(30):
        for _ in range(30):
            at += chance.uniform(5, 60)
            events += [_alert(chance, 0, at + 0.03 * copy) for copy in range(4)]
        at += 7200
    lines = played([event | {"id": f"a{number}"} for number, event in enumerate(events)])
    assert [line.policy for line in lines] == ["learned(*~128-256s)"]


def test_a_field_that_only_tells_the_time_is_no_key() -> None:
    """The hour of the day is shared by all that stands together, and by everything else of that hour."""
    events = faults(every=40.0)
    for event in events:
        event["component"] = f"hour-{int(event['at'] // 600)}"
    assert "component" not in played(events)[-1].policy


def test_a_copied_field_changes_nothing_but_the_name() -> None:
    """Two fields that always say the same are one."""
    events = faults(every=40.0)
    twice = [event | {"component": event["group"]} for event in events]
    rules = [played(part)[-1].policy.partition("~")[2] for part in (events, twice)]
    assert rules[0] == rules[1]


def test_alerts_of_the_same_instant_do_not_hide_the_fault_they_are_part_of() -> None:
    """Faults of a minute in which eight alerts at a time come within milliseconds, and lone alerts between them."""
    chance, events, at = random.Random(5), [], T
    for _ in range(60):
        at += chance.expovariate(1 / 2000)
        then = at
        for _ in range(4):
            then += chance.expovariate(1 / 20)
            events += [_alert(chance, 0, then + chance.uniform(0, 0.03)) for _ in range(8)]
    events += [_alert(chance, 0, chance.uniform(T, at)) for _ in range(600)]
    events.sort(key=lambda event: event["at"])
    lines = played([event | {"id": f"a{number}"} for number, event in enumerate(events)])
    highs = [float(line.policy.rpartition("-")[2].removesuffix("s)")) for line in lines if "learned" in line.policy]
    assert 8 <= highs[-1] <= 256
    assert min(highs) > 1 / 16


@pytest.mark.parametrize(
    ("row", "end", "place"),
    [
        ([0.9, 0.5, 0.8, 0.3], 4, 2),  # a peak nearly as high, past a dip
        ([0.9, 0.5, 0.7, 0.3], 4, 0),  # not high enough
        ([0.9, 0.5, 0.8, 0.3], 2, 0),  # refused from there on
        ([0.9, 0.88, 0.89, 0.3], 4, 0),  # no dip worth the name: one peak
        ([0.9, 0.5, 0.8, 0.85], 4, 3),  # still rising at the end
    ],
)
def test_the_outermost_of_two_peaks_is_taken(row: list[float], end: int, place: int) -> None:
    """Clusters made of clusters have two scales."""
    assert tune.outermost(row, 0, end) == place


@pytest.mark.parametrize("slower", [0.25, 8.0, 64.0])
def test_a_slower_world_has_longer_silences(slower: float) -> None:
    """The same stream at another speed: the same key, the silences longer by the same factor."""
    events = faults(every=40.0)
    slow = [event | {"at": T + (event["at"] - T) * slower} for event in events]

    def silences(line: PolicyLine) -> list[float]:
        key, _, rest = line.policy.partition("~")
        assert key == "learned(group"
        return [float(part) for part in rest.removesuffix("s)").split("-")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "CLOCKS", ())
        was, now = silences(played(events)[-1]), silences(played(slow)[-1])
    assert now == [silence * slower for silence in was]


def test_a_restore_in_the_middle_of_a_look_changes_nothing() -> None:
    """The engine is written down and read back after every event while a look goes on."""
    events = faults(count=20, every=40.0)
    whole, broken = Engine(), Engine()
    lines = 0
    for event in events:
        outputs = whole.step(parse(dumps(event)))
        assert broken.step(parse(dumps(event))) == outputs
        lines += sum(isinstance(output, PolicyLine) for output in outputs)
        if whole.state.scope("default").tuning.look is not None:
            broken = Engine.restore(broken.snapshot())
    assert lines > 0
    assert broken.snapshot() == whole.snapshot()


def test_drained_records_hold_the_recent_alerts() -> None:
    """Beyond the ring of recent alerts: pages that have left it are deleted, those in it are read back."""
    events = faults(count=500, every=200.0)
    store: dict[bytes, bytes] = {}
    engine, whole = Engine(records=store), Engine()
    for number, event in enumerate(events):
        assert engine.step(parse(dumps(event))) == whole.step(parse(dumps(event)))
        if number % 500 == 0:
            for key, value in engine.drain().items():
                if value is None:
                    store.pop(key, None)
                else:
                    store[key] = value
            engine = Engine(records=store)
    assert engine.snapshot() == whole.snapshot()
    assert sum(key[:1] == b"r" for key in store) <= KEPT // PAGE + 9


def test_a_person_stops_it_and_lets_it_go_on() -> None:
    """A policy that was set stays; setting the default lets the scope decide by itself again."""
    events = faults(every=40.0)
    engine = Engine()
    half = len(events) // 2
    played(events[:half], engine)
    found = engine.state.policy_name(engine.state.scope("default"))
    assert found.startswith("learned(")
    (line,) = played([{"kind": "policy", "id": "p1", "at": T, "mode": "auto", "policy": "service=60s"}], engine)
    assert (line.policy, line.was, line.why) == ("service=60s", found, "set")
    assert played(events[half:], engine) == []
    (line,) = played([{"kind": "policy", "id": "p2", "at": T, "mode": "auto", "policy": "default"}], engine)
    assert (line.policy, line.was) == (found, "service=60s")


@pytest.mark.parametrize("alerts", [20, 300])
def test_a_scope_goes_on_by_itself_when_what_a_person_set_is_rolled_back(alerts: int) -> None:
    """Whether it had found something before or not, what it finds decides; through a restart, too."""
    events = faults(every=40.0)
    engine = Engine()
    played(events[:alerts], engine)
    was = engine.state.policy_name(engine.state.scope("default"))
    played([{"kind": "policy", "id": "p1", "at": T, "mode": "auto", "policy": "service=60s"}], engine)
    played([{"kind": "policy", "id": "p2", "at": T, "mode": "auto", "policy": "service=90s"}], engine)
    engine = Engine.restore(engine.snapshot())
    back = [{"kind": "policy", "id": f"b{n}", "at": T, "mode": "rollback"} for n in range(2)]
    assert [line.policy for line in played(back, engine)] == ["service=60s", was]
    assert engine.state.tuned(engine.state.scope("default"))
    assert [line.why for line in played(events[alerts:], engine)][:1] == ["tuned"]


def test_what_was_found_can_be_rolled_back_and_stays_so() -> None:
    """Back to the default as it was before, by name: the scope does not find the same again."""
    events = faults(every=40.0)
    engine = Engine()
    found = played(events[:300], engine)
    back = [{"kind": "policy", "id": f"p{n}", "at": T, "mode": "rollback"} for n in range(len(found))]
    lines = played(back, engine)
    assert [line.policy for line in lines] == [*[line.was for line in reversed(found[1:])], "linear(*~2s)"]
    assert played(events[300:], engine) == []


def test_an_alert_without_the_key_joins_what_was_touched_last() -> None:
    """Unknown is neither the same nor different: time alone decides."""
    engine = Engine(Config(policy="learned(service~10-60s)"))
    story = [("a1", "db", 0), ("a2", "web", 1), ("a3", None, 4), ("a4", "db", 8), ("a5", None, 60)]
    incidents = {}
    for id, service, after in story:
        event = {"kind": "alert", "id": id, "at": T + after, "summary": "down"} | (
            {"service": service} if service else {}
        )
        decision = next(line for line in engine.step(parse(dumps(event))) if isinstance(line, Decision))
        incidents[id] = decision.incident
    assert incidents["a3"] == incidents["a2"] != incidents["a1"] == incidents["a4"]
    assert incidents["a5"] not in {incidents["a1"], incidents["a2"]}


def test_a_rule_joins_up_to_its_limit_and_no_longer() -> None:
    """learned(RULE) decides as RULE does, the limit itself included."""
    for policy in ("service~16-64s", "learned(service~16-64s)"):
        for silence, joined in ((15.9, True), (16.0, True), (16.1, False)):
            engine = Engine(Config(policy=policy, explore=0.0))
            for id, at in (("a1", T), ("a2", T + silence)):
                event = {"kind": "alert", "id": id, "at": at, "service": "db", "summary": "down"}
                decision = next(line for line in engine.step(parse(dumps(event))) if isinstance(line, Decision))
            assert (decision.action == "join") is joined


# -- the statistic


def slow_excess(
    at: list[float], weight: list[float], code: list[int] | None, scale: float, grain: float
) -> tuple[float, float, float]:
    """X, B, and X of all pairs of the alerts with a close one of the same value, by two plain loops."""
    share = (1 + grain / (2 * scale)) / 12
    x, b, around = 0.0, 0.0, 0.0
    block, block_around = 0.0, 0.0
    for i, time in enumerate(at):
        near = [j for j in range(i) if at[j] >= time - scale]
        far = [j for j in range(i) if time - 16 * scale <= at[j] < time - 4 * scale]
        n, e = sum(weight[j] for j in near), sum(weight[j] for j in far) * share
        same = [j for j in near if code is None or code[i] == code[j] > 0]
        else_ = [j for j in far if code is None or code[i] == code[j] > 0]
        close, chance = sum(weight[j] for j in same), sum(weight[j] for j in else_) * share
        if time - 16 * scale >= at[0]:
            worth_close = weight[i] / max(n + e, 1) if n > 0 else 0
            worth_far = weight[i] / (n + max(e - share, 0) + 1)
            block += worth_close * close - worth_far * chance
            b += worth_far * chance if close > 0 else 0
            block_around += worth_close * n - worth_far * e if close > 0 else 0
        if i % pairs.BLOCK == pairs.BLOCK - 1 or i == len(at) - 1:
            x, block = x + max(block, 0), 0.0
            around, block_around = around + max(block_around, 0), 0.0
    return x, b, around


@given(
    st.lists(st.tuples(st.floats(0, 9), st.integers(0, 3)), min_size=2, max_size=90),
    st.sampled_from([0.25, 1.0, 4.0]),
)
@settings(max_examples=60, deadline=None)
def test_the_excess_is_what_counting_all_pairs_gives(steps: list[tuple[float, int]], scale: float) -> None:
    """Sorted look-ups against two loops, with and without a field."""
    at = np.cumsum([step for step, _ in steps])
    code = np.array([code for _, code in steps], np.uint32)
    weight = pairs.flood_weight(code)
    ground = pairs.background(at, weight, [scale], 0.5, 1000)
    x, b, _ = slow_excess(at.tolist(), weight.tolist(), None, scale, 0.5)
    found = pairs.excess(ground, None)
    assert (found.x[0], found.b[0]) == pytest.approx((x, b), rel=1e-9, abs=1e-9)
    slow = slow_excess(at.tolist(), weight.tolist(), code.tolist(), scale, 0.5)
    found = pairs.excess(ground, code)
    assert (found.x[0], found.b[0], pairs.around(ground)[0]) == pytest.approx(slow, rel=1e-9, abs=1e-9)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=120))
def test_a_flood_counts_for_less(codes: list[int]) -> None:
    """1 / (1 + how many of the 32 before are the same)."""
    expected = [1 / (1 + codes[max(0, i - 32) : i].count(code)) for i, code in enumerate(codes)]
    assert pairs.flood_weight(np.array(codes, np.uint32)).tolist() == expected


@pytest.mark.parametrize(
    ("times", "grain"),
    [
        ([0.0, 60.0, 120.0, 300.0, 360.0], 60.0),
        ([0.0, 1.0, 2.0, 3.0, 7.0, 11.0], 1.0),
        ([0.0, 5.0, 15.0, 20.0, 35.0, 40.0], 5.0),
        ([0.3, 1.7, 2.9, 4.01], 1.11),
        ([8.0], 1.0),
    ],
)
def test_the_grain_of_a_clock(times: list[float], grain: float) -> None:
    """Whole minutes, whole seconds, no grain but the shortest time between two alerts."""
    assert pairs.resolution(np.array(times)) == pytest.approx(grain)


# -- the recent alerts


def test_a_flood_does_not_push_the_others_out() -> None:
    """Of the same alert again and again only a few are kept."""
    recent = Recent()
    taken = [recent.take(float(n), 7, [("service", 1)]) for n in range(100)]
    assert sum(taken) == REPEATS


@given(st.one_of(st.integers(0, 700), st.integers(4600, 4800)))
@settings(max_examples=10, deadline=None)
def test_recent_alerts_come_back_from_their_pages(count: int) -> None:
    """Written down and restored: the same window."""
    recent = Recent()
    for n in range(count):
        recent.take(T + n * 7 % 100, n, [(f"f{n % 30}", n + 1)])
    again = Recent()
    again.restore(recent.count, recent.fields, [(n, recent.page(n)) for n in recent.pages()])
    for mine, theirs in zip(recent.window(count), again.window(count), strict=True):
        assert (mine == theirs).all()
    assert recent.rates([count - 1]) == again.rates([count - 1])
    assert recent.take(1.0, 5, []) == again.take(1.0, 5, [])
