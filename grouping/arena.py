"""The joinable incidents of a scope as columns of arrays, and which of them are most like an alert.

Arrays in, arrays out: it knows no alert and no incident, only rows and slots. ``profile`` (PROFILE_ROWS, capacity)
counts, feature-major, how many of a slot's recent alerts had each hashed feature; ``stats`` (STATS, capacity) holds
a few numbers per slot. Scoring gathers the rows of one alert and sums down them.

Same bytes on every machine: only ``+ - * /``, comparisons and look-ups, and sums down the slow axis in a fixed order.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from grouping.layout import ABSENT, FIRST, LAST, LENGTH_NOW, LIMIT, PROFILE_ROWS, SHARE, SIZE_NOW, STATS

Floats = NDArray[np.float64]
Counts = NDArray[np.uint8]
Places = NDArray[np.intp]

HALVE_AT = 128.0  # alerts after which a slot's counts are halved: the recent ones weigh more, and counts fit a byte
MIN_SLOTS = 16
DENSE = 4096  # up to so many slots are all scored; above, only those that share the alert's rarest values
SPARSE_ROWS = 4  # rarest rows looked at then
SPARSE_SLOTS = 256  # and slots scored then
NEVER = -1e18  # LAST of a free slot: no window reaches back to it


class Arena:
    """Columns for the joinable incidents. Grows by doubling; no score depends on the capacity."""

    def __init__(self) -> None:
        self.used = 0
        self._allocate(MIN_SLOTS)

    def _allocate(self, capacity: int) -> None:
        self.capacity = capacity
        self.profile = np.zeros((PROFILE_ROWS, capacity), np.uint8)
        self.stats = np.zeros((STATS, capacity))
        self.stats[LAST] = NEVER
        self.counts = self.profile.reshape(-1)  # the same, flat
        self._free = list(range(capacity))  # a heap

    def take(self) -> int:
        """A free slot: the lowest, so that the same history gives the same layout."""
        if not self._free:
            self._grow()
        self.used += 1
        return heappop(self._free)

    def claim(self, slot: int) -> None:
        """Take this very slot: an incident read back from the store stands where it stood."""
        while slot >= self.capacity:
            self._grow()
        self._free.remove(slot)
        heapify(self._free)
        self.used += 1

    def put_back(self, slot: int) -> None:
        """Empty a slot."""
        self.clear(slot)
        self.stats[:, slot] = 0
        self.stats[LAST, slot] = NEVER
        heappush(self._free, slot)
        self.used -= 1

    def clear(self, slot: int) -> None:
        """Forget what a slot's alerts look like."""
        self.profile[:, slot] = 0
        self.stats[SHARE, slot] = 0

    def _grow(self) -> None:
        profile, stats, free, old = self.profile, self.stats, self._free, self.capacity
        self._allocate(old * 2)
        self.profile[:, :old] = profile
        self.stats[:, :old] = stats
        self._free = free + list(range(old, 2 * old))
        heapify(self._free)

    def describe(self, slot: int, last: float, first: float, count: int, limit: float) -> None:
        """Write down a slot's times (s), number of alerts and the silence (s) it survives."""
        stats = self.stats
        length = last - first
        stats[LAST, slot] = last
        stats[FIRST, slot] = first
        stats[SIZE_NOW, slot] = count / (count + 8.0)
        stats[LENGTH_NOW, slot] = length / (length + 600.0)
        stats[LIMIT, slot] = limit

    def add(self, slot: int, rows: Places, weight: float) -> float:
        """Count one alert's rows (R,) into a slot that holds ``weight`` alerts; returns the new weight.

        A row that stands twice counts once.
        """
        column = self.profile[:, slot]
        if weight >= HALVE_AT:
            column >>= 1
            weight *= 0.5
        column[rows] += 1
        column[ABSENT] = 0
        self.stats[SHARE, slot] = 1.0 / (weight + 1.0)
        return weight + 1.0

    def shares(self, slots: Places, rows: Places, share: Floats) -> Floats:
        """Shares (R, len(slots)) of the slots' alerts that have each of the features; ``share`` is row SHARE."""
        places = rows[:, None] * self.capacity
        places = places + slots
        return np.multiply(self.counts.take(places), share)

    def alike(self, since: float, rows: Places, keep: int) -> list[int]:
        """Up to ``keep`` slots that share most of the given features, in order of slot.

        rows (S,), at most 255: a slot's likeness is how many of them its alerts have; a row that stands twice counts
        twice. Slots without an alert since ``since`` are left out; of equal ones the lower slots are taken.
        """
        if self.used <= DENSE:
            places = _most(self.profile.take(rows, 0), self.stats[LAST], since, keep)
            return [int(place) for place in places]
        slots = self._sharing(rows)
        places = _most(self.profile[rows[:, None], slots], self.stats[LAST].take(slots), since, keep)
        return [int(slot) for slot in slots.take(places)]

    def _sharing(self, rows: Places) -> Places:
        """Up to SPARSE_SLOTS slots that share the alert's rarest features (rare: held by few slots), in order.

        Where there are too many, the most recent ones.
        """
        held = self.profile.take(rows, 0) != 0
        spread = np.add.reduce(held, 1, np.intp)
        spread[spread == 0] = self.capacity + 1
        rarest = np.argsort(spread, kind="stable")[:SPARSE_ROWS]
        slots: Places = np.logical_or.reduce(held.take(rarest, 0), 0).nonzero()[0]
        if len(slots) > SPARSE_SLOTS:
            slots = slots.take(_latest(self.stats[LAST].take(slots), SPARSE_SLOTS))
        return slots


def _most(profile: Counts, last: Floats, since: float, keep: int) -> Places:
    held = (profile != 0).view(np.uint8)
    score = np.add.reduce(held, 0, np.uint8)
    score *= last >= since
    return _largest(score, keep)


def _largest(values: Counts, keep: int) -> Places:
    """Places of the ``keep`` largest positive values, in order of place; of equal ones the first.

    Not argpartition: which of several equal values it takes depends on the processor.
    """
    size = len(values)
    edge = np.partition(values, size - keep)[size - keep] if size > keep else 0
    if not edge:
        return values.nonzero()[0]
    places: Places = (values >= edge).nonzero()[0]
    if len(places) == keep:
        return places
    above = (values > edge).nonzero()[0]
    level = (values == edge).nonzero()[0][: keep - len(above)]
    return np.sort(np.concatenate((above, level)))


def _latest(times: Floats, keep: int) -> Places:
    """Places of the ``keep`` latest times, in order of place; of equal ones the first."""
    order: Places = np.sort(np.argsort(-times, kind="stable")[:keep])
    return order
