"""Names of policies: what a person writes is what decides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.learners.linear import Linear
from grouping.learners.rules import Rules
from grouping.policy import DEFAULT, HIGH_S, RELATIVE, BadPolicy, Limit, policy


@pytest.mark.parametrize(
    ("written", "key", "limit"),
    [
        ("*~1s", (), Limit(RELATIVE, 1.0, HIGH_S)),
        ("service~5s", ("service",), Limit(RELATIVE, 5.0, HIGH_S)),
        ("service~5-120s", ("service",), Limit(RELATIVE, 5.0, 120.0)),
        ("host~45s", ("host",), Limit(RELATIVE, 45.0, 45.0)),  # longer than the usual longest
        ("service+class=300s", ("service", "class"), Limit(0.0, 300.0, 300.0)),
        ("*=0.5s", (), Limit(0.0, 0.5, 0.5)),
        ("details.region+host~1.5-2.25s", ("details.region", "host"), Limit(RELATIVE, 1.5, 2.25)),
        ("details.disk size~1s", ("details.disk size",), Limit(RELATIVE, 1.0, HIGH_S)),
    ],
)
def test_a_rule_and_what_it_means(written: str, key: tuple[str, ...], limit: Limit) -> None:
    """Alone, and in the brackets of the linear score."""
    alone, linear = policy(written), policy(f"linear({written})")
    assert (alone.name, alone.key, alone.limit) == (written, key, limit)
    assert isinstance(alone.learner, Rules)
    assert (linear.name, linear.key, linear.limit) == (f"linear({written})", key, limit)
    assert isinstance(linear.learner, Linear)


def test_the_default_goes_by_its_own_name() -> None:
    """So that a scope says it was never told otherwise, and yet decides as the rule behind it."""
    default, rule = policy("default"), policy(DEFAULT)
    assert default.name == "default"
    assert (default.key, default.limit) == (rule.key, rule.limit)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "expected a policy such as "),
        ("service", "expected a policy such as "),
        ("service~5", "expected a policy such as "),
        ("service~5m", "expected a policy such as "),
        ("service~-5s", "expected a policy such as "),
        ("service~1e3s", "expected a policy such as "),
        ("service~infs", "expected a policy such as "),
        ("service~1234567890s", "expected a policy such as "),
        ("service++class~5s", "expected a policy such as "),
        ("+~5s", "expected a policy such as "),
        ("~5s", "expected a policy such as "),
        ("service~5s\n", "expected a policy such as "),
        ("linear(default)", "expected a policy such as "),
        ("linear(linear(*~1s))", "expected a policy such as "),
        ("host+class+group+service+source~5s", "expected a policy such as "),
        ("service~0s", "expected a silence above 0 s"),
        ("service=0s", "expected a silence above 0 s"),
        ("service~60-5s", "the longest not below the shortest"),
        ("service=5-60s", "a fixed silence is one number; write service=60s"),
        ("services~5s", "no field 'services'; there are source, "),
        ("region~5s", "and details.<name>"),
        ("*+host~5s", "no field '*'"),
        ("class_~5s", "no field 'class_'"),
    ],
)
def test_a_name_that_cannot_be_read(written: str, told: str) -> None:
    """The message says the name and what could be written instead."""
    with pytest.raises(BadPolicy) as caught:
        policy(written)
    assert str(caught.value).startswith(f"{written!r}: ")
    assert told in str(caught.value)


@given(st.text() | st.text("*~=+()-.0123456789slinear host", max_size=16))
def test_any_name_is_read_or_refused(written: str) -> None:
    """Nothing else happens; what is read has its own name and a silence one can wait for."""
    try:
        found = policy(written)
    except BadPolicy:
        return
    assert found.name == written
    assert 0 < found.limit.low <= found.limit.high


# -- the limit


@pytest.mark.parametrize(
    ("span", "count", "seconds"),
    [
        (0.0, 1, 1.0),  # no pace yet: the shortest
        (0.0, 50, 1.0),
        (1.0, 11, 4.0),  # every 0.1 s, times 40
        (9.0, 10, 30.0),  # every second: the longest
        (1e9, 3, 30.0),
    ],
)
def test_how_long_a_silence_may_be(span: float, count: int, seconds: float) -> None:
    assert Limit(RELATIVE, 1.0, 30.0).after(span, count) == pytest.approx(seconds)


@given(st.floats(0, 1e9), st.integers(1, 10**6))
def test_a_fixed_silence_is_always_the_same(span: float, count: int) -> None:
    assert policy("service=300s").limit.after(span, count) == 300.0


@given(st.floats(0, 1e9), st.integers(1, 10**6))
def test_a_relative_silence_stays_in_its_bounds(span: float, count: int) -> None:
    """And is 40 times the mean inter-arrival time wherever that is within them."""
    seconds = Limit(RELATIVE, 2.0, 60.0).after(span, count)
    assert 2.0 <= seconds <= 60.0
    if 2.0 < seconds < 60.0:
        assert seconds == pytest.approx(40 * span / (count - 1))
