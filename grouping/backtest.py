"""Two plays of the same log, alert by alert, held against what is known of the alerts.

A row is an alert, in order of arrival. Plays number their incidents; ``before`` and ``after`` are the incidents that
the two plays put it into when it came, whatever a responder changed later. A group is what an alert truly belongs to,
as far as somebody told: UNKNOWN where nobody did, NOISE where it belongs to no incident.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grouping.evaluate import Scores, evaluate

UNKNOWN, NOISE = -1, -2
LATE_S = 60.0  # a page this much later than before is told

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Play:
    """What one play made of the alerts: the incident of each (n,), and whether it opened it (n,): a page."""

    incident: Ints
    opened: Bools


@dataclass(frozen=True, slots=True)
class Traffic:
    """The alerts of a log in two plays. ``at`` (n,) seconds since the epoch, ``critical`` (n,)."""

    at: NDArray[np.float64]
    critical: Bools
    before: Play
    after: Play


@dataclass(frozen=True, slots=True)
class Known:
    """What the alerts belong to: a group's number, UNKNOWN or NOISE (n,); and whether somebody said so (n,).

    Not ``firm`` is what was only left as it was: silence may be agreement, or nobody may have looked.
    """

    group: Ints
    firm: Bools


class Outage(NamedTuple):
    """A group of alerts as one play pages for it. Hidden: it opens no incident, and is not half of any."""

    group: int
    first: int  # its first alert, a row
    page: int | None  # its first alert that somebody is paged for, a row
    host: int  # the incident of that play into which the first alert went
    alerts: int
    critical: bool
    firm: bool


class Held(NamedTuple):
    """The two plays against what is known."""

    alerts: int
    groups: int
    noise: int
    before: Scores
    after: Scores
    wrong_before: Bools  # (n,) apart from most of its group, or in an incident that is mostly another group's
    wrong_after: Bools
    hidden: list[Outage]  # paged before, nobody paged after
    late: list[Outage]  # paged LATE_S later, or more
    found: list[Outage]  # nobody paged before, paged after
    unpaged_before: int  # groups that nobody is paged for
    unpaged_after: int
    noise_pages_before: int
    noise_pages_after: int

    def better(self) -> Bools:
        """(n,) wrong before and right after."""
        return self.wrong_before & ~self.wrong_after

    def worse(self) -> Bools:
        """(n,) right before and wrong after."""
        return ~self.wrong_before & self.wrong_after


def hold(traffic: Traffic, known: Known) -> Held:
    """Hold both plays against what is known."""
    group, told = known.group, known.group != UNKNOWN
    before, after = traffic.before, traffic.after
    noise = group == NOISE
    outages = list(_outages(traffic, known))
    hidden, found, late = list[Outage](), list[Outage](), list[Outage]()
    for paged_before, paged_after in outages:
        if paged_before.page is None and paged_after.page is not None:
            found.append(paged_before)
        elif paged_before.page is not None and paged_after.page is None:
            hidden.append(paged_after)
        elif _delay(traffic, paged_before.page, paged_after.page) >= LATE_S:
            late.append(paged_after)
    return Held(
        alerts=int(told.sum()),
        groups=len(outages),
        noise=int(noise.sum()),
        before=_scores(before, known),
        after=_scores(after, known),
        wrong_before=wrong(before.incident, group),
        wrong_after=wrong(after.incident, group),
        hidden=hidden,
        late=late,
        found=found,
        unpaged_before=sum(paged.page is None for paged, _ in outages),
        unpaged_after=sum(paged.page is None for _, paged in outages),
        noise_pages_before=int((before.opened & noise).sum()),
        noise_pages_after=int((after.opened & noise).sum()),
    )


def _delay(traffic: Traffic, before: int | None, after: int | None) -> float:
    """How much later a page comes, s; 0 without one."""
    return 0.0 if before is None or after is None else float(traffic.at[after] - traffic.at[before])


def _scores(play: Play, known: Known) -> Scores:
    rows = zip(play.incident.tolist(), known.group.tolist(), strict=True)
    return evaluate((incident, None if group == NOISE else group) for incident, group in rows if group != UNKNOWN)


def wrong(incident: Ints, group: Ints) -> Bools:
    """(n,) whether an alert is apart from most of its group, or in an incident that is mostly another group's.

    Noise is wrong in a group's incident. What is unknown is never wrong. Of equal parts the one seen first counts.
    """
    real = group >= 0
    main = _most(group[real], incident[real])
    owner = _most(incident[real], group[real])
    rows = zip(incident.tolist(), group.tolist(), strict=True)
    found = [
        own in owner if mine == NOISE else mine != UNKNOWN and (main[mine] != own or owner[own] != mine)
        for own, mine in rows
    ]
    return np.array(found, np.bool_)


def _most(keys: Ints, values: Ints) -> dict[int, int]:
    """For each key the value that it has in most rows, of equals the one seen first."""
    best: dict[int, tuple[int, int]] = {}
    for (key, value), count in Counter(zip(keys.tolist(), values.tolist(), strict=True)).items():
        if key not in best or count > best[key][1]:
            best[key] = (value, count)
    return {key: value for key, (value, _) in best.items()}


def _outages(traffic: Traffic, known: Known) -> Iterable[tuple[Outage, Outage]]:
    """Each group as the two plays paged for it, in order of their first alerts."""
    plays, real = (traffic.before, traffic.after), known.group >= 0
    halves = [_half(play, known.group) for play in plays]
    rows: dict[int, list[int]] = {}
    for row in real.nonzero()[0].tolist():
        rows.setdefault(int(known.group[row]), []).append(row)
    for group, own in rows.items():
        critical, firm = bool(traffic.critical[own].any()), bool(known.firm[own].any())
        one, two = (
            Outage(group, own[0], _page(play, own, group, half), int(play.incident[own[0]]), len(own), critical, firm)
            for play, half in zip(plays, halves, strict=True)
        )
        yield one, two


def _half(play: Play, group: Ints) -> set[tuple[int, int]]:
    """Each incident with the groups, known or not, that have at least half of its alerts."""
    sizes = Counter(play.incident.tolist())
    shared = Counter(zip(play.incident.tolist(), group.tolist(), strict=True))
    return {pair for pair, count in shared.items() if 2 * count >= sizes[pair[0]]}


def _page(play: Play, rows: list[int], group: int, half: set[tuple[int, int]]) -> int | None:
    """The first alert of a group that somebody is paged for, if any.

    It opens an incident; or it goes into one of which half is its group: whoever is paged for that one looks at it.
    """
    return next((row for row in rows if play.opened[row] or (int(play.incident[row]), group) in half), None)


def stood(play: Play, known: Known) -> Bools:
    """(n,) whether what was done with an alert was right, as a reward for that one decision.

    Opening: right for the first alert of a group, and for noise. Joining: right where the incident is mostly of the
    alert's group. False where nothing is known.
    """
    group, seen, found = known.group, set[int](), list[bool]()
    real = group >= 0
    owner = _most(play.incident[real], group[real])
    for opened, own, mine in zip(play.opened.tolist(), play.incident.tolist(), group.tolist(), strict=True):
        if mine < 0:
            found.append(mine == NOISE and (opened or own not in owner))
        else:
            found.append(mine not in seen if opened else owner[own] == mine)
            seen.add(mine)
    return np.array(found, np.bool_)


# -- what moves


def moved(before: Ints, after: Ints) -> Bools:
    """(n,) whether an alert would be elsewhere: not in the incident that takes the place of the one it was in.

    Incidents of the two plays are paired one to one, those that share most alerts first, of equals those seen first.
    """
    shared = Counter(zip(before.tolist(), after.tolist(), strict=True))
    left, right = dict[int, int](), set[int]()
    for (one, other), _ in sorted(shared.items(), key=lambda item: -item[1]):  # stable: seen first stays first
        if one not in left and other not in right:
            left[one] = other
            right.add(other)
    rows = zip(before.tolist(), after.tolist(), strict=True)
    return np.array([left.get(one) != other for one, other in rows], np.bool_)


class Shift(NamedTuple):
    """Alerts that go the same way: from one incident of the first play to one of the second."""

    verdict: str  # "hidden", "worse", "better" or "unknown"
    before: int
    after: int
    rows: list[int]


VERDICTS = ("hidden", "worse", "better", "unknown")


def shifts(traffic: Traffic, held: Held | None, most: int) -> list[Shift]:
    """At most ``most`` examples of what changes: in turn one of each verdict, the largest of it first."""
    away = moved(traffic.before.incident, traffic.after.incident)
    found: dict[tuple[str, int, int], list[int]] = {}
    hidden = {outage.first for outage in held.hidden} if held else set()
    worse = held.worse() if held else np.zeros(len(away), np.bool_)
    better = held.better() if held else worse
    for row in (away | worse | better).nonzero()[0].tolist():
        verdict = "worse" if worse[row] else "better" if better[row] else "unknown"
        place = int(traffic.before.incident[row]), int(traffic.after.incident[row])
        found.setdefault((verdict, *place), []).append(row)
    for row in hidden:
        found["hidden", int(traffic.before.incident[row]), int(traffic.after.incident[row])] = [row]
    sorts: dict[str, list[Shift]] = {verdict: [] for verdict in VERDICTS}
    for (verdict, one, other), rows in found.items():
        sorts[verdict].append(Shift(verdict, one, other, rows))
    for sort in sorts.values():
        sort.sort(key=lambda shift: (-len(shift.rows), shift.rows[0]))
    turns = chain.from_iterable(zip_longest(*sorts.values()))
    shown = [shift for shift in turns if shift is not None][:most]
    return sorted(shown, key=lambda shift: (VERDICTS.index(shift.verdict), -len(shift.rows), shift.rows[0]))
