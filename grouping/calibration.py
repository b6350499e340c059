"""Does the engine know how sure it is? Decisions by the margin of their score, and how many of them a responder changed.

The scores of two actions differ by the log of their odds (the logistic link; Bradley & Terry, 1952): what was done should
turn out right with the chance 1 / (1 + exp(-margin)) against the next best. The expected calibration error is how far
that is from what responders left standing: per band of margins, averaged over decisions (Naeini, Cooper & Hauskrecht,
AAAI 2015). What nobody looked at counts as right, as in the override rate.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Mapping
from math import exp

EDGES = (0.0, 0.5, 1.0, 2.0, 4.0)  # between the bands; a draw against the best score is below 0
KEPT = 32_768  # latest decisions that can be found changed later
_STEPS = 1000  # a chance is summed up in thousandths, so that sums are exact

_MADE = tuple(f"made_{band}" for band in range(len(EDGES) + 1))
_CHANGED = tuple(f"changed_{band}" for band in range(len(EDGES) + 1))
_EXPECTED = tuple(f"expected_{band}" for band in range(len(EDGES) + 1))
COUNTED = (*_MADE, *_CHANGED, *_EXPECTED)

_Place = tuple[str, str]  # scope and alert, or scope and incident that it opened


class Calibration:
    """Remembers the bands of the latest decisions."""

    def __init__(self) -> None:
        self._alerts: dict[_Place, int] = {}
        self._opened: dict[_Place, int] = {}

    def decided(self, counts: Counter[str], scope: str, alert: str, opened: str | None, margin: float) -> None:
        """A decision between several actions. ``opened``: the incident, if that is what was done."""
        band = bisect(EDGES, margin)
        counts[_MADE[band]] += 1
        counts[_EXPECTED[band]] += round(_STEPS / (1.0 + exp(-max(-50.0, min(50.0, margin)))))
        _keep(self._alerts, (scope, alert), band)
        if opened is not None:
            _keep(self._opened, (scope, opened), band)

    def moved(self, counts: Counter[str], scope: str, alerts: Iterable[str]) -> None:
        """These were put wrongly."""
        for alert in alerts:
            _change(counts, self._alerts.pop((scope, alert), None))

    def merged(self, counts: Counter[str], scope: str, incident: str) -> None:
        """This should not have been opened."""
        _change(counts, self._opened.pop((scope, incident), None))


def error(counts: Mapping[str, int]) -> float:
    """The expected calibration error, 0 to 1; 0 where nothing was decided."""
    total = sum(counts.get(made, 0) for made in _MADE)
    apart = sum(
        abs(counts.get(expected, 0) / _STEPS - (counts.get(made, 0) - counts.get(changed, 0)))
        for made, changed, expected in zip(_MADE, _CHANGED, _EXPECTED, strict=True)
    )
    return apart / total if total else 0.0


def _keep(known: dict[_Place, int], place: _Place, band: int) -> None:
    known[place] = band
    if len(known) > KEPT:
        del known[next(iter(known))]


def _change(counts: Counter[str], band: int | None) -> None:
    if band is not None:
        counts[_CHANGED[band]] += 1
