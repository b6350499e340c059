"""A rate that changes raises an alarm, one that does not raises none; the window is what the paper says."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.adwin import Adwin
from grouping.quality import Quality
from grouping.records import Action, Decision, Merged, Output, Reason


def drawn(seed: int, *parts: tuple[int, float]) -> Iterator[float]:
    """So many values that are 1 with such a chance, part after part."""
    chance = random.Random(seed)
    return (float(chance.random() < rate) for count, rate in parts for _ in range(count))


def first(window: Adwin, values: Iterator[float]) -> int | None:
    """The number of the value at which the first alarm is raised."""
    return next((number for number, value in enumerate(values) if window.add(value)), None)


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.3, 1.0])
def test_a_steady_rate_raises_no_alarm(rate):
    """Twenty streams of 5,000 values; at most a few in a thousand looks may err, here none does."""
    assert [seed for seed in range(20) if first(Adwin(), drawn(seed, (5000, rate))) is not None] == []


@pytest.mark.parametrize(("before", "after"), [(0.1, 0.3), (0.3, 0.1), (0.01, 0.2), (0.9, 0.5)])
def test_a_change_is_seen_soon(before, after):
    """Within 500 values of it, and the window is then of the time since."""
    for seed in range(10):
        window = Adwin()
        values = drawn(seed, (2000, before), (1500, after))
        when = first(window, values)
        assert when is not None
        assert 2000 <= when < 2500
        for value in values:
            window.add(value)
        assert abs(window.mean - after) < 0.06


@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(1, 800), st.sampled_from([0.0, 0.05, 0.2, 0.5, 1.0])), max_size=5),
)
@settings(max_examples=60, deadline=None)
def test_the_first_alarm_is_that_of_river(seed, parts):
    """An independent ADWIN agrees to within two looks on when it is raised, or that it is not."""
    drift = pytest.importorskip("river.drift")
    theirs, when = drift.ADWIN(), None
    for number, value in enumerate(drawn(seed, *parts)):
        theirs.update(value)
        if theirs.drift_detected:
            when = number
            break
    ours = first(Adwin(), drawn(seed, *parts))
    if when is None or ours is None:
        assert ours is when or abs((ours if when is None else when) - sum(count for count, _ in parts)) <= 64
    else:
        assert abs(ours - when) <= 64


def test_memory_grows_with_the_logarithm():
    window = Adwin()
    for _ in range(100_000):
        window.add(0.5)
    assert window.count == 100_000
    assert sum(map(len, window._sizes)) <= 5 * 17


def decision(action: Action) -> Output:
    return Decision("shop", "a", "i", action, Reason.BEST_SCORE, 1.0, 1.0, None, 0, "d")


def test_a_service_says_when_alerts_begin_to_open_more_incidents():
    """One in twenty opens, then two in three; repeats say nothing."""
    quality, chance = Quality(), random.Random(3)
    for number in range(4000):
        opens = chance.random() < (0.05 if number < 2000 else 0.66)
        quality.take(number, [decision(Action.OPEN if opens else Action.JOIN), decision(Action.DUPLICATE)])
        if number == 1999:
            assert quality.counts["opening_drifts"] == 0
    assert quality.counts["opening_drifts"] > 0
    assert quality.counts["correction_drifts"] == 0


def test_a_service_says_when_people_begin_to_disagree():
    """A correction for every hundred alerts, then for every four."""
    quality = Quality()
    for number in range(4000):
        outputs: list[Output] = [decision(Action.JOIN)]
        if number % (100 if number < 2000 else 4) == 0:
            outputs.append(Merged("shop", "i", "j", f"f{number}"))
        quality.take(number, outputs)
        if number == 1999:
            assert quality.counts["correction_drifts"] == 0
    assert quality.counts["correction_drifts"] > 0
