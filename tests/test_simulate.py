"""Workloads: repeatable, acceptable, and as their names promise."""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from grouping import parse
from grouping.records import Alert
from grouping.simulate import WORKLOADS, simulate

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


def test_noise_is_noise() -> None:
    """A third of its alerts or more belong to nothing and carry no key."""
    events = _firing(_made("noise"))
    lone = [event for event, group in events if group is None]
    assert len(lone) > len(events) / 3
    assert not any("dedup_key" in event for event in lone)


SAMPLES = [name for name, workload in WORKLOADS.items() if workload.stream is None]


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_are_what_simulate_makes(name: str) -> None:
    """data/ is made, never edited."""
    path = DATA / f"{name}.jsonl"
    data = path.read_bytes() if path.exists() else gzip.decompress((DATA / f"{name}.jsonl.gz").read_bytes())
    events = _made(name)
    assert data == b"".join(orjson.dumps(event) + b"\n" for event, _ in events)
    with (DATA / f"{name}.truth.csv").open(newline="") as table:
        truth = {row["alert"]: row["group"] or None for row in csv.DictReader(table)}
    assert truth == {event["id"]: group for event, group in _firing(events)}
