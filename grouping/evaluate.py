"""Measures of a grouping against known groups. Pure counting over the contingency table.

``found`` is the incident of each alert, ``truth`` its known group, None for an alert that belongs to no incident
(noise). Every alert counts, repeats too, as each was decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from math import comb, log2


@dataclass(frozen=True, slots=True)
class Scores:
    """How good a grouping is; all in [0, 1] but the counts."""

    macro_jaccard: float  # each group of more than one alert once, with its best-matching incident, noise against it
    log_jaccard: float  # the same, weighted by log2(1 + size)
    precision: float  # of pairs of grouped alerts put together, the share that belongs together
    recall: float  # of pairs that belong together, the share put together
    f1: float
    alerts: int
    groups: int
    incidents: int


def evaluate(pairs: Iterable[tuple[Hashable, Hashable | None]]) -> Scores:
    """Scores of (found, truth) pairs, one per alert.

    Pairwise precision and recall are over grouped alerts (noise left out); the Jaccards count noise against an
    incident, as a responder would.
    """
    cells: Counter[tuple[Hashable, Hashable | None]] = Counter(pairs)
    incidents: Counter[Hashable] = Counter()
    groups: Counter[Hashable] = Counter()
    grouped: Counter[Hashable] = Counter()  # alerts of an incident that are not noise
    for (incident, group), count in cells.items():
        incidents[incident] += count
        if group is not None:
            groups[group] += count
            grouped[incident] += count
    best = dict.fromkeys(groups, 0.0)
    together = 0
    for (incident, group), count in cells.items():
        if group is not None:
            together += comb(count, 2)
            best[group] = max(best[group], count / (incidents[incident] + groups[group] - count))
    several = {group: size for group, size in groups.items() if size > 1}
    weight = {group: log2(1 + size) for group, size in several.items()}
    precision = _share(together, sum(comb(size, 2) for size in grouped.values()))
    recall = _share(together, sum(comb(size, 2) for size in groups.values()))
    return Scores(
        macro_jaccard=_share(sum(best[group] for group in several), len(several)),
        log_jaccard=_share(sum(best[group] * weight[group] for group in several), sum(weight.values())),
        precision=precision,
        recall=recall,
        f1=_share(2 * precision * recall, precision + recall),
        alerts=cells.total(),
        groups=len(groups),
        incidents=len(incidents),
    )


def _share(part: float, whole: float) -> float:
    """part / whole; 1 where there was nothing to get right."""
    return part / whole if whole else 1.0
