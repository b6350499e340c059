"""What a rule makes of the alerts that tuning looks at: incidents, pieces, and pauses that are no ends."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping import made
from grouping.policy import Limit


@pytest.mark.parametrize(
    ("lone", "steps", "limit", "torn"),
    [
        (200, None, Limit(40.0, 0.5, 0.5), True),  # four pieces of each fault, and the straggler alone
        (200, [1, 1, 2, 2], Limit(40.0, 0.5, 0.5), True),
        (200, [0, 0, 2, 2], Limit(40.0, 0.5, 0.5), True),  # those without the key are not counted
        (200, [0, 0, 0, 2], Limit(40.0, 0.5, 0.5), False),  # no more incidents than silence alone makes
        (200, [1, 1, 2, 2], Limit(40.0, 30.0, 30.0), False),  # twice as many, but no more alerts are alone
        (200, None, Limit(40.0, 2.0, 30.0), False),  # the same incidents
        (20, None, Limit(40.0, 0.5, 0.5), False),  # few stand alone
    ],
)
def test_a_rule_tears_if_it_leaves_more_alone_and_makes_more_incidents(
    lone: int, steps: list[int] | None, limit: Limit, torn: bool
) -> None:
    """Five faults of four steps, a second apart, of four alerts each, and a straggler; ``steps``: the keys of the steps."""
    fault = [(step + part / 10, step) for step in range(4) for part in range(4)] + [(4.0, 3)]
    alerts = [(1000.0 * number + after, step) for number in range(5) for after, step in fault]
    at = np.array([time for time, _ in alerts] + [5000.0 + 100.0 * number for number in range(lone)])
    keys = [(steps or [1, 1, 1, 1])[step] for _, step in alerts]
    code = np.array(keys + [9] * lone, np.uint32) if steps else None
    weight = np.ones(len(at))
    assert made.tears(at, weight, code, made.play(at, weight, code, limit)) is torn


def test_a_rule_is_played_as_the_engine_would() -> None:
    """Bursts of three or more are counted, and what is alone; the largest share is by weight."""
    at = np.array([0.0, 1.0, 2.0, 100.0, 101.0, 500.0])
    code = np.array([1, 1, 1, 1, 2, 0], np.uint32)
    assert made.play(at, np.ones(6), code, Limit(40.0, 5.0, 5.0)) == (1, 0.5, 2)
    assert made.play(at, np.ones(6), None, Limit(40.0, 5.0, 5.0)) == (1, 0.5, 1)
    assert made.play(at, np.ones(6), code, Limit(40.0, 5.0, 90.0)) == (1, 0.5, 2)
    assert made.play(at, np.ones(6), code, Limit(40.0, 5.0, 900.0))[0] == 1


def slow_play(at: list[float], code: list[int], limit: Limit) -> tuple[int, float, int]:
    """A rule played alert by alert, each weighing 1."""
    last: dict[int, list[float]] = {}
    incidents: list[list[float]] = []
    for time, key in zip(at, code, strict=True):
        one = last.get(key)
        if key and one is not None and time - one[-1] <= limit.after(one[-1] - one[0], len(one)):
            one.append(time)
        elif key:
            last[key] = [time]
            incidents.append(last[key])
    largest = max((len(one) for one in incidents if len(one) > 1), default=0)
    sizes = [len(one) for one in incidents]
    return sum(size >= 3 for size in sizes), largest / len(at), sizes.count(1)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=80),
    st.sampled_from([(0.0, 2.0, 2.0), (1.5, 1.0, 6.0), (40.0, 1.0, 8.0), (1.0, 3.0, 11.0)]),
)
@settings(max_examples=200, deadline=None)
def test_all_at_once_is_one_after_the_other(steps: list[tuple[int, int]], limits: tuple[float, float, float]) -> None:
    """A rule is played by arrays; alert by alert it is the same."""
    at = np.cumsum([float(step) for step, _ in steps])
    code, limit = np.array([key for _, key in steps], np.uint32), Limit(*limits)
    assert made.play(at, np.ones(len(at)), code, limit) == slow_play(at.tolist(), code.tolist(), limit)
    alone = [1] * len(at)
    assert made.play(at, np.ones(len(at)), None, limit) == slow_play(at.tolist(), alone, limit)


# -- pauses


def slow_pauses(at: list[float], code: list[int], limit: Limit) -> tuple[int, float]:
    """How many incidents that their pace ended went on, and how many would by chance, one after the other."""
    near, far = 0, 0.0
    for key in sorted(set(code) - {0}):
        own = [time for time, one in zip(at, code, strict=True) if one == key]

        def comes(since: float, until: float, own: list[float] = own) -> bool:
            return bisect_right(own, until) > bisect_right(own, since)

        first = 0
        for place in range(1, len(own) + 1):
            end = own[place - 1]
            after = limit.after(end - own[first], place - first)
            if place < len(own) and own[place] - end <= after:
                continue
            first = place
            if after == limit.high or end + limit.high > at[-1]:
                continue
            near += comes(end + after, end + limit.high)
            places = [end + lag * limit.high for lag in (5, 8, 11, 14, -5, -8, -11, -14)]
            known = [here for here in places if here + after >= at[0] and here + limit.high <= at[-1]]
            far += sum(comes(here + after, here + limit.high) for here in known) / max(1, len(known))
    return near, far


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=200),
    st.sampled_from([(40.0, 1.0, 8.0), (1.5, 1.0, 4.0), (1.0, 2.0, 8.0), (40.0, 4.0, 4.0)]),
)
@settings(max_examples=200, deadline=None)
def test_pauses_are_counted_as_one_would_by_hand(
    steps: list[tuple[int, int]], limits: tuple[float, float, float]
) -> None:
    """By arrays, or key by key and incident by incident: the same counts."""
    at = np.cumsum([float(step) for step, _ in steps])
    code, limit = np.array([key for _, key in steps], np.uint32), Limit(*limits)
    for keys, listed in ((code, code.tolist()), (None, [1] * len(at))):
        near, far, _ = made.goes_on(at, made.cut(at, keys, limit))
        assert (near, far) == pytest.approx(slow_pauses(at.tolist(), listed, limit))


@pytest.mark.parametrize(
    ("near", "far", "pauses"),
    [
        (2.0, 0.0, True),
        (30.0, 3.0, True),
        (30.0, 3.5, False),  # one in nine is chance
        (1.0, 0.0, False),  # one in thirty ended, and no more
        (0.0, 0.0, False),
    ],
)
def test_pauses_are_no_chance_where_nearly_all_of_them_are_not(near: float, far: float, pauses: bool) -> None:
    """At most a tenth of them are; and they are two standard deviations more, here of thirty incidents."""
    assert made.Pauses(near, far, 30 / 64 + far).no_chance is pauses
