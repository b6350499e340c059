"""Settings: defaults that serve, bounds that hold, refusals that name place, value and remedy."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.config import _BOUNDS, BadConfig, Config

BOUNDED = [spec.name for spec in fields(Config) if spec.name in _BOUNDS]


def test_nothing_set_is_the_default() -> None:
    assert Config.of({}) == Config()


def test_every_number_has_bounds() -> None:
    """One without would take infinity."""
    assert [spec.name for spec in fields(Config) if type(spec.default) is not str and spec.name not in _BOUNDS] == []
    assert set(_BOUNDS) <= {spec.name for spec in fields(Config)}


@pytest.mark.parametrize("name", BOUNDED)
def test_the_bounds_of_a_setting(name: str) -> None:
    """Both ends are taken; what is beyond, or no number at all, is refused by name with the bounds."""
    kind = type(getattr(Config(), name))
    others = {"window_min_s": {"window_max_s": 604_800.0}, "window_max_s": {"window_min_s": 1.0}}.get(name, {})
    low, high = (kind(end) for end in _BOUNDS[name])
    for value in (low, high):
        assert getattr(Config.of({**others, name: value}), name) == value
    beyond = [low - 1, high * 2] + ([float("nan"), float("inf")] if kind is float else [])
    for value in beyond:
        with pytest.raises(BadConfig, match=f"^{name}: expected .+ to .+, got "):
            Config.of({name: value})


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"exlpore": 0.1}, "exlpore: no such setting; there are: seed, policy, policy_share, explore, "),
        ({"seed": 1.5}, "seed: expected a whole number, got 1.5"),
        ({"seed": True}, "seed: expected a whole number, got True"),
        ({"seed": "1"}, "seed: expected a whole number, got '1'"),
        ({"explore": "0.1"}, "explore: expected a number, got '0.1'"),
        ({"explore": False}, "explore: expected a number, got False"),
        ({"explore": None}, "explore: expected a number, got None"),
        ({"policy": 5}, "policy: expected a text, got 5"),
        ({"size_max": 1e3}, "size_max: expected a whole number, got 1000.0"),
        ({"seed": -1}, "seed: expected 0 to "),
        ({"policy_share": 1.5}, "policy_share: expected 0.0 to 1.0, got 1.5"),
        ({"explore": 0.6}, "explore: expected 0.0 to 0.5, got 0.6"),
        ({"window_min_s": 7200}, "window_min_s: 7200.0 is above window_max_s 3600.0; lower it"),
    ],
)
def test_a_setting_that_cannot_be_used(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(BadConfig) as caught:
        Config.of(settings)
    assert str(caught.value).startswith(error)


def test_a_whole_number_serves_as_a_number() -> None:
    """TOML tells 600 from 600.0; a person does not."""
    assert Config.of({"window_min_s": 600}) == Config(window_min_s=600.0)
    assert type(Config.of({"window_min_s": 600}).window_min_s) is float


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)


@given(st.dictionaries(st.sampled_from([spec.name for spec in fields(Config)]), VALUES, max_size=4))
def test_settings_are_taken_as_they_are_or_refused(settings: dict[str, Any]) -> None:
    """What is taken stands in the settings, all else is as by default; nothing is bent to fit."""
    try:
        found = asdict(Config.of(settings))
    except BadConfig:
        return
    assert found == asdict(Config()) | settings
