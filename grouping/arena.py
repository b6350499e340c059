"""The joinable incidents of a scope as columns of arrays, and which of them are most like an alert.

Arrays in, arrays out: it knows no alert and no incident, only rows and slots. ``profile`` (PROFILE_ROWS, capacity)
counts, feature-major, how many of a slot's recent alerts had each hashed feature; ``stats`` (STATS, capacity) holds
a few numbers per slot. Looking up gathers the rows of one alert and sums down them, compiled where it could be.

Same bytes on every machine: only ``+ - * /``, comparisons and look-ups, and sums down the slow axis in a fixed order.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Final

import numpy as np
from numpy.typing import NDArray

from grouping import kernel
from grouping.layout import ABSENT, COUNT, FIRST, LAST, LENGTH_NOW, LIMIT, PROFILE_ROWS, SHARE, STATS

Floats = NDArray[np.float64]
Counts = NDArray[np.uint8]
Singles = NDArray[np.float32]
Places = NDArray[np.intp]

HALVE_AT: Final = 128.0  # alerts after which a slot's counts are halved: recent ones weigh more, counts fit a byte
MIN_SLOTS: Final = 16
STRONG: Final = 8  # rarest features of an alert by which alike incidents are looked up
NEVER: Final = -1e18  # LAST of a free slot: no window reaches back to it


class Arena:
    """Columns for the joinable incidents. Grows by doubling; no score depends on the capacity."""

    def __init__(self) -> None:
        self.used = 0
        self.top = 0  # slots from here on were never taken
        self._allocate(MIN_SLOTS)

    def _allocate(self, capacity: int) -> None:
        self.capacity = capacity
        self.profile = np.zeros((PROFILE_ROWS, capacity), np.uint8)
        self.stats = np.zeros((STATS, capacity))
        self.stats[LAST] = NEVER
        self._free = list(range(capacity))  # a heap

    def take(self) -> int:
        """A free slot: the lowest, so that the same history gives the same layout."""
        if not self._free:
            self._grow()
        self.used += 1
        slot = heappop(self._free)
        self.top = max(self.top, slot + 1)
        return slot

    def claim(self, slots: Sequence[int]) -> None:
        """Take these very slots: incidents read back from the store stand where they stood."""
        top = max(slots, default=-1) + 1
        while top > self.capacity:
            self._grow()
        taken = set(slots)
        self._free = [slot for slot in self._free if slot not in taken]
        heapify(self._free)
        self.used += len(taken)
        self.top = max(self.top, top)

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
        compiled = kernel.compiled
        if compiled is not None:
            compiled.times(stats, slot, last, first, count, limit)
            return
        length = last - first
        stats[LAST, slot] = last
        stats[FIRST, slot] = first
        stats[COUNT, slot] = count
        stats[LENGTH_NOW, slot] = length / (length + 600.0)
        stats[LIMIT, slot] = limit

    def add(self, slot: int, rows: Places, weight: float) -> float:
        """Count one alert's rows (R,) into a slot that holds ``weight`` alerts; returns the new weight.

        A row that stands twice counts once.
        """
        halve = weight >= HALVE_AT
        if halve:
            weight *= 0.5
        compiled = kernel.compiled
        if compiled is not None:
            compiled.add(self.profile, slot, rows, halve)
        else:
            _add(self.profile[:, slot], rows, halve=halve)
        self.stats[SHARE, slot] = 1.0 / (weight + 1.0)
        return weight + 1.0

    def sparse(self, slots: list[int]) -> list[bytes]:
        """The profiles of slots, each once, without the zeros: the rows (u2, ascending) and then their counts (u1)."""
        compiled = kernel.compiled
        if compiled is not None:
            return compiled.sparse(self.profile, slots)
        columns = self.profile.take(slots, 1).T
        rows = [column.nonzero()[0] for column in columns]
        return [
            held.astype("<u2").tobytes() + column[held].tobytes() for held, column in zip(rows, columns, strict=True)
        ]

    def alike(
        self, since: float, rows: Places, usual: Places, bits: Singles, keep: int, known: Sequence[int] = ()
    ) -> list[int]:
        """The up to ``keep`` slots that share most of an alert's rarest features, in order of slot, but for ``known``.

        rows (S,) of the alert's features in the profile, ``usual`` (S,) their places in ``bits``, which says how rare
        each is. A slot's likeness is how many of the STRONG rarest its alerts have, the rarest counted up to four
        times. Slots without an alert since ``since`` are left out; of equal ones the lower slots are taken. With the
        ``known`` ones, which have their places already, there are at most ``keep``.
        """
        compiled = kernel.compiled
        if compiled is not None:
            last = self.stats[LAST, : self.top]
            return compiled.alike(self.profile, last, since, rows, usual, bits, STRONG, keep, known)
        strong = _strong(rows, bits.take(usual))
        places = _most(self.profile.take(strong, 0), self.stats[LAST], since, keep)
        return [slot for slot in places.tolist() if slot not in known][: max(keep - len(known), 0)]

    def fitting(self, slots: list[int], since: float, until: float, oldest: float, full: int) -> list[int]:
        """Those of ``slots`` that may take an alert, in their order.

        That have one since ``since``, began from ``oldest`` on and by ``until``, and hold fewer than ``full``.
        """
        compiled = kernel.compiled
        if compiled is not None:
            return compiled.fitting(self.stats, slots, since, until, oldest, full)
        last, first, count = self.stats[LAST, slots], self.stats[FIRST, slots], self.stats[COUNT, slots]
        fits = (last >= since) & (oldest <= first) & (first <= until) & (count < full)
        return [slot for slot, fit in zip(slots, fits.tolist(), strict=True) if fit]

    def quiet(self, since: float) -> list[int]:
        """The slots in use without an alert since then."""
        last = self.stats[LAST, : self.top]
        slots: list[int] = ((last < since) & (last > NEVER)).nonzero()[0].tolist()
        return slots


def _add(column: Counts, rows: Places, *, halve: bool) -> None:
    if halve:
        column >>= 1
    column[rows] += 1
    column[ABSENT] = 0


def _strong(rows: Places, bits: Singles) -> Places:
    """The rows of the STRONG rarest features, the rarest of them up to four times."""
    rare: list[float] = bits.tolist()
    order = sorted(range(len(rare)), key=rare.__getitem__, reverse=True)[:STRONG]
    unit = rare[order[0]] / 3 or 1.0
    return rows.take([place for place in order for _ in range(1 + int(rare[place] / unit))])


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
