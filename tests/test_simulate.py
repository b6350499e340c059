"""Workloads: repeatable, acceptable, and as their names promise."""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections import defaultdict
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from grouping import parse
from grouping.records import Alert
from grouping.runtimes.simulate import write
from grouping.simulate import CALLS, WORKLOADS, simulate

DATA = Path(__file__).parent.parent / "data"
Labelled = list[tuple[dict[str, Any], str | None]]


def _made(name: str, seed: int = 1, **size: int) -> Labelled:
    return list(simulate(name, seed, **({"alerts": 3000} if WORKLOADS[name].stream else {}) | size))


def _firing(events: Labelled) -> Labelled:
    return [(event, group) for event, group in events if event["status"] == "firing"]


def _lives(events: Labelled) -> dict[str, list[float]]:
    lives: dict[str, list[float]] = defaultdict(list)
    for event, group in _firing(events):
        if group is not None:
            lives[group].append(event["at"])
    return lives


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_is_a_function_of_its_seed(name: str) -> None:
    """Same seed, same bytes, on every Python; another seed, another stream."""
    digest = hashlib.sha256(orjson.dumps(_made(name))).hexdigest()
    recorded = dict(line.split()[::-1] for line in (DATA / "workloads.sha256").read_text().splitlines())
    assert digest == recorded[name]
    assert _made(name, seed=2) != _made(name)


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_event_is_accepted_and_every_firing_one_has_a_truth(name: str) -> None:
    """Ids differ; at least two true groups; only firing events carry a truth."""
    events = _made(name)
    assert all(isinstance(parse(orjson.dumps(event)), Alert) for event, _ in events)
    assert len({event["id"] for event, _ in events}) == len(events)
    assert len(_lives(events)) >= 2
    assert all(group is None for event, group in events if event["status"] != "firing")


# In the order of the event format; a stream leaves out what it does not know.
FIELDS = """kind id at scope status dedup_key severity source service host component group class summary
details""".split()


@pytest.mark.parametrize("name", WORKLOADS)
def test_fields_come_in_the_order_of_the_format(name: str) -> None:
    """And none is null: what is not known is absent."""
    for event, _ in _made(name):
        assert list(event) == [field for field in FIELDS if field in event]
        assert None not in event.values()


def test_a_seed_and_its_negative_differ() -> None:
    """The sign is part of the seed."""
    assert [event["summary"] for event, _ in _made("storm", -1)] != [event["summary"] for event, _ in _made("storm")]


MADE = [name for name, workload in WORKLOADS.items() if workload.stream is None]


@pytest.mark.parametrize("name", MADE)
def test_a_stream_is_about_as_long_as_it_was_told(name: str) -> None:
    """A small one still has a fault; a large one differs by a fifth at most, the demo by a round."""
    assert _lives(_made(name, alerts=1))
    wanted = 3 * 1600 if name == "demo" else 6000
    assert 0.8 * wanted < len(_made(name, alerts=wanted)) < 1.2 * wanted


@pytest.mark.parametrize("name", ["crowd", "repeats"])
def test_a_stream_for_speed_comes_as_it_is_made(name: str) -> None:
    """A million million alerts do not have to be there before the first."""
    assert len(list(islice(simulate(name, 1, alerts=10**12, incidents=10), 100))) == 100


def test_a_storm_is_loud_and_short() -> None:
    """Dozens of alerts of one service in three minutes."""
    events = _firing(_made("storm"))
    for group, times in _lives(events).items():
        assert len(times) >= 30
        assert max(times) - min(times) <= 180
        assert len({event["service"] for event, g in events if g == group}) == 1


def test_a_drip_is_slow() -> None:
    """Hours long, minutes apart."""
    for times in _lives(_made("drip")).values():
        assert max(times) - min(times) > 2 * 3600
        assert (max(times) - min(times)) / len(times) > 120


