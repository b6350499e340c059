"""Damages: on streams small enough to see what each does, and the promises all of them keep."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.stress import DAMAGES, Labelled, copies, damaged, key_field
from grouping import parse
from grouping.simulate import simulate


def _alert(id: str, at: float, **fields: Any) -> dict[str, Any]:
    return {"kind": "alert", "id": id, "at": at, "scope": "shop", "status": "firing", "summary": id} | fields


# Two faults, each in a service of its own; the node is the service under another name, the team is not a name.
STREAM: list[Labelled] = [
    (_alert("a1", 100.0, service="web", details={"node": "n-web", "zone": "a"}), "g1"),
    (_alert("b1", 107.0, service="db", details={"node": "n-db", "zone": "b"}), "g2"),
    (_alert("a2", 118.0, service="web", details={"node": "n-web", "zone": "b"}), "g1"),
    (_alert("b2", 459.0, service="db", details={"node": "n-db", "zone": "a"}), "g2"),
    (_alert("x1", 460.0, service="mail", details={"node": "n-mail", "zone": "a"}), None),
]
LONG = list(simulate("demo", 3))


def _times(name: str) -> list[float]:
    return [event["at"] for event, _ in damaged(name, STREAM)]


def test_time_is_stretched_from_the_first_event_on() -> None:
    """Ten times slower, ten times faster."""
    assert _times("time x 10") == [100.0, 170.0, 280.0, 3690.0, 3700.0]
    assert _times("time x 0.1") == [100.0, 100.7, 101.8, 135.9, 136.0]


def test_coarse_clocks_show_whole_steps() -> None:
    """Rounded down, never up: nobody stamps an alert before it happens."""
    assert _times("clock 5 s") == [100.0, 105.0, 115.0, 455.0, 460.0]
    assert _times("clock 60 s") == [60.0, 60.0, 60.0, 420.0, 420.0]


@pytest.mark.parametrize(("name", "by"), [("jitter 3 s", 3.0), ("jitter 30 s", 30.0)])
def test_jitter_moves_within_its_bounds_and_sorts(name: str, by: float) -> None:
    """Every event moves, none by more than told (but behind the earlier ones of its dedup key); order is by time."""
    before = {event["id"]: event["at"] for event, _ in LONG}
    after = [(event["id"], event["at"]) for event, _ in damaged(name, LONG)]
    assert sorted(before) == sorted(id for id, _ in after)
    assert [at for _, at in after] == sorted(at for _, at in after)
    moved = [at - before[id] for id, at in after]
    assert max(abs(one) for one in moved) <= 2 * by
    assert sum(abs(one) <= by for one in moved) >= 0.99 * len(moved)
    assert len({round(one, 3) for one in moved}) > len(moved) / 3


def test_half_is_lost_of_the_firing_and_nothing_of_the_others() -> None:
    """A lost resolve would leave an alert open, and the next of its key would be a repeat of it."""
    left = damaged("half lost", LONG)
    firing = [sum(event["status"] == "firing" for event, _ in stream) for stream in (LONG, left)]
    assert 0.45 * firing[0] < firing[1] < 0.55 * firing[0]
    assert [one for one in left if one[0]["status"] != "firing"] == [
        one for one in LONG if one[0]["status"] != "firing"
    ]


def test_noise_is_steady_lone_and_looks_like_the_stream() -> None:
    """One in every 120 s of each scope; with the fields that the stream has, and no value that another alert has."""
    noisy = damaged("noise 120 s", STREAM)
    lone = [event for event, _ in noisy if event["id"].startswith("lone/")]
    assert [one for one in noisy if not one[0]["id"].startswith("lone/")] == STREAM
    assert [int((event["at"] - 100.0) // 120) for event in lone] == [0, 1, 2]
    assert all(group is None for event, group in noisy if event in lone)
    assert all(set(event) == set(STREAM[0][0]) for event in lone)
    assert all(set(event["details"]) == {"node", "zone"} for event in lone)
    values = [value for event in lone for value in (event["service"], *event["details"].values())]
    assert len(set(values)) == len(values)
    assert not set(values) & {"web", "db", "mail"}


def test_noise_goes_into_every_scope() -> None:
    """Each scope has its own, from its first event to its last."""
    stream = [
        (_alert(f"{scope}{number}", start + 600.0 * number, scope=scope), None)
        for number in range(3)
        for scope, start in (("east", 0.0), ("west", 50.0))
    ]
    lone = [event for event, _ in damaged("noise 30 s", stream) if event["id"].startswith("lone/")]
    for scope, start in (("east", 0.0), ("west", 50.0)):
        assert [(one["at"] - start) // 30 for one in lone if one["scope"] == scope] == list(range(40))


def test_a_value_of_noise_is_not_seen_again_soon() -> None:
    """No field of lone alerts repeats within an hour, as a rule: else it would look like a key."""
    lone = [event for event, _ in damaged("noise 30 s", LONG) if event["id"].startswith("lone/")]
    for field in ("service", "host", "component", "class"):
        seen: dict[str, float] = {}
        soon = 0
        for event in lone:
            soon += event["at"] - seen.get(event.get(field, ""), -9e9) < 3600.0
            seen[event.get(field, "")] = event["at"]
        assert soon <= 0.25 * len(lone), field


def test_the_key_field_is_the_one_groups_agree_in() -> None:
    """The service tells these groups apart, the zone does not; the node is the service in other words."""
    assert key_field(STREAM) == "service"
    assert copies(STREAM, "service") == ["service", "details.node"]
    assert key_field([(_alert("a", 0.0), "g"), (_alert("b", 1.0), "g")]) == ""


def test_removing_the_key_field_removes_its_copies() -> None:
    """Nothing names the service any more; the rest stays."""
    for event, _ in damaged("no key field", STREAM):
        assert "service" not in event
        assert list(event["details"]) == ["zone"]
    partly = [event for event, _ in damaged("key field 70 %", LONG)]
    assert 0.25 < sum("service" not in event for event in partly) / len(partly) < 0.35


def test_decoys_stand_beside_what_is_there() -> None:
    """A random value, the hour of the day, the key under another name."""
    for (event, _), (was, _) in zip(damaged("decoys", STREAM), STREAM, strict=True):
        assert event["details"].items() >= was["details"].items()
        assert event["details"]["object"] == was["service"]
        assert event["details"]["hour"] == "00h"
        assert event["details"]["shard"] in {f"s{number}" for number in range(8)}


def test_one_scope_keeps_dedup_keys_apart() -> None:
    """The same key of two scopes was never the same alert."""
    stream = [(_alert("a", 0.0, scope="x", dedup_key="k"), "g"), (_alert("b", 1.0, scope="y", dedup_key="k"), "h")]
    events = [event for event, _ in damaged("one scope", stream)]
    assert [event["scope"] for event in events] == ["all", "all"]
    assert len({event["dedup_key"] for event in events}) == 2


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_a_pure_function_of_stream_and_seed(name: str) -> None:
    """Same seed, same stream, given events untouched; all events acceptable, ids differ, truths are of firing alerts."""
    before = deepcopy(LONG)
    once = damaged(name, LONG, seed=5)
    assert (once != damaged(name, LONG, seed=6)) == DAMAGES[name].by_chance
    assert once == damaged(name, LONG, seed=5)
    assert before == LONG
    assert len({event["id"] for event, _ in once}) == len(once)
    assert {group for _, group in once} <= {group for _, group in LONG}
    for event, group in once:
        parse(orjson.dumps(event))
        assert group is None or event["status"] == "firing"


@pytest.mark.parametrize("name", sorted(set(DAMAGES) - {"half lost"}))
@given(seed=st.integers(0, 2**32))
def test_events_of_one_dedup_key_keep_their_order(name: str, seed: int) -> None:
    """So a repeat still belongs to the alert it repeats, and the truth still means the same."""

    def by_key(stream: list[Labelled]) -> dict[str, list[str]]:
        found = defaultdict(list)
        for event, _ in stream:
            if event.get("dedup_key"):
                found[event["dedup_key"].removeprefix("demo/")].append(event["id"])
        return found

    short = LONG[:60]
    assert by_key(damaged(name, short, seed)) == by_key(short)
