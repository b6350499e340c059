"""Measures of a grouping against known groups. Pure counting over the contingency table, one pass over the alerts.

``found`` is the incident of each alert, ``truth`` its known group, None for an alert that belongs to no incident
(noise). Every alert counts, repeats too, as each was decided; ``decided.py`` says which incident that is where
responders corrected on the way.

Measures that end in ``_noise`` take every noise alert for a group of its own, which nothing may join; those without
look at grouped alerts alone. The Jaccards always count noise against an incident, as a responder would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import comb, log2
from typing import NamedTuple

Pair = tuple[Hashable, Hashable | None]  # found, truth


@dataclass(frozen=True, slots=True)
class Scores:
    """How good a grouping is; in [0, 1] where nothing else is said."""

    macro_jaccard: float  # each group of more than one alert once, with its best-matching incident, noise against it
    log_jaccard: float  # the same, weighted by log2(1 + size)
    precision: float  # of pairs of grouped alerts put together, the share that belongs together
    recall: float  # of pairs that belong together, the share put together
    f1: float
    b3_precision: float  # B-cubed: mean over alerts of the share of its incident that is of its group ...
    b3_recall: float  # ... and of the share of its group that is in its incident (Bagga and Baldwin, 1998)
    b3_f1: float
    rand: float  # Rand index adjusted for chance (Hubert and Arabie, 1985); 0 for chance, can be below
    precision_noise: float
    f1_noise: float  # with ``recall``: noise belongs to nothing, so it adds no pair that was missed
    b3_precision_noise: float
    b3_recall_noise: float
    b3_f1_noise: float
    rand_noise: float
    actions: float  # moves and merges that would put everything right, per group of more than one alert
    contamination: float  # of the alerts in incidents that hold a group, the share that is not of its largest one
    per_1000: float  # incidents per 1000 alerts
    hidden: int  # groups whose first alert joined another group's incident: a second outage that nobody was told of
    alerts: int
    groups: int
    incidents: int


class Match(NamedTuple):
    """How one group was found."""

    group: Hashable
    alerts: int
    first: int  # the number of its first alert among the pairs
    incident: Hashable  # the best-matching one
    jaccard: float  # with that one, noise counted
    spread: int  # incidents that hold some of it


def evaluate(pairs: Iterable[Pair], since: int = 0) -> Scores:
    """Scores of (found, truth) pairs, one per alert in the order of the stream, from number ``since`` on.

    What came before ``since`` only tells whether a group, or an incident, was new.
    """
    pairs = pairs if isinstance(pairs, Sequence) else list(pairs)
    table = _Table(pairs[since:] if since else pairs)
    several = [match for match in table.matches() if match.alerts > 1]
    weights = [log2(1 + match.alerts) for match in several]
    precision, recall, f1 = table.pairwise()
    precision_noise, _, f1_noise = table.pairwise(noise=True)
    b3_precision, b3_recall, b3_f1 = table.b_cubed()
    b3_precision_noise, b3_recall_noise, b3_f1_noise = table.b_cubed(noise=True)
    return Scores(
        macro_jaccard=_share(sum(match.jaccard for match in several), len(several)),
        log_jaccard=_share(
            sum(match.jaccard * weight for match, weight in zip(several, weights, strict=True)), sum(weights)
        ),
        precision=precision,
        recall=recall,
        f1=f1,
        b3_precision=b3_precision,
        b3_recall=b3_recall,
        b3_f1=b3_f1,
        rand=table.rand(),
        precision_noise=precision_noise,
        f1_noise=f1_noise,
        b3_precision_noise=b3_precision_noise,
        b3_recall_noise=b3_recall_noise,
        b3_f1_noise=b3_f1_noise,
        rand_noise=table.rand(noise=True),
        actions=table.actions() / len(several) if several else 0.0,
        contamination=table.contamination(),
        per_1000=1000 * len(table.incidents) / table.alerts if table.alerts else 0.0,
        hidden=sum(number >= since for number in hidden(pairs)),
        alerts=table.alerts,
        groups=len(table.groups),
        incidents=len(table.incidents),
    )


def matches(pairs: Iterable[Pair]) -> list[Match]:
    """How each group was found, in the order of their first alerts. A tie goes to the incident met first."""
    return _Table(pairs).matches()


def hidden(pairs: Iterable[Pair]) -> list[int]:
    """The numbers of those alerts that are the first of their group and joined an incident with alerts of another."""
    found: list[int] = []
    groups: set[Hashable] = set()
    taken: set[Hashable] = set()  # incidents that hold a grouped alert
    for number, (incident, group) in enumerate(pairs):
        if group is None:
            continue
        if group not in groups:
            groups.add(group)
            if incident in taken:
                found.append(number)
        taken.add(incident)
    return found


class _Table:
    """How many alerts of each group are in each incident, and the sums over rows and columns."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self.cells: Counter[Pair] = Counter()
        self.first: dict[Hashable, int] = {}
        number = -1
        for number, pair in enumerate(pairs):
            self.cells[pair] += 1
            if pair[1] not in self.first:
                self.first[pair[1]] = number
        self.alerts = number + 1
        self.incidents: Counter[Hashable] = Counter()
        self.groups: Counter[Hashable] = Counter()
        self.grouped: Counter[Hashable] = Counter()  # alerts of an incident that are not noise
        for (incident, group), count in self.cells.items():
            self.incidents[incident] += count
            if group is not None:
                self.groups[group] += count
                self.grouped[incident] += count

    def matches(self) -> list[Match]:
        spread: Counter[Hashable] = Counter()
        best: dict[Hashable, tuple[float, Hashable]] = {}
        for (incident, group), count in self.cells.items():
            if group is not None:
                spread[group] += 1
                jaccard = count / (self.incidents[incident] + self.groups[group] - count)
                if jaccard > best.get(group, (0.0, None))[0]:
                    best[group] = jaccard, incident
        return [
            Match(group, size, self.first[group], best[group][1], best[group][0], spread[group])
            for group, size in self.groups.items()
        ]

    def pairwise(self, *, noise: bool = False) -> tuple[float, float, float]:
        """Precision, recall and F1 of pairs put together."""
        together = sum(comb(count, 2) for (_, group), count in self.cells.items() if group is not None)
        sizes = self.incidents if noise else self.grouped
        precision = _share(together, sum(comb(size, 2) for size in sizes.values()))
        recall = _share(together, sum(comb(size, 2) for size in self.groups.values()))
        return precision, recall, _f1(precision, recall)

    def b_cubed(self, *, noise: bool = False) -> tuple[float, float, float]:
        """Precision, recall and F1 of alerts."""
        sizes, precision, recall = self.incidents if noise else self.grouped, 0.0, 0.0
        for (incident, group), count in self.cells.items():
            if group is not None:
                precision += count * count / sizes[incident]
                recall += count * count / self.groups[group]
            elif noise:
                precision += count / sizes[incident]
                recall += count
        alerts = self.alerts if noise else self.groups.total()
        precision, recall = _share(precision, alerts), _share(recall, alerts)
        return precision, recall, _f1(precision, recall)

    def rand(self, *, noise: bool = False) -> float:
        """The adjusted Rand index; 1 where both say the same and nothing could be told apart."""
        together = sum(comb(count, 2) for (_, group), count in self.cells.items() if group is not None)
        found = sum(comb(size, 2) for size in (self.incidents if noise else self.grouped).values())
        true = sum(comb(size, 2) for size in self.groups.values())
        expected = _share(found * true, comb(self.alerts if noise else self.groups.total(), 2))
        return _share(together - expected, (found + true) / 2 - expected)

    def actions(self) -> int:
        """A move for every foreign group in an incident (all noise in it is one), a merge for every spread group."""
        spread: Counter[Hashable] = Counter()
        parts: Counter[Hashable] = Counter()
        for incident, group in self.cells:
            if self.grouped[incident]:
                parts[incident] += 1
            if group is not None:
                spread[group] += 1
        return sum(count - 1 for count in parts.values()) + sum(count > 1 for count in spread.values())

    def contamination(self) -> float:
        largest: dict[Hashable, int] = {}
        for (incident, group), count in self.cells.items():
            if group is not None and count > largest.get(incident, 0):
                largest[incident] = count
        held = sum(self.incidents[incident] for incident in largest)
        return 1 - sum(largest.values()) / held if held else 0.0


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _share(part: float, whole: float) -> float:
    """part / whole; 1 where there was nothing to get right."""
    return part / whole if whole else 1.0
