"""The estimates of another policy, from what an engine logged that explores: their intervals hold what they claim."""

from __future__ import annotations

import math

import pytest

from benchmarks import tables
from benchmarks.coverage import LOADS, OTHERS, covered, measured, played
from grouping.offpolicy import LEVEL

RUNS = 60


def least(level: float) -> float:
    """The share of hits that a level promises: not three standard deviations below it."""
    return level - 3 * math.sqrt(level * (1 - level) / RUNS)


@pytest.mark.parametrize(("load", "other"), list(zip(LOADS, OTHERS, strict=True)))
def test_the_intervals_cover_what_the_other_policy_is_worth(load: tuple[str, float], other: str) -> None:
    """IPS as often as it claims; the others, which only come close, miss at most twice as often. (All of them: coverage.py)"""
    name, explore = load
    plays = [played(seed, name, other, explore) for seed in range(RUNS)]
    assert min(play.found.effective for play in plays) > 100
    assert min(play.found.ips.high - play.found.ips.low for play in plays) < 0.5  # no empty claim
    for estimate, level in (("ips", LEVEL), ("snips", 1 - 2 * (1 - LEVEL)), ("dr", 1 - 2 * (1 - LEVEL))):
        assert covered(plays, estimate) >= least(level), estimate


def test_the_table_says_how_often_each_estimate_covered() -> None:
    """Of the runs made; and how far their least effective sample goes."""
    row = measured("two_faults", 0.3, "service=300s", 2)
    assert set(row["covered"].values()) <= {0.0, 0.5, 1.0}
    assert row["effective"] > 100
    shares = {"covered": {"ips": 1.0, "snips": 0.5, "dr": 0.0}, "width": dict.fromkeys(("ips", "snips", "dr"), 0.25)}
    said = tables._coverage({"claimed": 0.95, "logging": "*=60s", "rows": [row | shares]})[-1]
    assert "| 95 % | 100.0 %, 0.25 | 50.0 %, 0.25 | 0.0 %, 0.25 |" in said