def test_flapping_fires_and_resolves_in_turn() -> None:
    """One key, 25 times, each time resolved before it fires again."""
    statuses: dict[str, list[str]] = defaultdict(list)
    for event, _ in _made("flapping"):
        statuses[event["dedup_key"]].append(event["status"])
    assert all(seen[:2] * (len(seen) // 2) == seen == ["firing", "resolved"] * 25 for seen in statuses.values())


def _hops(service: str, root: str) -> int:
    """How many calls lie between a service and the root of a fault."""
    reached, hops = {root}, 0
    while service not in reached:
        reached |= {caller for caller, callees in CALLS.items() if reached & set(callees)}
        hops += 1
    return hops


def test_a_cascade_climbs_along_the_calls() -> None:
    """All that fails calls the root, directly or not; a hop farther away begins later."""
    events = _firing(_made("cascade"))
    for group in _lives(events):
        seen = [event for event, g in events if g == group]
        root = min(seen, key=lambda event: event["at"])["service"]
        begins: dict[int, float] = {}
        for event in seen:
            hops = _hops(event["service"], root)
            begins[hops] = min(event["at"], begins.get(hops, event["at"]))
        assert len(begins) >= 3
        assert sorted(begins, key=begins.__getitem__) == sorted(begins)


def test_templated_titles_differ_by_host_alone() -> None:
    """One title, hundreds of hosts."""
    events = [event for event, _ in _made("templated")]
    hosts = {event["summary"].removeprefix("CPU high on ") for event in events}
    assert len(hosts) > 300
    assert hosts >= {event["host"] for event in events if "host" in event}


def test_two_faults_overlap_in_the_same_services() -> None:
    """Each pair shares services and minutes, but no region."""
    events = _firing(_made("two_faults"))
    lives = _lives(events)
    for number in range(6):
        one, other = lives[f"eu-{number}"], lives[f"us-{number}"]
        assert min(other) < max(one)
        regions = {group: {event["details"]["region"] for event, g in events if g == group} for group in lives}
        assert not regions[f"eu-{number}"] & regions[f"us-{number}"]


def test_the_hidden_outage_begins_while_another_rages() -> None:
    """Its first alert lies within the loud one, which has ten times as many."""
    lives = _lives(_made("hidden_outage"))
    for number in range(6):
        loud, hidden = lives[f"loud-{number}"], lives[f"hidden-{number}"]
        assert min(loud) < min(hidden) < max(loud)
        assert len(loud) > 10 * len(hidden)


def test_skew_has_times_that_go_backwards() -> None:
    """By more than a minute, many times; no other workload has."""
    back = {name: [a["at"] - b["at"] for (a, _), (b, _) in pairwise(_made(name))] for name in ("skew", "storm")}
    assert sum(step > 60 for step in back["skew"]) > 50
    assert max(back["storm"]) < 60


def test_drift_renames_services_and_brings_a_new_team() -> None:
    """No service of the shop keeps its name."""
    events = [event for event, _ in _made("drift")]
    half = min(event["at"] for event in events) + 8 * 3600
    before = {event["service"] for event in events if event["at"] < half}
    after = {event["service"] for event in events if event["at"] > half + 600}
    assert not before & after
    assert "ml-serve" in after


def test_repeats_are_repeats() -> None:
    """99 of 100 firing events repeat a key that is open."""
    opened: set[str] = set()
    repeated = 0
    events = [event for event, _ in _made("repeats", alerts=100_000)]
    for event in events:
        key = event["dedup_key"]
        repeated += event["status"] == "firing" and key in opened
        (opened.add if event["status"] == "firing" else opened.discard)(key)
    assert repeated / len(events) > 0.97


@pytest.mark.parametrize("incidents", [50, 400])
def test_a_crowd_is_as_large_as_it_says(incidents: int) -> None:
    """So many faults have an alert within any five minutes, give or take those that end and begin."""
    lives = _lives(_made("crowd", alerts=20 * incidents, incidents=incidents))
    begin = min(min(times) for times in lives.values())
    inside = [group for group, times in lives.items() if any(begin + 600 <= at < begin + 900 for at in times)]
    assert incidents * 0.9 < len(inside) < incidents * 1.6


@pytest.mark.parametrize("incidents", [1, 7, 400])
def test_nobody_in_a_crowd_is_silent_for_long(incidents: int) -> None:
    """A living fault has an alert every 100 s or so, never later than after 200."""
    lives = _lives(_made("crowd", alerts=100 * incidents, incidents=incidents))
    silences = [later - earlier for times in lives.values() for earlier, later in pairwise(times)]
    assert max(silences) < 200.001
    assert sum(silences) / len(silences) == pytest.approx(100, abs=2)


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_repeat_has_the_truth_of_what_it_repeats(name: str, seed: int) -> None:
    """No engine could follow another one: a repeat of an open alert is never decided anew."""
    groups: dict[str, str | None] = {}
    for event, group in _made(name, seed):
        key = event.get("dedup_key")
        if key is not None and event["status"] == "resolved":
            groups.pop(key, None)
        elif key is not None:
            assert groups.setdefault(key, group) == group


def test_noise_is_noise() -> None:
    """A third of its alerts or more belong to nothing and carry no key."""
    events = _firing(_made("noise"))
    lone = [event for event, group in events if group is None]
    assert len(lone) > len(events) / 3
    assert not any("dedup_key" in event for event in lone)


def test_a_packed_file_is_the_same_every_time(tmp_path: Path) -> None:
    """No time and no name of a file gets into it; truth has a line per firing event."""
    paths = [tmp_path / "one.jsonl.gz", tmp_path / "other.jsonl.gz"]
    truth = tmp_path / "truth.csv"
    counts = {write("drip", 1, None, None, path, truth) for path in paths}
    assert counts == {len(_made("drip"))}
    assert paths[0].read_bytes() == paths[1].read_bytes()
    expected = [f"{event['id']},{group or ''}" for event, group in _firing(_made("drip"))]
    assert truth.read_text() == "\n".join(["alert,group", *expected, ""])


def test_the_samples_are_small() -> None:
    """Two megabytes in all, and the readme names each."""
    assert sum(path.stat().st_size for path in DATA.iterdir() if path.is_file()) < 2_000_000
    readme = (DATA / "README.md").read_text()
    assert all(f"| {name} |" in readme for name in MADE)


@pytest.mark.parametrize("name", MADE)
def test_the_samples_are_what_simulate_makes(name: str) -> None:
    """data/ is made, never edited."""
    path = DATA / f"{name}.jsonl"
    data = path.read_bytes() if path.exists() else gzip.decompress((DATA / f"{name}.jsonl.gz").read_bytes())
    events = _made(name)
    assert data == b"".join(orjson.dumps(event) + b"\n" for event, _ in events)
    with (DATA / f"{name}.truth.csv").open(newline="") as table:
        truth = {row["alert"]: row["group"] or None for row in csv.DictReader(table)}
    assert truth == {event["id"]: group for event, group in _firing(events)}
