"""Rules: same key, not silent for too long. In plain Python, without a line of the engine's code."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from benchmarks.baselines.base import Grouper
from grouping.records import Alert


@dataclass(slots=True)
class Open:
    """An incident that may take alerts: times in s."""

    label: str
    first: float
    last: float
    count: int = 0
    gone: bool = False


Limit = Callable[[Open], float]  # how long a silence an incident survives, s


class Keyed(Grouper):
    """Join the key's last incident while it is not closed and its silence is within the limit, else open one."""

    def __init__(self, key: Callable[[Alert], Hashable | None], limit: Limit) -> None:
        """``key``: None if it is unknown, which equals nothing."""
        self._key = key
        self._limit = limit
        self._last: dict[Hashable, Open] = {}
        self._open: dict[str, Open] = {}

    def group(self, alert: Alert, at: float) -> str:
        key = self._key(alert)
        known = self._last.get(key) if key is not None else None
        if known is None or known.gone or at - known.last > self._limit(known):
            if known is not None:
                self._open.pop(known.label, None)
            known = self._open[alert.id] = Open(alert.id, at, at)
            if key is not None:
                self._last[key] = known
        known.count += 1
        known.first, known.last = min(known.first, at), max(known.last, at)
        return known.label

    def closed(self, label: str) -> None:
        if label in self._open:
            self._open.pop(label).gone = True


def fields(*names: str) -> Callable[[Alert], Hashable | None]:
    """The key of these fields; unknown where one of them is missing."""

    def key(alert: Alert) -> Hashable | None:
        values = tuple(value_of(alert, name) for name in names)
        return None if None in values else values

    return key


def value_of(alert: Alert, name: str) -> Any:
    """A field of an alert by its name in the event format."""
    if name.startswith("details."):
        return alert.details.get(name.removeprefix("details."))
    return getattr(alert, "class_" if name == "class" else name)


def key_silence(*names: str, silence: float) -> Keyed:
    """Same values of the fields, silent for at most ``silence`` s; without fields: a gap in time alone.

    What PagerDuty calls content-based and time-based grouping, Sentinel and Elastic grouping by entities, and most
    in-house scripts do.
    """
    return Keyed(fields(*names), lambda _: silence)


def relative_silence(*names: str, low: float, high: float = 30.0, times: float = 40.0) -> Keyed:
    """The same with a limit of ``times`` an incident's own mean inter-arrival time, between low and high s."""

    def limit(one: Open) -> float:
        if one.count < 3:  # one gap says little
            return low
        return min(max(times * (one.last - one.first) / (one.count - 1), low), high)

    return Keyed(fields(*names), limit)


def rule(name: str) -> Keyed:
    """The rule that the engine would follow as the policy of that name: ``service+class=300s``, ``*~2s``, ``host~5-60s``.

    Raises ValueError for a name that is not a rule's.
    """
    match = _RULE.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r}: expected a rule such as service=300s or *~2s")
    names = () if match["key"] == "*" else match["key"].split("+")
    low, high = float(match["low"]), float(match["high"] or 30.0)
    if match["kind"] == "=":
        return key_silence(*names, silence=low)
    return relative_silence(*names, low=low, high=max(low, high))


def is_rule(name: str) -> bool:
    """Whether ``rule`` can make one of that name."""
    return _RULE.fullmatch(name) is not None


_RULE = re.compile(r"(?P<key>\*|[\w.+]+)(?P<kind>[~=])(?P<low>[\d.]+)(?:-(?P<high>[\d.]+))?s")
