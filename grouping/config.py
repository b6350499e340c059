"""The settings, their defaults, bounds and meaning. One fixed default serves all data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


class BadConfig(ValueError):
    """A setting that cannot be used; the message names place, value and remedy."""


@dataclass(frozen=True, slots=True)
class Config:
    """All that a person can set. Times are in seconds of event time."""

    seed: int = 0  # of the draws; part of "same input, same config, same bytes"
    policy: str = "default"  # what decides in a scope until something better is chosen for it
    policy_share: float = 1.0  # of the scopes get that policy, by a hash of the name, the others "default"
    explore: float = 0.02  # at most this share of decisions is drawn against the best score; 0 switches it off
    window_min_s: float = 300.0  # an incident takes new alerts for at least this long after its last one ...
    window_max_s: float = 3600.0  # ... and at most this long; in between, `window_pace` times the scope's own pace
    window_pace: float = 40.0  # mean inter-arrival times of the scope
    age_max_s: float = 86_400.0  # an incident older than this takes no new alerts
    size_max: int = 100_000  # nor one with this many alerts
    late_s: float = 300.0  # an alert this much behind its scope's clock is still judged at its own time
    open_max: int = 65_536  # joinable incidents in a scope; beyond it the one longest untouched takes no more alerts
    hot_scopes: int = 1024  # scopes held decoded in memory; the others wait as records

    def __post_init__(self) -> None:
        for spec in fields(self):
            value = getattr(self, spec.name)
            low, high = _BOUNDS.get(spec.name, (None, None))
            if low is not None and not low <= value <= high:
                raise BadConfig(f"{spec.name}: expected {low} to {high}, got {value!r}")
        if self.window_min_s > self.window_max_s:
            raise BadConfig(f"window_min_s: {self.window_min_s} is above window_max_s {self.window_max_s}; lower it")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Config:
        """Settings by name, as a TOML file or the command line gives them. Raises BadConfig."""
        kinds = {spec.name: type(spec.default) for spec in fields(cls)}
        clean: dict[str, Any] = {}
        for key, value in settings.items():
            if key not in kinds:
                raise BadConfig(
                    f"{key}: no such setting; there are: {', '.join(kinds)}; what is not of the engine stands in its table, "
                    "[service], [formats] or [worker]"
                )
            kind = kinds[key]
            fitting = float(value) if kind is float and type(value) is int else value
            if type(fitting) is not kind:
                raise BadConfig(f"{key}: expected {_WORDS[kind]}, got {value!r}")
            clean[key] = fitting
        return cls(**clean)


_WORDS = {int: "a whole number", float: "a number", str: "a text"}
_BOUNDS: dict[str, tuple[float, float]] = {
    "seed": (0, 2**63),
    "policy_share": (0.0, 1.0),
    "explore": (0.0, 0.5),
    "window_min_s": (1.0, 604_800.0),
    "window_max_s": (1.0, 604_800.0),
    "window_pace": (1.0, 10_000.0),
    "age_max_s": (60.0, 31_536_000.0),
    "size_max": (2, 10_000_000),
    "late_s": (0.0, 604_800.0),
    "open_max": (2, 1_000_000),
    "hot_scopes": (1, 1_000_000),
}
